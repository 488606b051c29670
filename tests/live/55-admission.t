#!/usr/bin/env python3
"""Who may come in: access, hours, load, rates, limits by source, banners (reliability table D)."""
import contextlib
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time

from usher_live import *  # noqa: F403 - the test vocabulary

ECHO = 'echo: { plugin = "echo"; listen = "tcp://:0"; %s };'
RESET = struct.pack("ii", 1, 0)
WHO = 'user = "root"; pool = "p";' if IS_ROOT else 'user = "%d";' % os.getuid()


def end_of(client):
    """All that it hears; being cut off is an end, too."""
    heard = b""
    with contextlib.suppress(ConnectionResetError):
        while part := client.recv(65536):
            heard += part
    return heard


def from_source(port, source, request=b"x", host="127.0.0.1"):
    """What one caller from this address hears, to the end; None: it was closed without a word."""
    with connect(port, host, source=source) as client:
        with contextlib.suppress(OSError):  # it may be closed already
            client.sendall(request)
            client.shutdown(socket.SHUT_WR)
        return end_of(client) or None


def hold(port, source, count):
    """Connections of one source that are served: each has had an answer."""
    held = []
    for _ in range(count):
        client = connect(port, source=source)
        client.sendall(b"x")
        equal(read_exactly(client, 1), b"x")
        held.append(client)
    return held


def is_silent(client, seconds=0.2):
    client.settimeout(seconds)
    try:
        return client.recv(10) is None
    except socket.timeout:
        return True
    except OSError:
        return False
    finally:
        client.settimeout(DEADLINE)


def wait_accepted(port, count):
    """Until a worker has taken in all of so many: those in the kernel's queue have no inode yet."""
    local = "%08X:%04X" % (int.from_bytes(socket.inet_aton("127.0.0.1"), sys.byteorder), port)

    def accepted():
        with open("/proc/net/tcp") as file:
            found = [line.split() for line in file if local in line]  # floods beside us make it long
        return sum(words[1] == local and words[3] != "0A" and words[9] != "0" for words in found)

    wait_for(lambda: accepted() == count, "%d to be accepted" % count, 3 * DEADLINE)


# ---- access ------------------------------------------------------------------------------

@test
def allow_and_deny_decide_by_the_longest_prefix():
    with Usherd(ECHO % 'allow = [ "127.0.0.0/24", "127.0.1.7" ]; deny = [ "127.0.0.16/28" ];') as u:
        port = u.port("echo")
        for source, may in (("127.0.0.1", True), ("127.0.0.15", True), ("127.0.0.16", False),
                            ("127.0.0.31", False), ("127.0.0.32", True), ("127.0.1.7", True),
                            ("127.0.1.8", False)):
            equal((source, from_source(port, source)), (source, b"x" if may else None))
        equal(u.counts("echo")["refused"], 3)
        u.wait_log(r"echo.*refuse reason=denied peer=127\.0\.0\.16:\d+ left_out=0")


@test
def d3_a_mapped_address_is_the_ipv4_address():
    for rule, may in (('deny = "127.0.0.2";', False), ('allow = "127.0.0.2";', True),
                      ('deny = "::ffff:127.0.0.2";', False), ('allow = "::1";', False),
                      ('allow = "::/0";', False)):
        u = Usherd('passed: { plugin = "echo"; listen = "fd://front"; %s };' % rule, start=False)
        try:
            listener = socket.socket(socket.AF_INET6)
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            listener.bind(("::", 0))
        except OSError:
            u.clean()
            raise Skip("no IPv6 here")
        with listener:
            listener.listen()
            _with_passed(u, listener, lambda port: equal(
                (rule, from_source(port, "127.0.0.2")), (rule, b"x" if may else None)))


