#!/usr/bin/env python3
"""Who may come in: allow and deny, for connections, datagrams and UNIX callers.

Run by root, the whole file has a network of its own, with addresses that are not loopback: so that
there are callers from elsewhere.
"""
import os
import shutil
import socket
import stat
import subprocess
import sys

if os.geteuid() == 0 and shutil.which("unshare") and shutil.which("ip") \
        and "USHER_NETWORK" not in os.environ:
    os.environ["USHER_NETWORK"] = "own"
    own = ["unshare", "-n", "sh", "-c", "ip link set lo up && for a in 192.0.2.5 192.0.2.6 2001:db8::5 "
           "2001:db8::6; do ip addr add $a dev lo; done && exec \"$@\"", "sh"]
    if subprocess.run([*own, "true"], capture_output=True).returncode == 0:
        os.execvp(own[0], [*own, sys.executable, *sys.argv])
    os.environ["USHER_NETWORK"] = "none"

from usher_live import *  # noqa: E402, F403 - the test vocabulary

HAS_NETWORK = os.environ.get("USHER_NETWORK") == "own"
GREETING = 'g: { plugin = "greeting"; listen = "tcp://*:0"; %s };'
HELLO, NO = b"Hello World!", b"no\r\n"


def said(port, host="127.0.0.1", source=None):
    with connect(port, host, source=source) as client:
        return read_all(client)


def answers(port, source):
    """Whether a datagram from there is answered, before one from where it surely is."""
    with udp(source) as stranger, udp("127.0.0.1") as friend:
        stranger.sendto(b"mine", ("127.0.0.1", port))
        friend.sendto(b"yours", ("127.0.0.1", port))
        equal(friend.recv(100), b"yours")
        return bool(select.select([stranger], [], [], 0)[0])


@test
def the_longest_prefix_decides_and_a_tie_denies():
    rules = ('allow = [ "127.0.0.0/24", "127.0.0.200", "127.0.0.7", "::1" ]; banner_denied = "no\\r\\n";'
             'deny = [ "127.0.0.128/25", "127.0.0.7" ];')
    with Usherd(GREETING % rules) as u:
        port = u.port("g")
        for source, want in (("127.0.0.1", HELLO), ("127.0.0.129", NO), ("127.0.0.200", HELLO),
                             ("127.0.0.7", NO), ("127.0.1.1", NO), ("127.0.0.1", HELLO)):
            equal((source, said(port, source=source)), (source, want))
        u.wait_log(r"refuse reason=denied peer=127\.0\.0\.129:")


@test
def a_mapped_rule_is_an_ipv4_rule():
    with Usherd(GREETING % 'deny = "::ffff:127.0.0.2"; banner_denied = "no\\r\\n";') as u:
        equal(said(u.port("g"), source="127.0.0.2"), NO)
        equal(said(u.port("g"), source="127.0.0.3"), HELLO)


@test
def local_rows_serve_every_address_of_this_machine_and_nobody_else():
    if not HAS_NETWORK:
        raise Skip("root, unshare and ip are needed for a network of its own")
    with Usherd(GREETING % 'allow = "local"; banner_denied = "no\\r\\n";') as u:
        port = u.port("g")
        for host in ("127.0.0.1", "::1", "192.0.2.5", "2001:db8::5"):
            equal((host, said(port, host)), (host, HELLO))
        for host, source in (("192.0.2.5", "192.0.2.6"), ("2001:db8::5", "2001:db8::6")):
            equal((host, said(port, host, source)), (host, NO))


@test
def the_shipped_greeting_is_for_this_machine_only():
    if not HAS_NETWORK:
        raise Skip("root, unshare and ip are needed for a network of its own")
    with shipped() as u:
        equal(said(u.offset + 3000, "192.0.2.5"), HELLO)
        equal(said(u.offset + 3000, "192.0.2.5", "192.0.2.6"), b"")
        equal(said(u.offset + 1027, "2001:db8::5", "2001:db8::6"), b"")


