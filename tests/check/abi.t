#!/bin/bash
# A plugin that was built once goes on working: sizes, places and values of the public header are
# those in abi.golden. Only additions at the end of a struct are welcome; then run with --update.
. "$(dirname "$0")/tap.sh"
cd "$top" || exit 1
golden=tests/check/abi.golden
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# Every struct with its fields, and every constant, as the header has them now.
list() {
    awk '
        /^struct usher_[a-z]+ \{/ { type = $2; print "SIZE(" type ");"; next }
        /^enum usher_[a-z]+ \{/ { values = 1 }
        values { line = $0; gsub(/\/\*[^*]*(\*\/)?/, "", line); gsub(/^.*\{/, "", line)
                 while (match(line, /USHER_[A-Z_]+/)) {
                     print "VALUE(" substr(line, RSTART, RLENGTH) ");"
                     line = substr(line, RSTART + RLENGTH) } }
        /^\};|\};$/ { type = ""; values = 0; next }
        /^#define USHER_(ABI|STREAM|DATAGRAM|NEEDS_[A-Z_]+) / { print "VALUE(" $2 ");" }
        type == "" { next }
        { line = $0
          if (comment) { if (!sub(/^.*\*\//, "", line)) next; comment = 0 }
          gsub(/\/\*[^*]*\*\//, "", line)
          if (sub(/\/\*.*/, "", line)) comment = 1
          text = text line }
        /;/ { statement(text); text = "" }
        function statement(s, parts, n, i, name) {
            if (match(s, /\(\*[a-z_]+\)/)) {
                print "AT(" type ", " substr(s, RSTART + 2, RLENGTH - 3) ");"; return }
            sub(/;.*/, "", s); n = split(s, parts, ",")
            for (i = 1; i <= n; i++) if (match(parts[i], /[a-z_]+ *$/)) {
                name = substr(parts[i], RSTART, RLENGTH); gsub(/ /, "", name)
                print "AT(" type ", " name ");" } }' include/usher/service.h
}

[ "$(uname -m)" = x86_64 ] || skip_all "abi.golden is for x86_64"
list >"$work/abi-list.h"
${CC:-cc} -std=gnu11 -Iinclude -I"$work" -o "$work/abi" tests/check/abi.c || exit 1
"$work/abi" >"$work/abi.now" || exit 1
if [ "$1" = --update ]; then
    cp "$work/abi.now" "$golden"
    exit
fi
ok "the layout of usher/service.h is the promised one" diff -u "$golden" "$work/abi.now"
ok "the list is not empty" test "$(grep -c ' at ' "$work/abi.now")" -gt 60
tap_done
