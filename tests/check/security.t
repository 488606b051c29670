#!/bin/bash
# A3: every failure that doc/SECURITY.md lists has a test that carries its number, in the files it names.
. "$(dirname "$0")/tap.sh"
cd "$top" || exit 1

rows() { # every row there is
    local table count
    for table in A:13 B:22 C:24 D:9 E:18 F:21; do
        for count in $(seq "${table#*:}"); do echo "${table%:*}$count"; done
    done
}

listed() { # "ROW FILE" lines
    sed -n 's/^| \([A-F][0-9]*\) |.*| \([^|]*\) |$/\1 \2/p' doc/SECURITY.md | tr -d '\`' |
        while read -r row files; do
            for file in $files; do echo "$row $file"; done
        done
}

file_of() { # file_of NAME: tests/NAME with its ending
    ls "tests/$1" "tests/$1".t "tests/$1".c "tests/$1".py "tests/$1".sh 2>/dev/null | head -n 1
}

# In a function's name between underscores; in what a script says, before ':' or ','.
carries() { # carries FILE ROW
    case $1 in
    tests/check/* | *.sh) grep -qE "(^|[^A-Za-z0-9])$2[:,]" "$1" ;;
    *) grep -qiE "(def |void )([a-z0-9_]*_)?$2_" "$1" ;;
    esac
}

untested() {
    listed | while read -r row name; do
        file=$(file_of "$name")
        if [ -z "$file" ]; then echo "$row: no file tests/$name"
        elif [ "$name" != check/security ] && ! carries "$file" "$row"; then
            echo "$row: no test in $file carries it"
        fi
    done
}

none "every row is in doc/SECURITY.md" \
    "$(LC_ALL=C comm -23 <(rows | LC_ALL=C sort) <(listed | cut -d' ' -f1 | LC_ALL=C sort -u))"
none "every row's tests are where the table says" "$(untested)"
tap_done
