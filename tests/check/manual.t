#!/bin/bash
# Every key of the option tables is in usher.conf(5), in the right section, and the other way round;
# every global key stands in etc/usher.conf; every option of usherd is in usherd(8).
. "$(dirname "$0")/tap.sh"
cd "$top" || exit 1
[ -x "$build/usherd" ] || skip_all "no usherd in $build"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# What usherd knows: "global NAME" and "service NAME" lines, "log.level" for a key in a group.
known() {
    "$build/usherd" --list-keys | LC_ALL=C sort -u
}

# What the manual has: the same lines. A list within an item, or names in the text of `limits`,
# are the keys of that group.
documented() {
    awk '
        /^\.S[sh] / { kind = ""; depth = 0
                      if (/Global keys/) kind = "global"
                      if (/Keys of services/) kind = "service" }
        kind == "" { next }
        /^\.Bl/ { depth++ }
        /^\.El/ { depth-- }
        /^\.It Ic / { if (depth == 1) group = $3
                      for (i = 3; i <= NF; i++)
                          if ($i != ",") print kind, (depth > 1 ? group "." : "") $i }
        /^\.Ic / && group == "limits" { print kind, group "." $2 }' man/usher.conf.5 |
        LC_ALL=C sort -u
}

groups() { # the names before a dot: a group is documented, but is no key itself
    sed -n 's/^\([a-z]*\) \([a-z_]*\)\..*/\1 \2/p' "$work/known" | LC_ALL=C sort -u
    printf '%s\n' "global defaults" "global services" "service options"
}

known >"$work/known"
documented >"$work/documented"
groups | LC_ALL=C sort -u >"$work/groups"
LC_ALL=C sort -u "$work/known" "$work/groups" >"$work/welcome"

ok "usherd names its keys" test "$(wc -l <"$work/known")" -gt 40
none "every key is in usher.conf(5)" "$(LC_ALL=C comm -23 "$work/known" "$work/documented")"
none "usher.conf(5) has no other key" "$(LC_ALL=C comm -13 "$work/welcome" "$work/documented")"

missing_in_the_table() {
    sed -n 's/^global \(.*\.\)\?//p' "$work/known" | while read -r key; do
        grep -q -E "^# *$key +=|^ *$key +=|^# +$key *=" etc/usher.conf || echo "$key"
    done
}
none "every global key stands in etc/usher.conf" "$(missing_in_the_table)"

undocumented_options() {
    "$build/usherd" --help | grep -o -E -e '--[a-z-]+' | sort -u | while read -r option; do
        grep -q -e "Fl -${option#--}" man/usherd.8 || echo "$option"
    done
}
none "every option of usherd is in usherd(8)" "$(undocumented_options)"

# Each service's source, and "SERVICE KEY" lines: the options in it, and those in its section of the
# manual. The skeleton is no service.
service_sources() {
    grep -l '^USHER_SERVICE(' services/*/*.c | grep -v skeleton
}

options_known() {
    service_sources | while read -r file; do
        tr -s '\n ' ' ' <"$file" | grep -o -E 'USHER_OPTION_[A-Z]+\( ?struct [a-z_]+, [a-z_]+,' |
            sed "s/.*, \([a-z_]*\),$/$(basename "$file" .c) \1/"
    done | LC_ALL=C sort
}

options_documented() {
    awk '/^\.Ss / { service = $2 }
         /^\.It Ic / { for (i = 3; i <= NF; i++) if ($i != ",") print service, $i }' \
        man/usher-services.7 | LC_ALL=C sort
}

services_undocumented() {
    service_sources | while read -r file; do
        grep -q -x "\.Ss $(basename "$file" .c)" man/usher-services.7 || basename "$file" .c
    done
}
none "every service is in usher-services(7)" "$(services_undocumented)"
none "every option of a service is in its section" \
    "$(LC_ALL=C comm -3 <(options_known) <(options_documented))"

if command -v mandoc >/dev/null; then
    none "the manual is well written mdoc" "$(mandoc -T lint -W error man/*.[578] 2>&1)"
elif command -v groff >/dev/null; then
    none "groff has no complaint about the manual" \
        "$(for page in man/*.[578]; do groff -mdoc -ww -z "$page" 2>&1; done)"
else
    skip "the manual is well written mdoc" "neither mandoc nor groff is installed"
fi
tap_done