@test
def datagrams_of_the_denied_are_not_answered():
    row = 'e: { plugin = "echo"; listen = "udp://127.0.0.1:0"; deny = "127.0.0.2"; };'
    with Usherd(row) as u:
        port = u.port("e", "udp")
        equal((answers(port, "127.0.0.2"), answers(port, "127.0.0.3")), (False, True))


AS_SOMEBODY = """
import grp, os, pwd, socket, sys
path, user, group, *more = sys.argv[1:]
uid, gid = pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid
os.setgroups([grp.getgrnam(name).gr_gid for name in more])
os.setgid(gid)
os.setuid(uid)
client = socket.socket(socket.AF_UNIX)
client.settimeout(10)
client.connect(path)
try:
    client.sendall(b"x")
    client.shutdown(socket.SHUT_WR)
    print(client.recv(9))
except OSError:
    print(b"")
"""


def as_somebody(path, user, group, more):
    """What comes back; b'' too where the connection was closed before anything was sent."""
    done = subprocess.run([sys.executable, "-c", AS_SOMEBODY, path, user, group, *more],
                          capture_output=True, text=True, timeout=DEADLINE * 2)
    equal(done.stderr, "")
    return done.stdout.strip()


@test
def unix_callers_go_by_their_user():
    if not IS_ROOT:
        raise Skip("root is needed to be somebody else")
    row = 'e: { plugin = "echo"; listen = "unix://%s/e"; allow = [ "uid:root", "gid:games" ]; };'
    with Usherd(start=False) as u:
        os.chmod(u.dir, 0o755)
        u.table(row % u.dir)
        u.start()
        path = os.path.join(u.dir, "e")
        assert stat.S_ISSOCK(os.stat(path).st_mode)
        equal(as_somebody(path, "root", "root", []), "b'x'")
        equal(as_somebody(path, "nobody", "nogroup", []), "b''")
        equal(as_somebody(path, "nobody", "games", []), "b'x'")
        equal(as_somebody(path, "nobody", "nogroup", ["games"]), "b''")


@test
def programs_are_not_started_for_the_denied():
    row = ('c: { exec = [ "/bin/echo", "started" ]; listen = "tcp://127.0.0.1:0"; user = "nobody";'
           ' deny = "127.0.0.2"; };')
    row = row if IS_ROOT else row.replace(' user = "nobody";', "")
    with Usherd(row) as u:
        equal(said(u.port("c"), source="127.0.0.2"), b"")
        equal(said(u.port("c")), b"started\n")


@test
def a_reload_changes_who_may_come_in():
    row = 'g: { plugin = "greeting"; listen = "tcp://127.0.0.1:0"; %s };'
    with Usherd(row % "") as u:
        equal(said(u.port("g"), source="127.0.0.2"), HELLO)
        u.table(row % 'deny = "127.0.0.2";')
        u.reload()
        port = u.port("g")
        equal((said(port, source="127.0.0.2"), said(port)), (b"", HELLO))
        u.table(row % 'deny = "127.0.0.2/8";')
        assert u.ctl("reload", check=False).returncode != 0
        equal((said(port, source="127.0.0.2"), said(port)), (b"", HELLO))


@test
def d5_d6_d8_a_table_with_a_bad_rule_never_runs():
    for rules, pattern in (
            ('allow = "127.0.01";', r"127\.0\.01.*is not a network"),
            ('allow = "10.0.0.1/8";', r'the network is \\?"10\.0\.0\.0/8'),
            ('deny = "10.0.0.0/";', r"needs a prefix from 0 to 32"),
            ('allow = "localhost";', r"names of hosts are never asked for"),
            ('alow = "local";', r'did you mean "allow"'),
            ('allow = "uid:root";', r"only callers on UNIX sockets")):
        code, text = refused(GREETING % rules)
        equal((rules, code), (rules, 1))
        assert re.search(pattern, text), (rules, text)
    code, text = refused('w: { exec = "/bin/cat"; wait = true; listen = "tcp://:0"; user = "nobody";'
                         ' allow = "local"; };')
    equal(code, 1)
    assert "allow: is not for wait rows" in text, text


run()
