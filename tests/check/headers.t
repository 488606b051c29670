#!/bin/bash
# Every header compiles alone, with all warnings; the public one also as C++.
. "$(dirname "$0")/tap.sh"
cd "$top" || exit 1

warnings="-Wall -Wextra -Wshadow -Wconversion -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wundef
    -Wformat=2 -Wimplicit-fallthrough -Wpointer-arith -Wcast-align -Wwrite-strings -Werror"
includes="-Isrc -Iinclude $(pkg-config --cflags libconfig libevent_core libcap-ng 2>/dev/null)"

alone() { # alone FLAGS HEADER: the header twice, so that its guard is seen to work
    printf '#include "%s"\n#include "%s"\n' "$2" "$2" |
        ${CC:-cc} $1 $warnings $includes -fsyntax-only -x c -
}

ok "include/usher/service.h as strict C11" alone "-std=c11" usher/service.h
for header in src/*/*.h; do
    ok "$header" alone "-std=gnu11 -D_GNU_SOURCE" "${header#src/}"
done

cxx=$(command -v "${CXX:-c++}" || command -v clang++ || command -v g++)
if [ -n "$cxx" ]; then
    ok "include/usher/service.h as C++17" "$cxx" -std=c++17 -Wall -Wextra -Werror -Iinclude \
        -fsyntax-only -x c++ - <<<'#include <usher/service.h>'
else
    skip "include/usher/service.h as C++17" "no C++ compiler"
fi
tap_done
