#!/bin/bash
# Every table in bad/ gives exactly the mistakes, every one in good/ exactly the plan, that its .want
# file has. A case is NAME.conf, or a folder NAME.d with usher.conf in it. Its first line may say how
# it is read: "# run: root -o KEY=VALUE". A line of .want that ends in "..." is a beginning.
#
# GOLDEN_WRITE=1 writes the .want files anew: read what `git diff` says before you keep them.
. "$(dirname "$0")/../check/tap.sh"
cd "$top/tests/golden" || exit 1
plan_of=$(realpath "$build/tests/golden/plan_of") || skip_all "no plan_of in $build"
got=$(mktemp) || exit 1
trap 'rm -f "$got"' EXIT

run_case() { # run_case MAIN: prints what plan_of says, and its exit status
    local args
    args=$([ -f "$1" ] && sed -n '1s/^# run: //p' "$1" | tr -d '\0')
    # shellcheck disable=SC2086 # the line holds words
    "$plan_of" $args "$1" 2>&1
    echo "exit $?"
}

same() { # same WANT: the files, line by line
    awk 'NR == FNR { want[++count] = $0; next }
         { got++
           if ($0 == want[got]) next
           start = substr(want[got], 1, length(want[got]) - 3)
           if (want[got] ~ /\.\.\.$/ && index($0, start) == 1) next
           print "want: " want[got]; print "got:  " $0; bad = 1 }
         END { for (i = got + 1; i <= count; i++) { print "missing: " want[i]; bad = 1 }
               exit bad }' "$1" "$got"
}

for case in bad/*.conf bad/*.d good/*.conf good/*.d; do
    want=${case%.*}.want
    if [ -d "$case" ]; then
        (cd "$case" && run_case usher.conf) >"$got"
    else
        (cd "${case%/*}" && run_case "${case##*/}") >"$got"
    fi
    [ -z "$GOLDEN_WRITE" ] || cp "$got" "$want"
    ok "$case" same "$want"
done
tap_done
