#!/bin/bash
# C24: two builds, in folders of different names, give the same programs and modules to the byte: whoever
# doubts a package can build it again and compare. Prints TAP. usage: reproducible.sh [SOURCE]
set -u
top=$(cd "${1:-$(dirname "$0")/../..}" && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

build() { # build NAME
    mkdir -p "$work/$1" && cd "$work/$1" &&
        "$top/configure" -q --prefix=/usr CFLAGS=-O2 >configure.out 2>&1 &&
        make -s -j"$(nproc)" >make.out 2>&1 || { cat configure.out make.out; return 1; }
}

products() { # products NAME: their digests
    cd "$work/$1" && sha256sum usherd usherctl services/.libs/*.so
}

echo "1..1"
if build first && build another-name && products first >"$work/one" &&
    products another-name >"$work/two" && diff "$work/one" "$work/two" >"$work/differ"; then
    echo "ok 1 - C24: two builds are equal, $(wc -l <"$work/one") files"
else
    echo "not ok 1 - C24: two builds are equal"
    sed 's/^/# /' "$work/differ"
    exit 1
fi
