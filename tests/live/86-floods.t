#!/usr/bin/env python3
"""Floods, slow and silent clients, clocks, disks and logs that try to wear it out. USHER_TEST_LONG=1: ten times as
many of everything."""
import contextlib
import ctypes
import os
import re
import signal
import socket
import struct
import subprocess
import time

from usher_load import *  # noqa: F403 - the test vocabulary


# ---- floods ------------------------------------------------------------------------------

RESETS = """
import socket, struct, sys
for _ in range(int(sys.argv[2])):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.connect(("127.0.0.1", int(sys.argv[1])))
    s.close()
"""


@test
def b17_r14_resets_before_accept_stall_nobody():
    with Usherd(ROWS) as u:
        port, worker = u.port("tight"), worker_of(u, "tight")
        used = len(descriptors_of(worker))
        with probing(port) as took:
            storm = subprocess.run([sys.executable, "-c", RESETS, str(port), str(20000 * MANY)], timeout=50 * MANY)
        equal(storm.returncode, 0)
        took.is_quick(0.99, 0.2)
        wait_for(lambda: u.count("tight", "ACTIVE") == 0, "the counts to be zero")
        wait_for(lambda: len(descriptors_of(worker)) == used, "the descriptors to come back")


@test
def b8_connections_to_each_built_in_leave_no_descriptor():
    names = ("echo", "discard", "daytime", "time", "chargen", "qotd", "framed", "uppercase", "greeting", "finger",
             "ident", "http", "tcpmux")
    rows = "".join('%s: { plugin = "%s"; listen = "tcp://:0"; };\n' % (name, name) for name in names
                   if name not in ("finger", "qotd"))
    with Usherd(rows) as u:
        ports = ports_of(u)
        for port in ports.values():
            connect(port).close()
        wait_for(lambda: all(u.count(name, "ACCEPTED") > 0 for name in ports), "all to be taken")
        wait_for(lambda: all(u.count(name, "ACTIVE") == 0 for name in ports), "all to be over")
        before = {pid: len(descriptors_of(pid)) for pid in [u.pid, *u.workers()]}
        for name, port in ports.items():
            for _ in range(300 * MANY):
                connect(port).close()
        wait_for(lambda: all(u.count(name, "ACTIVE") == 0 for name in ports), "all to be over", 30)
        wait_for(lambda: {pid: len(descriptors_of(pid)) for pid in before} == before,
                 "the descriptors to come back")


@test
def b15_many_programs_that_end_delay_nobody():
    rows = ROWS.replace('"/bin/cat"', '"/bin/true"')
    with Usherd(rows) as u:
        port, count = u.port("cat"), 600 * MANY
        with probing(u.port("echo"), 0.005) as took:
            for _ in range(count):
                with contextlib.suppress(ConnectionResetError), connect(port) as client:
                    read_all(client)
        took.is_quick(0.99, 0.2)
        wait_for(lambda: not _zombies(u), "no zombies")


def _zombies(u):
    return [pid for pid in descendants_of(u.pid) if not is_alive(pid)]


@test
def f6_children_that_end_together_are_all_collected():
    with Usherd(ROWS) as u:
        for service in ("cat", "forked"):
            clients = [connect(u.port(service)) for _ in range(200)]
            for client in clients:
                client.sendall(b"x")
                equal(read_exactly(client, 1), b"x")
            children = [pid for worker in u.workers() for pid in children_of(worker)]
            assert len(children) >= 200, len(children)
            for number in (signal.SIGSTOP, signal.SIGCONT):  # stopped and continued children are no news
                for pid in children[:20]:
                    with contextlib.suppress(ProcessLookupError):  # the last of the row before
                        os.kill(pid, number)
            for client in clients:
                client.close()
            wait_for(lambda: not [pid for worker in u.workers() for pid in children_of(worker)],
                     "the children to be gone")
            wait_for(lambda: u.count(service, "ACTIVE") == 0, "the counts to be zero")
            equal(talk(u.port(service), b"after"), b"after")


