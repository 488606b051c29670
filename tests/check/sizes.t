#!/bin/bash
# Functions have at most 60 lines, files at most 600, lines at most 90 columns. Who may be longer stands, with the reason,
# in sizes.exceptions: a line "path" or "path:function", then the reason.
. "$(dirname "$0")/tap.sh"
cd "$top" || exit 1
exceptions=tests/check/sizes.exceptions

not_excepted() { # reads "name: text" lines
    while IFS= read -r finding; do
        name=${finding%%: *}
        grep -q -F -e "$name " "$exceptions" || printf '%s\n' "$finding"
    done
}

long_files() {
    wc -l src/*/*.[ch] services/*/*.c include/usher/*.h |
        awk '$2 != "total" && $1 > 600 { print $2 ": " $1 " lines" }'
}

long_functions() {
    ctags --languages=C --kinds-C=f --fields=+ne -f - src/*/*.[ch] services/*/*.c | awk -F'\t' '{
        first = last = 0
        for (i = 4; i <= NF; i++) {
            if ($i ~ /^line:/) first = substr($i, 6)
            if ($i ~ /^end:/) last = substr($i, 5)
        }
        if (last - first + 1 > 60) print $2 ":" $1 ": " last - first + 1 " lines" }'
}

long_lines() {
    awk 'length($0) > 90 { print FILENAME ": line " FNR }' src/*/*.[ch] services/*/*.[ch] \
        include/usher/*.h tests/*/*.[ch] fuzz/*.[ch] bench/*.[ch]
}

none "no line has more than 90 columns" "$(long_lines | not_excepted)"
none "no file has more than 600 lines" "$(long_files | not_excepted)"
if ctags --version 2>/dev/null | grep -q Universal; then
    none "no function has more than 60 lines" "$(long_functions | not_excepted)"
else
    skip "no function has more than 60 lines" "universal-ctags is not installed"
fi
tap_done
