#!/usr/bin/env python3
"""Promise 8: out of descriptors, memory or processes that listener pauses for a moment, the rest serve on, the
processor stays idle, the log says it once a second at the most. USHER_TEST_LONG=1: ten times as many of everything."""
import contextlib
import os
import signal
import socket
import subprocess
import time

from usher_load import *  # noqa: F403 - the test vocabulary

PENDING = 100


# ---- tools -------------------------------------------------------------------------------

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


def pending(port, count=PENDING):
    """Callers who have said something: nobody may be refused."""
    clients = []
    for _ in range(count):
        clients.append(connect(port))
        clients[-1].sendall(b"x")
    return clients


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
    before, started = len(u.log().splitlines()), time.monotonic()
    with probing(beside) as took:
        clients = pending(port)
        u.wait_log(r" %s\[\d+\]: (hold|fail)" % service)
        used = idle_while(pids, 2.0, clients[-1])
        lines = u.log().splitlines()[before:]
        seconds = time.monotonic() - started
        give()
        waited = time.monotonic()
        first = clients[0]
        first.settimeout(DEADLINE)
        equal(read_exactly(first, 1), b"x")
        waited = time.monotonic() - waited
        first.close()
        all_served(clients[1:])
    assert used < 0.05 * SLOW, "%.0f %% of a processor" % (used * 100)
    assert len(lines) <= seconds + 3, lines
    took.is_quick(0.9, 0.1)
    assert waited < (1.0 if IS_LONG else 3.0) * SLOW, "%.0f ms to recover" % (waited * 1000)
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


HEAVY = "127.0.0.2"
PARKED = 64  # callers at a limit that a row keeps
TALKERS = """
    plugin: { plugin = "echo"; listen = "tcp://:0"; max_connections = 50000; };
    other: { plugin = "echo"; listen = "tcp://:0"; max_connections = 50000; };
    program: { exec = [ "/bin/cat" ]; user = "nobody"; listen = "tcp://:0"; max_connections = 50000; };
    child: { plugin = "echo"; mode = "fork"; listen = "tcp://:0"; max_connections = 50000; };
"""


def answered(client):
    """True; False: it was closed; None: nothing yet."""
    try:
        return client.recv(1) == b"x"
    except BlockingIOError:
        return None
    except OSError:
        return False


@contextlib.contextmanager
def held_by_one(port, count):
    """A source that holds all it can get, and talks on all of it: nothing of it is silent. Yields how many."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(port, source=HEAVY)) for _ in range(count)]
        for client in clients:
            client.setblocking(False)
            with contextlib.suppress(OSError):  # beyond its share and the park it may be closed already
                client.send(b"x")
        heard = {}

        def all_but_the_parked():
            heard.update({client: answered(client) for client in clients if heard.get(client) is None})
            return list(heard.values()).count(None) <= PARKED and queued_at(port) == 0

        wait_for(all_but_the_parked, "each to be served, parked or closed")
        yield list(heard.values()).count(True)


def others_are_served(port, count):
    """Each a source of its own, and all of them stay."""
    with contextlib.ExitStack() as stack:
        for number in range(count):
            client = stack.enter_context(connect(port, source="127.0.1.%d" % (1 + number)))
            client.sendall(b"o")
            equal((number, read_exactly(client, 1)), (number, b"o"))


@test
def b5_b11_whoever_holds_most_descriptors_leaves_room_for_others():
    """Promises 14 and 8: max_connections is far above what the worker has descriptors for."""
    raise_own_descriptors(2048)
    for service, limit, callers, others in (("plugin", 1024, 900, 10), ("plugin", 200, 190, 3),
                                            ("program", 64, 100, 10), ("child", 64, 100, 10)):
        with Usherd(TALKERS, prefix=[program("prlimit"), "--nofile=%d:%d" % (limit, limit)]) as u:
            ports = ports_of(u)
            with held_by_one(ports[service], callers) as held:
                if limit == 1024:  # at most 8/9 of 8/9 of what is free
                    assert 0.6 * limit < held < 0.8 * limit, held
                others_are_served(ports[service], others)
                others_are_served(ports["other"], others)
            assert " hold " not in u.log(), u.log()


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
        worker, port, began = worker_of(u, "tight"), u.port("tight"), time.monotonic()
        if IS_SANITIZED:
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
            assert (cpu_seconds(u.pid) - before) / (time.monotonic() - started) < 0.05 * SLOW
            for client in clients:
                client.close()
            if is_alive(worker):
                set_limit(worker, "as", "unlimited")
            wait_for(lambda: talks(port), "it to serve again")
        assert len(u.log().splitlines()) < 30 + time.monotonic() - began, u.log()


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
            wait_for(lambda: talks(port), "it to serve again")
            put(group, "memory.limit_in_bytes", -1)


# ---- the wait call -----------------------------------------------------------------------

@test
def b13_a_wait_that_keeps_failing_neither_spins_nor_stops_term():
    tool = program("strace")
    if IS_SANITIZED:
        raise Skip("the leak check does not work under strace")
    for error in ("EINVAL", "EBADF", "ENOMEM"):
        with Usherd(ROWS, loop="epoll", allow_errors=True) as u:
            calls = "epoll_wait,?epoll_pwait,?epoll_pwait2"
            tracer = subprocess.Popen([tool, "-qq", "-o", "/dev/null", "-p", str(u.pid), "-e", "trace=" + calls,
                                       "-e", "inject=%s:error=%s:when=1+" % (calls, error)],
                                      stderr=subprocess.DEVNULL)
            with contextlib.suppress(AssertionError):
                wait_for(lambda: status_of(u.pid).get("TracerPid", "0") != "0", "strace to attach")
            if status_of(u.pid).get("TracerPid", "0") == "0" and tracer.poll() is not None:
                raise Skip("strace cannot trace here")
            u.wait_log("fail wait")  # or TERM may be heard before the first call that fails
            before, started = cpu_seconds(u.pid), time.monotonic()
            u.signal(signal.SIGTERM)
            wait_for(lambda: not is_alive(u.pid) or "drain" in u.log(), "TERM to be heard", bound(2))
            assert time.monotonic() - started < bound(1.6), "%.1f s" % (time.monotonic() - started)
            if is_alive(u.pid):
                assert cpu_seconds(u.pid) - before < 0.3
            tracer.terminate()
            tracer.wait()
            assert u.process.wait(DEADLINE) in (0, 3), u.log()
            u.wait_log("fail (wait|step=loop)")


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


run()