@test
def f1_f2_a_long_storm_of_signals_stops_nothing():
    numbers = (signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD, signal.SIGPIPE, signal.SIGALRM, signal.SIGWINCH)
    with Usherd(ROWS) as u:
        sent = 0
        with probing(u.port("echo")):
            until = time.monotonic() + (5 if MANY > 1 else 2)
            while time.monotonic() < until or sent <= 2000:
                for number in numbers:
                    u.signal(number)
                    for worker in u.workers() if sent % 600 == 0 else ():
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(worker, signal.SIGCHLD)
                sent += len(numbers)
                if sent % 6000 == 0:
                    u.signal(signal.SIGSTOP)
                    for number in numbers:
                        u.signal(number)
                    u.signal(signal.SIGCONT)
        wait_for(lambda: talks(u.port("tight")), "the calm")
        u.reload()  # answered after all that are under way
        wait_rest(u.pid)
        wait_for(lambda: len(u.workers()) == 4, "the last generation alone")
        wait_rest(u.pid, *u.workers())
        wait_for(lambda: not _zombies(u), "no zombies")


@test
def b22_what_fails_again_and_again_is_said_now_and_then():
    rows = """
        echo: { plugin = "echo"; listen = "tcp://:0"; pool = "beside"; };
        bad: { exec = [ "/bin/sh", "-c", "echo no >&2; exit 7" ]; user = "nobody"; listen = "tcp://:0"; };
        loud: { exec = [ "/bin/sh", "-c", "while :; do echo loud; done >&2" ]; user = "nobody"; listen = "tcp://:0"; };
        framed: { plugin = "framed"; listen = "tcp://:0"; };
    """
    with Usherd(rows) as u:
        ports = {name: u.port(name) for name in ("bad", "framed", "loud")}
        started = time.monotonic()
        with probing(u.port("echo")) as took, connect(ports["loud"]):
            for _ in range(150 * MANY):
                with contextlib.suppress(OSError):
                    talk(ports["bad"])
                with contextlib.suppress(OSError):
                    talk(ports["framed"], b"???")
        log = u.log()
        seconds = time.monotonic() - started
        rate = len(log) / (seconds + 1)
        assert rate < 2 * (1 << 20) / 60, "%.0f bytes/s\n%s" % (rate, log[:3000])  # three rows, 50 lines
        for name in ports:
            lines = len(re.findall(r" %s\[" % name, log))
            assert lines < (seconds + 2) * 60, "%s: %d lines in %.1f s" % (name, lines, seconds)
        took.is_quick(0.9, 0.1)


@test
def datagrams_whose_children_stay_leave_callers_a_slot():
    row = 'both: { plugin = "hang_on_data"; mode = "fork"; listen = [ "tcp://:0", "udp://:0" ]; %s };'
    with Usherd(row % 'max_connections = 18; total_timeout = "20s";') as u:
        with udp() as flooder:
            for _ in range(60):
                flooder.sendto(b"H", ("127.0.0.1", u.port("both", "udp")))
            wait_for(lambda: u.count("both", "ACTIVE") == 16, "their share to be taken")
            for _ in range(5):
                equal(talk(u.port("both"), b"x"), b"x")
            wait_for(lambda: u.count("both", "ACTIVE") == 16, "the callers to be gone")
            wait_rest(*u.workers())


# ---- listeners that a plugin shuts ---------------------------------------------------------

PIDFD_GETFD = 438


def listener_of(pid, port):
    """A copy of its listening socket, which shares everything with it."""
    handle = os.pidfd_open(pid)
    try:
        for fd in descriptors_of(pid):
            copy = ctypes.CDLL(None).syscall(PIDFD_GETFD, handle, int(fd), 0)
            if copy == -1:
                continue
            try:
                ours = socket.socket(fileno=copy)
            except OSError:
                os.close(copy)
                continue
            if ours.family == socket.AF_INET and ours.getsockname()[1] == port:
                return ours
            ours.close()
    finally:
        os.close(handle)
    raise Skip("no copy of another process's descriptors here")


@test
def a_listener_that_was_shut_down_listens_again():
    if not IS_ROOT:
        raise Skip("only root may copy another user's descriptors")
    free = iter({free_port() for _ in range(20)})  # no two rows the same
    rows = re.sub(r"tcp://:0", lambda _: "tcp://:%d" % next(free), ROWS)  # one that is drawn would be lost
    with Usherd(rows) as u:
        for name in ("tight", "cat", "forked"):
            port = u.port(name)
            with listener_of(worker_of(u, name), port) as ours:
                ours.shutdown(socket.SHUT_RDWR)
                wait_for(lambda: ours.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN), "it to listen")
            equal(talk(port, b"after"), b"after")
            u.wait_log(r"error %s.*listening again" % name)