def _with_passed(u, listener, check):
    u.prefix = ["/bin/sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=front exec "$@"', "sh"]
    saved = os.dup(listener.fileno())
    with open(u.log_path, "ab") as log:
        process = subprocess.Popen(
            u.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, close_fds=False,
            preexec_fn=lambda: (os.dup2(saved, 3, True), os.closerange(4, 60)))
    try:
        wait_for(lambda: "start version" in u.log(), "it to be ready: " + u.log())
        check(listener.getsockname()[1])
    finally:
        process.terminate()
        process.wait(DEADLINE)
        os.close(saved)
        u.clean()


@test
def d3_ipv6_callers_have_rules_of_their_own():
    row = 'echo: { plugin = "echo"; listen = "tcp://[::1]:0"; %s };'
    for rule, may in (('allow = "127.0.0.0/8";', False), ('allow = "::1";', True),
                      ('allow = "local";', True), ('deny = "::/64";', False)):
        try:
            u = Usherd(row % rule)
        except AssertionError:
            raise Skip("no IPv6 here")
        with u:
            equal((rule, from_source(u.port("echo"), "::1", host="::1")),
                  (rule, b"x" if may else None))


@test
def d6_what_cannot_be_enforced_is_refused_by_the_reader():
    for key in ('allow = "127.0.0.1";', 'deny = "127.0.0.1";', "max_per_source = 2;",
                'rate_per_source = "1/s";', 'banner = "hello";'):
        code, text = refused('w: { exec = "/bin/cat"; wait = true; listen = "tcp://:0"; %s %s };'
                             % (WHO, key))
        equal((key, code), (key, 1))
        assert key.split()[0] in text, text


@test
def unix_callers_are_known_by_their_user():
    for rule, may in (('allow = "uid:%d";' % os.getuid(), True), ('deny = "uid:%d";' % os.getuid(), False),
                      ('allow = "uid:4711";', False), ('allow = "gid:%d";' % os.getgid(), True)):
        u = Usherd(start=False)
        path = u.dir + "/echo.sock"
        u.table('echo: { plugin = "echo"; listen = "unix://%s"; socket_mode = "0666"; %s };'
                % (path, rule))
        with u.start() as u, socket.socket(socket.AF_UNIX) as client:
            client.settimeout(DEADLINE)
            client.connect(path)
            answer = b""
            with contextlib.suppress(OSError):
                client.sendall(b"x")
                client.shutdown(socket.SHUT_WR)
                answer = read_all(client)
            equal((rule, answer), (rule, b"x" if may else b""))


@test
def tcpmux_obeys_the_rules_of_the_service():
    rows = """tcpmux: { plugin = "tcpmux"; listen = "tcp://:0"; };
        few: { plugin = "echo"; listen = "tcp://:0"; tcpmux = true; max_per_source = 1; banner = "hi "; };
        none: { plugin = "echo"; listen = "tcp://:0"; tcpmux = true; deny = "127.0.0.0/8"; };"""
    with Usherd(rows) as u:
        port = u.port("tcpmux")
        equal(talk(port, b"none\r\nx"), b"-Service not available\r\n")
        equal(talk(port, b"few\r\nx"), b"+Go\r\nhi x")
        wait_for(lambda: u.count("few", "ACTIVE") == 0, "it to be over")
        with connect(u.port("few"), source="127.0.0.1") as held:
            held.sendall(b"x")
            equal(read_exactly(held, 4), b"hi x")
            equal(talk(port, b"few\r\nx"), b"-Service busy\r\n")
        equal(u.counts("none")["refused"] + u.counts("few")["refused"], 2)


# ---- banners -----------------------------------------------------------------------------

@test
def banners_are_sent_byte_for_byte():
    texts = 'banner = "Welcome \\\\ 100%%\\r\\n"; banner_denied = "No.\\r\\n"; banner_busy = "Busy\\n";'
    limits = 'deny = "127.0.0.2"; max_per_source = 1; on_limit = "refuse";'
    for way in ('plugin = "echo";', 'plugin = "echo"; mode = "fork";', 'exec = "/bin/cat"; ' + WHO):
        with Usherd('echo: { %s listen = "tcp://:0"; %s %s };'
                    % (way, texts.replace("%%", "%"), limits)) as u:
            port = u.port("echo")
            equal(from_source(port, "127.0.0.1"), b"Welcome \\ 100%\r\nx")
            equal(from_source(port, "127.0.0.2"), b"No.\r\n")
            with connect(port, source="127.0.0.3") as held:
                equal(read_exactly(held, 16), b"Welcome \\ 100%\r\n")
                equal(from_source(port, "127.0.0.3"), b"Busy\n")
            equal(u.counts("echo")["refused"], 2)


# ---- limits by source --------------------------------------------------------------------

@test
def max_per_source_parks_and_starts_in_order():
    with Usherd(ECHO % "max_per_source = 2;") as u:
        port = u.port("echo")
        held = hold(port, "127.0.0.2", 2)
        waiting = [connect(port, source="127.0.0.2") for _ in range(3)]
        for number, client in enumerate(waiting):
            client.sendall(b"%d" % number)
        equal(from_source(port, "127.0.0.3"), b"x")
        assert all(is_silent(client, 0.1) for client in waiting)
        for number, client in enumerate(waiting):
            (held + waiting)[number].close()
            equal(client.recv(10), b"%d" % number)
            assert all(is_silent(later, 0.05) for later in waiting[number + 1:])
        equal(u.counts("echo")["refused"], 0)


@test
def max_per_source_is_the_pools_however_many_workers_serve_it():
    for way in ("", 'mode = "fork";'):
        with Usherd(ECHO % ('max_per_source = 4; on_limit = "refuse"; ' + way), 'workers = "3";') as u:
            port = u.port("echo")
            held = hold(port, "127.0.0.2", 4)
            for _ in range(12):
                equal(from_source(port, "127.0.0.2"), None)
            equal(from_source(port, "127.0.0.3"), b"x")
            held.pop().close()
            wait_for(lambda: from_source(port, "127.0.0.2") == b"x", "the slot")


@test
def b10_crashing_programs_give_their_slots_back():
    with Usherd('die: { exec = [ "/bin/sh", "-c", "kill -9 $$" ]; listen = "tcp://:0"; %s'
                ' max_per_source = 2; };' % WHO) as u:
        for _ in range(100):
            with contextlib.suppress(OSError):
                talk(u.port("die"))
        wait_for(lambda: u.count("die", "ACTIVE") == 0, "the counters to return")
        with contextlib.suppress(OSError):
            equal(talk(u.port("die")), b"")
        wait_for(lambda: u.counts("die")["failed"] >= 101, "all of them to be started")


@test
def a_drain_turns_away_who_was_parked():
    with Usherd(ECHO % 'max_per_source = 1; banner_busy = "Busy\\n";', 'drain_timeout = "5s";') as u:
        port = u.port("echo")
        held = hold(port, "127.0.0.2", 1)
        waiting = connect(port, source="127.0.0.2")
        wait_accepted(port, 2)
        assert is_silent(waiting, 0.2)
        u.signal(signal.SIGTERM)
        equal(read_all(waiting), b"Busy\n")
        waiting.close()
        held[0].close()
        equal(u.process.wait(DEADLINE), 0)


ANNOUNCED = ('cat: { exec = [ "/bin/sh", "-c", "echo started; exec cat" ]; listen = "tcp://:0"; %s'
             ' banner_busy = "Busy\\n"; %%s };' % WHO)


def announced(port, source):
    client = connect(port, source=source)
    equal(read_exactly(client, 8), b"started\n")
    return client


def waiting_callers(u, port, count, in_queue):
    """Of the source that is at its limit: they have said something, and nobody has read it."""
    waiting = [connect(port, source="127.0.0.2") for _ in range(count)]
    for client in waiting:
        client.sendall(b"mine\n")
    wait_accepted(port, 2 + count - in_queue)
    wait_for(lambda: queued_at(port) == in_queue, "the others to be in the queue")
    assert is_silent(waiting[0], 0.2)
    equal(u.count("cat", "ACTIVE"), 2)
    return waiting


# What stops the third caller, how many of five stay in the kernel's queue then, and what they hear when the
# daemon ends: who is parked the banner; who is in the queue goes with the listener.
WAITS = (("max_per_source = 2;", 0, b"Busy\n"), ('rate_per_source = "1/h:2";', 0, b"Busy\n"),
         ('rate = "1/h:2";', 0, b"Busy\n"), ("max_connections = 2;", 5, b""))


@contextlib.contextmanager
def drained(wait, timeout):
    """TERM while two are served and five wait, who hear their word and no program. Yields the two; it
    has to end by itself then, with all its programs."""
    rule, in_queue, word = wait
    with Usherd(ANNOUNCED % rule, 'drain_timeout = "%s";' % timeout) as u:
        port = u.port("cat")
        held = [announced(port, "127.0.0.2") for _ in range(2)]
        waiting = waiting_callers(u, port, 5, in_queue)
        known = descendants_of(u.pid)
        u.signal(signal.SIGTERM)
        equal((rule, {end_of(client) for client in waiting}), (rule, {word}))
        for client in waiting:
            client.close()
        yield held
        equal((rule, u.process.wait(DEADLINE)), (rule, 0))
        wait_for(lambda: not [pid for pid in known if is_alive(pid)], "its processes to end")


@test
def a_drain_starts_no_program_for_who_waits():
    for wait in WAITS:
        with drained(wait, "50s") as held:
            for client in held:  # theirs go on, and it waits for them; then it does not wait any longer
                client.sendall(b"still\n")
                equal(read_exactly(client, 6), b"still\n")
                client.close()


@test
def the_end_of_a_drain_ends_programs_and_starts_none_for_who_waited():
    for wait in WAITS:
        with drained(wait, "1s") as held:
            equal((wait, [end_of(client) for client in held]), (wait, [b"", b""]))


TWO = ('echo: { %s listen = "tcp://:0"; max_per_source = 2; banner_busy = "Busy\\n"; %s };'
       'other: { %s listen = "tcp://:0"; log_connections = %s; };')


@test
def at_a_reload_who_is_parked_stays_within_the_limits_of_his_row():
    for way in ('plugin = "echo";', 'exec = "/bin/cat"; ' + WHO):
        with Usherd(TWO % (way, "", way, "false")) as u:
            port = u.port("echo")
            held = hold(port, "127.0.0.2", 2)
            waiting = [connect(port, source="127.0.0.2") for _ in range(10)]
            wait_accepted(port, 12)
            assert is_silent(waiting[-1], 0.2)
            u.table(TWO % (way, "", way, "true"))  # his row is the same, its worker is not
            u.reload()
            assert all(is_silent(client, 0.02) for client in waiting)
            equal(u.count("echo", "ACTIVE"), 2)
            held.pop().close()
            waiting[0].sendall(b"late")
            equal(read_exactly(waiting[0], 4), b"late")
            wait_for(lambda: u.count("echo", "ACTIVE") == 2, "the one that started to be counted")
            u.table(TWO % (way, 'banner = "Hi";', way, "true"))  # his row has changed
            u.reload()
            equal({read_all(client) for client in waiting[1:]}, {b"Busy\n"})
            for client in held + waiting:
                client.close()


@test
def f15_rates_hold_and_others_are_not_harmed():
    with Usherd(ECHO % 'rate_per_source = "10/s:3"; on_limit = "refuse";') as u:
        port = u.port("echo")
        started = time.monotonic()
        served = sum(from_source(port, "127.0.0.2") == b"x" for _ in range(100))
        passed = time.monotonic() - started
        assert 3 <= served <= 4 + 10 * passed, (served, passed)
        equal(from_source(port, "127.0.0.3"), b"x")
        u.wait_log("reason=rate_per_source")
    with Usherd(ECHO % 'rate = "50/s:5";') as u:
        port, started = u.port("echo"), time.monotonic()
        for _ in range(25):  # they wait, and all are served
            equal(from_source(port, "127.0.0.2"), b"x")
        assert time.monotonic() - started > 0.35
        equal(u.counts("echo")["refused"], 0)


# ---- hours and load ----------------------------------------------------------------------

@test
def hours_are_local_time():
    now = time.localtime()

    def window(first, last):
        return 'hours = "%02d:00-%02d:00"; banner_denied = "Closed.\\n";' % (
            (now.tm_hour + first) % 24, (now.tm_hour + last) % 24)

    with Usherd(ECHO % window(-1, 2)) as u:
        equal(from_source(u.port("echo"), "127.0.0.1"), b"x")
    with Usherd(ECHO % window(2, 4)) as u:
        equal(from_source(u.port("echo"), "127.0.0.1"), b"Closed.\n")
        u.wait_log("reason=hours")


@test
def a_machine_above_max_load_refuses():
    with Usherd(ECHO % 'max_load = "10000.0"; banner_busy = "Busy.\\n";') as u:
        equal(from_source(u.port("echo"), "127.0.0.1"), b"x")
    if os.getloadavg()[0] < 0.1:
        raise Skip("this machine does nothing at all")
    with Usherd(ECHO % 'max_load = "0.01"; banner_busy = "Busy.\\n";') as u:
        equal(from_source(u.port("echo"), "127.0.0.1"), b"Busy.\n")
        u.wait_log("reason=load")


# ---- datagrams ---------------------------------------------------------------------------

@test
def datagrams_obey_access_and_the_rate_of_the_row():
    with Usherd('echo: { plugin = "echo"; listen = "udp://:0"; deny = "127.0.0.2"; };'
                'slow: { plugin = "echo"; listen = "udp://:0"; rate = "5/s:2"; };') as u:
        port = u.port("echo", "udp")
        with udp("127.0.0.2") as denied:
            denied.sendto(b"x", ("127.0.0.1", port))
            equal(ask(port, b"sync"), b"sync")
            assert is_silent(denied, 0.1)
        wait_for(lambda: u.counts("echo")["refused"] == 1, "it to be counted")
        with udp() as client:
            slow, started = u.port("slow", "udp"), time.monotonic()
            for _ in range(20):
                client.sendto(b"x", ("127.0.0.1", slow))
            wait_for(lambda: u.count("slow", "ACCEPTED") == 20, "all to be counted")
            wait_for(lambda: u.counts("slow")["refused"] + u.counts("slow")["replied"] == 20, "each to be counted once")
            passed = time.monotonic() - started
            assert 2 <= u.counts("slow")["replied"] <= 3 + 5 * passed, passed


@test
def a9_r30_a_forged_datagram_bans_nobody():
    if not IS_ROOT:
        raise Skip("a forged datagram needs a raw socket")
    victim = "127.0.0.9"
    with Usherd('echo: { plugin = "echo"; listen = [ "tcp://:0", "udp://:0" ]; max_per_source = 2;'
                ' rate_per_source = "1/s:2"; };', 'port_offset = 0;') as u:
        port, tcp = u.port("echo", "udp"), u.port("echo")
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as raw:
            raw.bind((victim, 0))
            for _ in range(5000):
                raw.sendto(struct.pack("!HHHH", 40000, port, 9, 0) + b"x", ("127.0.0.1", 0))
        wait_for(lambda: u.count("echo", "ACCEPTED") >= 100, "some to be counted")
        equal(from_source(tcp, victim), b"x")
        equal(u.counts("echo")["refused"], 0)


run()
