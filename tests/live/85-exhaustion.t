#!/usr/bin/env python3
"""Promise 8: out of descriptors, memory or processes that listener pauses for a moment, the rest serve on, the
processor stays idle, the log says it once a second at the most. And floods, clocks, disks and logs that try to
wear it out. USHER_TEST_LONG=1: ten times as many of everything."""
import contextlib
import os
import re
import resource
import signal
import socket
import struct
import subprocess
import threading
import time

import usher_live
from usher_live import *  # noqa: F403 - the test vocabulary

MANY = 10 if os.environ.get("USHER_TEST_LONG") else 1
usher_live.TEST_SECONDS *= MANY
# Where other things run beside, or a sanitizer does: how much later things may be.
SLOW = (4 if "sanitizers" in BUILD else 1) * max(1, os.getloadavg()[0] / os.cpu_count() / 2)
PENDING = 100
ROWS = """
    echo: { plugin = "echo"; listen = "tcp://:0"; pool = "beside"; };
    tight: { plugin = "echo"; listen = "tcp://:0"; max_connections = 500; };
    cat: { exec = [ "/bin/cat" ]; user = "nobody"; listen = "tcp://:0"; max_connections = 500; };
    forked: { plugin = "echo"; mode = "fork"; listen = "tcp://:0"; max_connections = 500; };
"""


# ---- tools -------------------------------------------------------------------------------

def worker_of(u, service):
    """Who serves a row: whoever gets its connection's bytes is asked by the log; here by the pool's listener."""
    port = u.port(service)
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table) as file:
            for line in list(file)[1:]:
                words = line.split()
                if int(words[1].rsplit(":", 1)[1], 16) == port and words[3] == "0A":
                    inodes.add("socket:[%s]" % words[9])
    for pid in u.workers():
        if inodes & set(descriptors_of(pid).values()):
            return pid
    raise AssertionError("nobody serves %s" % service)


def ports_of(u):
    """{row: its first port}, asked once."""
    ports = {}
    for row in u.list():
        ports.setdefault(row["SERVICE"], int(row["ENDPOINT"].rsplit(":", 1)[1]))
    return ports


def set_limit(pid, which, soft):
    """The hard limit stays, so that the soft one can go up again. Only who is the worker may do that, or who has
    CAP_SYS_RESOURCE, which root has not in every container."""
    status = status_of(pid)
    uid, gid = int(status["Uid"].split()[0]), int(status["Gid"].split()[0])
    become = {"user": uid, "group": gid, "extra_groups": []} if IS_ROOT else {}
    done = subprocess.run([program("prlimit"), "--pid", str(pid), "--%s=%s:" % (which, soft)], capture_output=True,
                          text=True, **become)
    if done.returncode != 0 and is_alive(pid):
        raise Skip("the limits of a worker cannot be changed here: " + done.stderr.strip())


def raise_own_descriptors(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count:
        raise Skip("needs %d descriptors" % count)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))


@contextlib.contextmanager
def probing(port, every=0.02):
    """Talks to a row all the time: yields a list of how long each took; failures end the test."""
    took, failures, stop = [], [], threading.Event()

    def probe():
        while not stop.wait(every):
            started = time.monotonic()
            try:
                equal(talk(port, b"probe"), b"probe")
            except (OSError, AssertionError) as problem:
                failures.append(repr(problem))
            took.append(time.monotonic() - started)

    thread = threading.Thread(target=probe)
    thread.start()
    try:
        yield took
    finally:
        stop.set()
        thread.join()
    equal(failures, [])


def share(took, part):
    return sorted(took)[int(len(took) * part)] if took else 0.0


def pending(port, count=PENDING):
    """Callers who have said something: nobody may be refused."""
    clients = [connect(port) for _ in range(count)]
    for client in clients:
        client.sendall(b"x")
    return clients


def all_served(clients):
    for client in clients:
        client.settimeout(DEADLINE * SLOW)
        equal(read_exactly(client, 1), b"x")
        client.close()


def is_silent(client, seconds):
    client.settimeout(seconds)
    try:
        raise AssertionError("got %r" % client.recv(1))
    except socket.timeout:
        return True


def idle_while(pids, seconds, last):
    """Nothing happens for a while, and it costs nothing: yields how much of a processor it took."""
    before, started = sum(cpu_seconds(pid) for pid in pids), time.monotonic()
    is_silent(last, seconds)
    return (sum(cpu_seconds(pid) for pid in pids) - before) / (time.monotonic() - started)