# ---- clients that do not read, or are slow ----------------------------------------------

def small_window(port):
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    client.connect(("127.0.0.1", port))
    return client


with open(os.path.join(SOURCE, "etc", "services.d", "chargen.conf")) as _row:
    CHARGEN = re.sub(r"listen = .*;", 'listen = [ "tcp://:0", "udp://:0" ]; max_connections = 2000;', _row.read())


def queued(port):
    """What the kernel has of each connection's output that the peer does not have, in bytes."""
    with open("/proc/net/tcp") as file:
        lines = [line.split() for line in list(file)[1:]]
    return [int(words[4].split(":")[0], 16) for words in lines
            if words[1] == "0100007F:%04X" % port and words[3] == "01"]  # elsewhere others may have the port


@test
def b19_the_kernel_keeps_little_for_clients_that_never_read():
    with Usherd(CHARGEN) as u:
        port = u.port("chargen")
        clients = [small_window(port) for _ in range(200)]
        wait_for(lambda: len(now := queued(port)) == 200 and min(now) > 0, "all to be served", 2 * DEADLINE)
        wait_rest(*u.workers())
        assert max(queued(port)) <= 128 * 1024, max(queued(port))
        for client in clients:
            client.close()


@test
def b19_r11_clients_that_never_read_cost_little():
    count = 1000
    raise_own_descriptors(count + 500)
    with Usherd(ROWS + CHARGEN) as u:
        worker, port = worker_of(u, "chargen"), u.port("chargen")
        before = int(status_of(worker)["VmRSS"].split()[0])
        clients = [small_window(port) for _ in range(count)]
        wait_for(lambda: u.count("chargen", "ACTIVE") == count, "all to be served")
        wait_rest(worker)
        grown = int(status_of(worker)["VmRSS"].split()[0]) - before
        assert grown < 64 * count or IS_SANITIZED, "%d kB" % grown
        started = time.monotonic()
        for _ in range(50):
            equal(talk(u.port("tight"), b"quick"), b"quick")
        assert time.monotonic() - started < bound(2)
        for client in clients:
            client.close()
        wait_for(lambda: u.count("chargen", "ACTIVE") == 0, "all to be over")


@test
def f12_clients_without_a_window_stall_nobody():
    names = ("echo", "daytime", "time", "chargen", "framed", "uppercase", "greeting")
    rows = "".join('%s: { plugin = "%s"; listen = "tcp://:0"; };\n' % (name, name) for name in names)
    with Usherd(rows) as u:
        stuck = []
        for name in names:
            port = u.port(name)
            for _ in range(20):
                client = small_window(port)
                client.setblocking(False)
                with contextlib.suppress(OSError):
                    while client.send(b"003abc" * 1000):
                        pass
                stuck.append(client)
        started = time.monotonic()
        for _ in range(20):
            for name in ("echo", "uppercase"):
                equal(talk(u.port(name), b"Q"), b"Q")
        assert time.monotonic() - started < bound(5)
        assert u.ctl("list").returncode == 0
        wait_rest(u.pid, *u.workers())
        for client in stuck:
            client.close()


