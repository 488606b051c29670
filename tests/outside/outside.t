#!/bin/bash
# A plugin built as its author would: in a folder of its own, from its own Makefile, against the
# header and the pkg-config file that `make install` puts down. The daemon must take it.
. "$(dirname "$0")/../check/tap.sh"
here=$(cd "$(dirname "$0")" && pwd)
command -v pkg-config >/dev/null || skip_all "pkg-config is not installed"
[ -e "$build/Makefile" ] || skip_all "nothing is built in $build"
work=$(mktemp -d "${TMPDIR:-/tmp}/usher-outside-XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
root=$work/root
mkdir "$work/tally"
cp "$here/Makefile" "$here/tally.c" "$work/tally"
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL

ok "header and pkg-config file are installed" make -s -C "$build" DESTDIR="$root" \
    install-usherincludeHEADERS install-pkgconfigDATA
header=$(find "$root" -path '*/usher/service.h')
pc=$(find "$root" -name usher.pc)
ok "both are there" test -n "$header" -a -n "$pc"

# The scratch root stands in for /.
prefix=$(pkg-config --variable=prefix "$pc")
sed -i "s|^prefix=.*|prefix=$root$prefix|" "$pc"
export PKG_CONFIG_PATH=${pc%/*} PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1
ok "make" make -s -C "$work/tally" CFLAGS="-std=c11 -Wall -Wextra -Wpedantic -Wconversion -Werror"
ok "make install" make -s -C "$work/tally" install
module=$(find "$root" -name tally.so)
ok "it lies where plugins are looked for" test "${module%/*}" = "$(pkg-config --variable=plugindir usher)"

symbols() {
    test "$(nm -D --defined-only "$1" | awk '$2 != "A" { print $3 }' | grep -c '^usher_service$')" = 1 &&
        ! nm -D --undefined-only "$1" | grep usher
}
ok "it has the one symbol, and needs none of the daemon" symbols "$module"

if command -v "${CXX:-c++}" >/dev/null; then
    printf '#include <usher/service.h>\nint main() { return sizeof(struct usher_service) == 0; }\n' >"$work/x.cc"
    ok "the header is readable as C++" "${CXX:-c++}" -std=c++11 -Wall -Wextra -Werror -fsyntax-only \
        $(pkg-config --cflags usher) "$work/x.cc"
else
    skip "the header is readable as C++" "no C++ compiler"
fi

cat >"$work/good.conf" <<'CONF'
services: {
    tally: {
        plugin = "tally";
        listen = "tcp://127.0.0.1:0";
        options: { unit = "octets"; };
    };
};
CONF
sed 's/unit = "octets"/units = "octets"/' "$work/good.conf" >"$work/bad.conf"

as=()
[ "$(id -u)" -ne 0 ] || as=(-o user=nobody -o group="$(id -gn nobody)")

check() { # check FILE: what --check says
    "$build/usherd" "${as[@]}" --check -c "$work/$1.conf" --plugin-dir "${module%/*}" 2>&1
}

names_the_option() {
    local said
    ! said=$(check bad) && echo "$said" | grep -q 'bad.conf:5: .*units.*unit'
}

if [ -x "$build/usherd" ]; then
    ok "the daemon takes it" check good
    ok "the daemon knows its options" names_the_option
else
    skip "the daemon takes it" "no usherd in $build"
fi
tap_done