def starve(u, service, take, give):
    """take() makes something short for the worker of a row, give() gives it back. Everything promise 8 says is
    looked at; yields the seconds from give() to the first answer."""
    port, beside = u.port(service), u.port("echo")
    pids = [u.pid, worker_of(u, service)]
    take()
    before = len(u.log().splitlines())
    with probing(beside) as took:
        clients = pending(port)
        u.wait_log(r" %s\[\d+\]: (hold|fail)" % service)
        used = idle_while(pids, 2.0, clients[-1])
        lines = u.log().splitlines()[before:]
        waited = time.monotonic()
        give()
        first = clients[0]
        first.settimeout(DEADLINE)
        equal(read_exactly(first, 1), b"x")
        waited = time.monotonic() - waited
        first.close()
        all_served(clients[1:])
    assert used < 0.05 * SLOW, "%.0f %% of a processor" % (used * 100)
    assert len(lines) <= 5, lines
    assert share(took, 0.9) < 0.1 * SLOW, took
    assert waited < 0.5 * SLOW, "%.0f ms to recover" % (waited * 1000)
    return waited


# ---- descriptors, processes, memory ------------------------------------------------------

@test
def b11_b12_r8_without_descriptors_one_listener_pauses_and_the_others_serve():
    with Usherd(ROWS) as u:
        worker = worker_of(u, "tight")
        used = descriptors_of(worker)
        starve(u, "tight", lambda: set_limit(worker, "nofile", max(used) + 1),
               lambda: set_limit(worker, "nofile", 1000))
        wait_for(lambda: descriptors_of(worker).keys() == used.keys(), "the descriptors to come back")


@test
def b14_r9_without_processes_a_program_waits_and_the_others_serve():
    for service in ("cat", "forked"):
        with Usherd(ROWS) as u:
            worker = worker_of(u, service)
            if status_of(worker)["Uid"].split()[0] == "0":
                raise Skip("the limit does not hold for root")
            starve(u, service, lambda: set_limit(worker, "nproc", 1),
                   lambda: set_limit(worker, "nproc", 5000))


@contextlib.contextmanager
def cgroup(kind):
    """A cgroup of version 1: its folder."""
    path = "/sys/fs/cgroup/%s/usher-test-%d" % (kind, os.getpid())
    try:
        os.mkdir(path)
    except OSError as problem:
        raise Skip("no cgroup for %s here: %s" % (kind, problem.strerror))
    try:
        if not os.path.exists(os.path.join(path, "cgroup.procs")):
            raise Skip("no cgroup for %s here" % kind)
        yield path
    finally:
        with contextlib.suppress(OSError):
            os.rmdir(path)


def put(path, name, value):
    try:
        with open(os.path.join(path, name), "w") as file:
            file.write(str(value))
    except OSError as problem:
        raise Skip("%s of a cgroup cannot be set here: %s" % (name, problem.strerror))


@test
def b14_r9_a_full_pids_cgroup_stops_programs_and_nobody_else():
    with cgroup("pids") as group:
        with Usherd(ROWS) as u:
            worker = worker_of(u, "cat")
            put(group, "cgroup.procs", worker)
            starve(u, "cat", lambda: put(group, "pids.max", 1), lambda: put(group, "pids.max", "max"))
        wait_for(lambda: not open(os.path.join(group, "cgroup.procs")).read(), "the group to be empty")


@test
def r8_without_memory_a_worker_gives_up_no_listener():
    with Usherd(ROWS, allow_errors=True) as u:
        worker, port = worker_of(u, "tight"), u.port("tight")
        if "sanitizers" in BUILD:
            raise Skip("sanitizers have a memory of their own")
        used = int(status_of(worker)["VmSize"].split()[0]) * 1024
        set_limit(worker, "as", used)
        clients = []
        with probing(u.port("echo")):
            for _ in range(400):  # each with bytes that wait: the heap must grow
                client = connect(port)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.setblocking(False)
                with contextlib.suppress(OSError):
                    for _ in range(8):
                        client.send(b"m" * 65536)
                clients.append(client)
            before, started = cpu_seconds(u.pid), time.monotonic()
            is_silent(connect(u.port("echo")), 1.0)
            assert (cpu_seconds(u.pid) - before) / (time.monotonic() - started) < 0.05
            for client in clients:
                client.close()
            if is_alive(worker):
                set_limit(worker, "as", "unlimited")
            wait_for(lambda: _talks(port), "it to serve again")
        assert len(u.log().splitlines()) < 30, u.log()