@test
def b18_r12_many_slow_clients_are_gone_at_their_deadline():
    count = 600 * MANY
    raise_own_descriptors(count + 500)
    rows = "".join('%s: { plugin = "%s"; listen = "tcp://:0"; total_timeout = "2s"; max_connections = 10000; };\n'
                   % (name, name) for name in ("framed", "ident", "uppercase"))
    with Usherd(rows + 'echo: { plugin = "echo"; listen = "tcp://:0"; };') as u:
        names, clients = ("framed", "ident", "uppercase"), []
        for name in names:
            port = u.port(name)
            for _ in range(count // 3):
                born = time.monotonic()
                client = connect(port)
                client.sendall(b"1")
                clients.append(client)
        with probing(u.port("echo")) as took:
            wait_for(lambda: all(u.count(name, "ACCEPTED") == count // 3 for name in names), "all to be taken")
            wait_for(lambda: all(u.count(name, "ACTIVE") == 0 for name in names), "all to be gone", 10 * SLOW)
        ended = time.monotonic() - born
        assert 1.0 < ended < bound(3), "gone after %.1f s" % ended
        took.is_quick(0.99, 0.2)
        for client in clients:
            client.close()


# ---- clocks ------------------------------------------------------------------------------

@test
def f15_r26_deadlines_do_not_hear_of_the_wall_clock():
    if IS_SANITIZED:
        raise Skip("a sanitizer must be the first library, and so must the clock")
    shim = os.path.join(BUILD, "tests", "support", ".libs", "clock_jumps.so")
    if not os.path.exists(shim):
        raise Skip("%s was not built" % shim)
    rows = """
        time: { plugin = "time"; listen = "tcp://:0"; };
        idle: { plugin = "echo"; listen = "tcp://:0"; idle_timeout = "700ms"; };
        total: { plugin = "echo"; listen = "tcp://:0"; total_timeout = "700ms"; };
        first: { plugin = "echo"; listen = "tcp://:0"; first_byte_timeout = "700ms"; };
        cat: { exec = [ "/bin/cat" ]; user = "nobody"; listen = "tcp://:0"; total_timeout = "700ms"; };
    """
    with Usherd(rows, env={**os.environ, "LD_PRELOAD": shim}) as u:
        ports = ports_of(u)
        with probing(ports["total"]) as took:
            seen = set()
            for name in ("idle", "total", "first", "cat"):
                started = time.monotonic()
                with connect(ports[name]) as client:
                    with contextlib.suppress(ConnectionResetError):
                        equal(read_all(client), b"")
                    ended = time.monotonic() - started
                    assert 0.6 < ended < bound(1.7), "%s: %.2f s" % (name, ended)
                seen.add(struct.unpack(">I", talk(ports["time"]))[0] // 100000)
            wait_for(lambda: len(seen) > 1 or seen.add(
                struct.unpack(">I", talk(ports["time"]))[0] // 100000), "the clock to jump")
            u.reload()
        took.is_quick(0.9, 0.1)
        wait_rest(u.pid, *u.workers())


# ---- logs --------------------------------------------------------------------------------

LOGGED = 'echo: { plugin = "echo"; listen = "tcp://:0"; log_connections = true; };'


def _all_quick(port, count):
    with bystander() as other:
        took = Took(port, other)
        for _ in range(count):
            took.look()
    took.is_quick(0.99, 0.1)


@test
def f17_r27_a_full_disk_slows_no_request_and_drops_are_counted():
    if not IS_ROOT:
        raise Skip("only root may mount")
    unshare = program("unshare")
    u = Usherd(LOGGED, start=False)
    place = os.path.join(u.dir, "disk")
    os.mkdir(place)
    u.prefix = [unshare, "-m", "sh", "-c", 'mount -t tmpfs -o size=64k,mode=755 tmpfs "$0" && exec "$@"', place]
    done = subprocess.run([*u.prefix, "true"], capture_output=True)
    if done.returncode != 0:
        u.clean()
        raise Skip("no namespace of its own for mounts here")
    u.table(LOGGED, 'log = { to = "%s/log"; };' % place)
    with u.start():
        inside = "/proc/%d/root%s/" % (u.pid, place)
        with contextlib.suppress(OSError), open(inside + "filler", "wb", buffering=0) as filler:
            while True:
                filler.write(b"f" * 4096)
        _all_quick(u.port("echo"), 1500 * MANY)
        os.unlink(inside + "filler")

        def tells():
            equal(talk(u.port("echo"), b"x"), b"x")
            with open(inside + "log") as file:
                return "fail dropped=" in file.read()

        wait_for(tells, "the log to tell what was left out")
        wait_rest(u.pid, *u.workers())


@test
def f17_r27_a_log_reader_that_stopped_slows_no_request():
    u = Usherd(LOGGED, start=False)
    fifo = os.path.join(u.dir, "fifo")
    os.mkfifo(fifo)
    end = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)  # held, and not read
    u.prefix = ["sh", "-c", 'exec "$@" 2>>"$0"', fifo]
    try:
        with u.start():
            _all_quick(u.port("echo"), 2000 * MANY)
            wait_rest(u.pid, *u.workers())
            said = b""

            def tells():
                nonlocal said
                equal(talk(u.port("echo"), b"x"), b"x")
                with contextlib.suppress(BlockingIOError):
                    said += os.read(end, 1 << 20)
                return b"fail dropped=" in said

            wait_for(tells, "the log to tell what was left out")
    finally:
        os.close(end)


run()
