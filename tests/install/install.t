#!/bin/bash
# Installs a build into a scratch root, builds a plugin against what lies there, serves it and a
# shell script from that root, and uninstalls. usage: tests/install/install.t BUILD
# (The build was configured with --prefix=/usr.)
. "$(dirname "$0")/../check/tap.sh"
build=$1
work=$(mktemp -d "${TMPDIR:-/tmp}/usher-install-XXXXXX") || exit 1
root=$work/root
table=$root/etc/usher
daemon=
clean_up() {
    [ -z "$daemon" ] || kill -KILL "$daemon" 2>/dev/null
    rm -rf "$work"
}
trap clean_up EXIT
chmod 755 "$work"

files() {
    (cd "$root" && find . -type f -o -type l | sed 's|^\./||' | LC_ALL=C sort)
}

# Waits, up to ten seconds, until the command is good.
until_good() {
    local end=$((SECONDS + 10))
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        read -r -t 0.05 <> <(:) || :
    done
}

ok "make install" make -s -C "$build" install DESTDIR="$root"
files >"$work/files"
ok "what is installed is what files.golden says" diff -u "$(dirname "$0")/files.golden" "$work/files"

echo '# mine' >>"$table/services.d/echo.conf"
cp "$table/services.d/echo.conf" "$work/echo.conf"
ok "make install once more" make -s -C "$build" install DESTDIR="$root"
ok "a changed table file was left alone" cmp "$work/echo.conf" "$table/services.d/echo.conf"

# The plugin, outside the tree.
export PKG_CONFIG_PATH=$root/usr/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root
export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1
plugins=$root$(PKG_CONFIG_SYSROOT_DIR= pkg-config --variable=plugindir usher)
cp "$(dirname "$0")/hello.c" "$work/hello.c"
ok "a plugin builds with what pkg-config says" sh -c "cd '$work' && ${CC:-cc} -std=c11 -Wall -Wextra \
    -Werror -fPIC -shared -Wl,-z,defs \$(pkg-config --cflags --libs usher) -o '$plugins/hello.so' hello.c"

# A free range for the shipped ports: another one is tried when something listens there.
start() {
    local as=() try
    [ "$(id -u)" -ne 0 ] || as=(-o user=nobody -o group="$(id -gn nobody)")
    for try in 1 2 3 4 5; do
        offset=$((10000 + (RANDOM % 5500))) # with it 50000 is still a port
        mkfifo "$work/ready.$try"
        "$root/usr/sbin/usherd" -c "$table/usher.conf" --plugin-dir "$plugins" "${as[@]}" \
            -o port_offset=$offset -o control="$work/control" --ready-fd 9 \
            9<>"$work/ready.$try" 2>"$work/log" &
        daemon=$!
        exec 8<>"$work/ready.$try"
        until_good ready_or_gone
        exec 8<&-
        kill -0 $daemon 2>/dev/null && return 0
        wait $daemon
    done
    cat "$work/log"
    return 1
}

ready_or_gone() {
    read -r -t 0.2 -u 8 || ! kill -0 $daemon 2>/dev/null
}

ctl() {
    "$root/usr/bin/usherctl" -s "$work/control" "$@"
}

echoes() {
    [ "$(echo hello | timeout 5 nc -N 127.0.0.1 $((offset + 7)))" = hello ]
}

answers() { # answers PORT TEXT
    [ "$(timeout 5 nc -N 127.0.0.1 "$1" </dev/null)" = "$2" ]
}

start >"$work/start" 2>&1
tap_result $? "usherd starts from the scratch root and says that it is ready"
sed 's/^/# /' "$work/start"
ok "the installed table serves echo" echoes

cat >"$table/services.d/outside.conf" <<'CONF'
outside: {
    plugin = "hello";
    listen = "tcp://:11";
};
CONF
cat >"$work/who.sh" <<'SCRIPT'
#!/bin/sh
echo "you speak $PROTO"
SCRIPT
chmod 755 "$work/who.sh"
cat >"$table/services.d/who.conf" <<CONF
who: {
    exec = [ "$work/who.sh" ];
    listen = "tcp://:12";
    user = "$(id -un | sed 's/^root$/nobody/')";
};
CONF
ok "usherctl reload takes the two new files" ctl reload
ok "the plugin answers" answers $((offset + 11)) "hello from outside"
ok "the script answers" answers $((offset + 12)) "you speak TCP"
ok "usherctl list names both" sh -c "'$root/usr/bin/usherctl' -s '$work/control' list >'$work/list' &&
    grep -q outside '$work/list' && grep -q who '$work/list'"

echo 'who: { this is wrong' >"$table/services.d/who.conf"
tap_result "$(ctl reload >"$work/reload" 2>&1; [ $? -ne 0 ]; echo $?)" "a bad table is refused at reload"
ok "and names its file and line" grep -q 'services.d/who.conf:1' "$work/reload"
ok "the old table still serves" answers $((offset + 12)) "you speak TCP"

kill -TERM "$daemon"
ok "TERM ends it" until_good sh -c "! kill -0 $daemon"
wait "$daemon"
tap_result $? "with the good exit code"
daemon=

rm -f "$table/services.d/outside.conf" "$table/services.d/who.conf" "$plugins/hello.so"
ok "make uninstall" make -s -C "$build" uninstall DESTDIR="$root"
ok "only the changed file is left" test "$(files)" = etc/usher/services.d/echo.conf
tap_done