def _talks(port):
    with contextlib.suppress(OSError, AssertionError):
        return talk(port, b"again") == b"again"


@test
def r8_a_worker_ended_for_its_memory_costs_its_own_callers():
    with cgroup("memory") as group, Usherd(ROWS, allow_errors=True) as u:
        worker, port = worker_of(u, "tight"), u.port("tight")
        with probing(u.port("echo")):
            put(group, "cgroup.procs", worker)
            put(group, "memory.limit_in_bytes", 1 << 20)
            clients = []
            for _ in range(300):
                with contextlib.suppress(OSError):
                    client = connect(port)
                    clients.append(client)
                    client.setblocking(False)
                    for _ in range(8):
                        client.send(b"m" * 65536)
            for client in clients:
                client.close()
            wait_for(lambda: _talks(port), "it to serve again")
            put(group, "memory.limit_in_bytes", -1)


# ---- the wait call -----------------------------------------------------------------------

@test
def b13_a_wait_that_keeps_failing_neither_spins_nor_stops_term():
    tool = program("strace")
    if "sanitizers" in BUILD:
        raise Skip("the leak check does not work under strace")
    for error in ("EINVAL", "EBADF", "ENOMEM"):
        with Usherd(ROWS, loop="epoll", allow_errors=True) as u:
            calls = "epoll_wait,?epoll_pwait,?epoll_pwait2"
            tracer = subprocess.Popen([tool, "-qq", "-o", "/dev/null", "-p", str(u.pid), "-e", "trace=" + calls,
                                       "-e", "inject=%s:error=%s:when=1+" % (calls, error)],
                                      stderr=subprocess.DEVNULL)
            with contextlib.suppress(AssertionError):
                wait_for(lambda: status_of(u.pid).get("TracerPid", "0") != "0", "strace to attach", 5)
            if status_of(u.pid).get("TracerPid", "0") == "0" and tracer.poll() is not None:
                raise Skip("strace cannot trace here")
            before, started = cpu_seconds(u.pid), time.monotonic()
            u.signal(signal.SIGTERM)
            wait_for(lambda: not is_alive(u.pid) or "drain" in u.log(), "TERM to be heard", 2 * SLOW)
            assert time.monotonic() - started < 1.6 * SLOW, "%.1f s" % (time.monotonic() - started)
            if is_alive(u.pid):
                assert cpu_seconds(u.pid) - before < 0.3
            tracer.terminate()
            tracer.wait()
            assert u.process.wait(DEADLINE) in (0, 3), u.log()
            u.wait_log("fail (wait|step=loop)")


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
        assert share(took, 0.99) < 0.2 * SLOW, "%.0f ms" % (share(took, 0.99) * 1000)
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
        assert share(took, 0.99) < 0.2 * SLOW, "%.0f ms" % (share(took, 0.99) * 1000)
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
            for pid in children[:20]:  # stopped and continued children are no news
                os.kill(pid, signal.SIGSTOP)
            for pid in children[:20]:
                os.kill(pid, signal.SIGCONT)
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
        until, sent = time.monotonic() + (5 if MANY > 1 else 2), 0
        with probing(u.port("echo")):
            while time.monotonic() < until:
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
        assert sent > 2000, sent
        wait_for(lambda: _talks(u.port("tight")), "the calm")
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
        seconds = time.monotonic() - started
        rate = len(u.log()) / (seconds + 1)
        assert rate < 2 * (1 << 20) / 60, "%.0f bytes/s\n%s" % (rate, u.log()[:3000])  # three rows, 50 lines
        for name in ports:
            lines = len(re.findall(r" %s\[" % name, u.log()))
            assert lines < (seconds + 2) * 60, "%s: %d lines in %.1f s" % (name, lines, seconds)
        assert share(took, 0.9) < 0.1 * SLOW, took


# ---- clients that do not read, or are slow ----------------------------------------------

def small_window(port):
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    client.connect(("127.0.0.1", port))
    return client


@test
def b19_r11_clients_that_never_read_cost_little():
    count = 1000
    raise_own_descriptors(count + 500)
    rows = ROWS + ('chargen: { plugin = "chargen"; listen = "tcp://:0"; max_connections = 2000; '
                   'send_buffer = 65536; };')  # otherwise the kernel keeps 2 MiB for each
    with Usherd(rows) as u:
        worker, port = worker_of(u, "chargen"), u.port("chargen")
        before = int(status_of(worker)["VmRSS"].split()[0])
        clients = [small_window(port) for _ in range(count)]
        wait_for(lambda: u.count("chargen", "ACTIVE") == count, "all to be served")
        wait_rest(worker)
        grown = int(status_of(worker)["VmRSS"].split()[0]) - before
        assert grown < 64 * count or "sanitizers" in BUILD, "%d kB" % grown
        started = time.monotonic()
        for _ in range(50):
            equal(talk(u.port("tight"), b"quick"), b"quick")
        assert time.monotonic() - started < 2 * SLOW
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
        assert time.monotonic() - started < 5 * SLOW
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
                client = connect(port)
                client.sendall(b"1")
                clients.append(client)
        born = time.monotonic()
        with probing(u.port("echo")) as took:
            wait_for(lambda: all(u.count(name, "ACTIVE") == 0 for name in names), "all to be gone", 10 * SLOW)
        ended = time.monotonic() - born
        assert 1.0 < ended < 3.0 * SLOW, "gone after %.1f s" % ended
        assert share(took, 0.99) < 0.2 * SLOW, took
        for client in clients:
            client.close()


# ---- high numbers ------------------------------------------------------------------------

@test
def b16_descriptors_above_two_thousand_are_like_others():
    raise_own_descriptors(4096)
    for loop in ("epoll", "poll"):
        many = ", ".join(['"tcp4://127.0.0.1:0"'] * 64)
        rows = "".join('many%d: { plugin = "discard"; listen = [ %s ]; };\n' % (number, many) for number in range(32))
        with Usherd("aa: { plugin = \"discard\"; listen = \"tcp://:0\"; };" + rows + ROWS, loop=loop) as u:
            assert max(descriptors_of(u.pid)) > 2000, max(descriptors_of(u.pid))
            ports = ports_of(u)
            for name in ("echo", "tight", "cat", "forked"):
                equal(talk(ports[name], b"high"), b"high")
            u.reload()
            equal(talk(ports["cat"], b"high"), b"high")
        with Usherd(ROWS.replace("500", "3000"), loop=loop) as u:
            port = u.port("tight")
            clients = [connect(port) for _ in range(2100)]
            for client in clients:
                client.sendall(b"x")
            all_served(clients)


# ---- clocks ------------------------------------------------------------------------------

@test
def f15_r26_deadlines_do_not_hear_of_the_wall_clock():
    if "sanitizers" in BUILD:
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
                with connect(ports[name]) as client:
                    started = time.monotonic()
                    with contextlib.suppress(ConnectionResetError):
                        equal(read_all(client), b"")
                    ended = time.monotonic() - started
                    assert 0.6 < ended < 1.7 * SLOW, "%s: %.2f s" % (name, ended)
                seen.add(struct.unpack(">I", talk(ports["time"]))[0] // 100000)
            wait_for(lambda: len(seen) > 1 or seen.add(
                struct.unpack(">I", talk(ports["time"]))[0] // 100000), "the clock to jump")
            u.reload()
        assert share(took, 0.9) < 0.1 * SLOW, took
        wait_rest(u.pid, *u.workers())


# ---- logs --------------------------------------------------------------------------------

LOGGED = 'echo: { plugin = "echo"; listen = "tcp://:0"; log_connections = true; };'


def _all_quick(port, count):
    took = []
    for _ in range(count):
        started = time.monotonic()
        equal(talk(port, b"x"), b"x")
        took.append(time.monotonic() - started)
    assert share(took, 0.99) < 0.1 * SLOW, "%.0f ms" % (share(took, 0.99) * 1000)


@test
def f17_r27_a_full_disk_slows_no_request_and_drops_are_counted():
    if not IS_ROOT:
        raise Skip("only root may mount")
    unshare = program("unshare")
    u = Usherd(LOGGED, start=False)
    place = os.path.join(u.dir, "disk")
    os.mkdir(place)
    done = subprocess.run([unshare, "-m", "true"], capture_output=True)
    if done.returncode != 0:
        u.clean()
        raise Skip("no namespace of its own for mounts here")
    u.prefix = [unshare, "-m", "sh", "-c", 'mount -t tmpfs -o size=64k,mode=755 tmpfs "$0" && exec "$@"', place]
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
