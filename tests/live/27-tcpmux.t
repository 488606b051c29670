#!/usr/bin/env python3
"""tcpmux (RFC 1078): a service by its name, by the same road and with the same rights as by its port."""
import json
import os
import pwd
import signal
import socket
import threading
import time

from usher_live import *  # noqa: F403 - the test vocabulary

WHO = 'user = "nobody"; group = "nogroup";' if IS_ROOT else ""
# What a child is, but for what every process has of its own. Not by grep: the shell blocks signals
# while it starts another program.
AUDIT = ("read line; while IFS= read -r fact; do case $fact in Uid:*|Gid:*|Groups:*|SigBlk:*|SigIgn:*"
         "|Umask:*|NoNewPrivs:*|Cap*) echo $fact;; esac; done </proc/$$/status;"
         " ls -x /proc/$$/fd; pwd; env | grep -v '^TCP' | sort; echo got $line")
ROWS = """
    tcpmux: { plugin = "tcpmux"; listen = "tcp://:0"; options = { deadline = "30s"; }; };
    echo: { plugin = "echo"; listen = "tcp://:0"; tcpmux = true; };
    Forked: { plugin = "echo"; mode = "fork"; listen = "tcp://:0"; tcpmux = true;
              options = { prefix = "child: "; }; };
    cat: { exec = "/bin/cat"; listen = "tcp://:0"; tcpmux = true; %(who)s };
    audit: { exec = [ "/bin/sh", "-c", "%(audit)s" ]; listen = "tcp://:0"; tcpmux = true; %(who)s };
    hidden: { plugin = "echo"; listen = "tcp://:0"; };
    off: { plugin = "echo"; listen = "tcp://:0"; tcpmux = true; enabled = false; };
""" % {"who": WHO, "audit": AUDIT}
NONE = b"-Service not available\r\n"


def ask_for(u, name, rest=b""):
    return talk(u.port("tcpmux"), name.encode() + b"\r\n" + rest)


def parts(u, *pieces, half_close=True):
    """Each in a segment of its own."""
    with connect(u.port("tcpmux")) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            client.sendall(piece)
            wait_taken(client)
        if half_close:
            client.shutdown(socket.SHUT_WR)
        return read_all(client)


@test
def names_lead_to_services_of_every_way():
    with Usherd(ROWS) as u:
        equal(ask_for(u, "echo", b"after the name"), b"+Go\r\nafter the name")
        equal(ask_for(u, "ECHO", b"x" * 300000), b"+Go\r\n" + b"x" * 300000)
        equal(ask_for(u, "forked", b"in one"), b"+Go\r\nchild: in one")
        equal(ask_for(u, "cat", b"through a program"), b"+Go\r\nthrough a program")
        equal(talk(u.port("tcpmux"), b"cat\nLF alone"), b"+Go\r\nLF alone")
        wait_for(lambda: u.count("cat", "ACTIVE") == 0 and u.count("tcpmux", "ACTIVE") == 0,
                 "all to be counted out")


@test
def e4_e6_a_name_may_come_in_any_pieces():
    with Usherd(ROWS) as u:
        equal(parts(u, b"e", b"c", b"h", b"o", b"\r", b"\n", b"a", b"b"), b"+Go\r\nab")
        equal(parts(u, b"cat\r", b"\nafter"), b"+Go\r\nafter")
        equal(parts(u, b"nob", b"ody\r\n"), NONE)
        equal(parts(u, b"ec"), b"")


@test
def help_lists_what_can_be_had():
    with Usherd(ROWS) as u:
        equal(ask_for(u, "HELP"), b"echo\r\nForked\r\ncat\r\naudit\r\n")
        equal(talk(u.port("tcpmux"), b"help\r\n", half_close=False), b"echo\r\nForked\r\ncat\r\naudit\r\n")


@test
def c2_only_marked_services_answer():
    with Usherd(ROWS) as u:
        for name in ("tcpmux", "hidden", "off", "nobody", "", "echo ", "echo\0", "echo\0x"):
            equal((name, talk(u.port("tcpmux"), name.encode() + b"\r\necho\r\n")), (name, NONE))
        equal(u.count("hidden", "ACCEPTED"), 0)


@test
def c1_the_same_ids_by_port_and_by_name():
    with Usherd(ROWS) as u:
        workers = u.workers()
        by_port = talk(u.port("audit"), b"x\n")
        by_name = ask_for(u, "audit", b"x\n")
        assert b"Uid:" in by_port and by_port.endswith(b"got x\n"), by_port
        equal(by_name, b"+Go\r\n" + by_port)
        if IS_ROOT:
            assert b"Uid: 65534 65534 65534 65534\n" in by_name, by_name
        equal(u.workers(), workers)


@test
def c1_every_service_keeps_its_own_user():
    if not IS_ROOT:
        raise Skip("only root has other users")
    other = next((p.pw_name, p.pw_uid) for p in pwd.getpwall() if p.pw_uid not in (0, 65534))
    say = 'exec = [ "/bin/sh", "-c", "id -u" ]; listen = "tcp://:0"; tcpmux = true;'
    rows = ROWS + """
        a: { %s user = "nobody"; };
        b: { %s user = "%s"; };
        r: { %s user = "root"; };
    """ % (say, say, other[0], say)
    with Usherd(rows) as u:
        for name, uid in (("a", 65534), ("b", other[1]), ("r", 0)):
            equal((name, ask_for(u, name)), (name, b"+Go\r\n%d\n" % uid))
            equal((name, talk(u.port(name))), (name, b"%d\n" % uid))


@test
def only_tcpmux_has_the_ways_to_the_others():
    """What a worker shares with the master beside listeners is its own door, or, in tcpmux, the
    other ends of all doors."""
    with Usherd(ROWS) as u:
        def sockets(pid):
            return {what for what in descriptors_of(pid).values() if what.startswith("socket:")}

        with open("/proc/net/unix") as file:
            local = {"socket:[%s]" % line.split()[6] for line in file.readlines()[1:]}
        shared = [sockets(pid) & sockets(u.pid) & local for pid in u.workers()]
        equal(sorted(len(one) for one in shared), [1, 1, 1, 3])  # dispatch, fork, exec; tcpmux
        equal(len(set().union(*shared)), 6)


@test
def e5_the_tail_of_a_long_line_never_acts():
    with Usherd(ROWS) as u:
        for length in (256, 257, 300, 5000, 100000):
            equal(talk(u.port("tcpmux"), b"x" * length + b"\r\necho\r\nHELP\r\n"),
                  b"-Line too long\r\n")
        equal(u.count("echo", "ACCEPTED"), 0)


@test
def b18_a_slow_caller_is_gone_at_the_deadline():
    with Usherd(ROWS.replace('"30s"', '"1s"')) as u:
        port, started = u.port("tcpmux"), time.monotonic()
        with connect(port) as client, connect(port) as silent:
            equal(read_all(silent), b"")
            for byte in b"ech":
                with contextlib.suppress(OSError):
                    client.sendall(bytes([byte]))
            equal(read_all(client), b"")
        assert 0.9 < time.monotonic() - started < (4 if IS_LONG else DEADLINE * 2)
        wait_for(lambda: u.count("tcpmux", "ACTIVE") == 0, "the slots to be free")


@test
def part_of_a_name_costs_no_processor_time():
    with Usherd(ROWS) as u:
        with connect(u.port("tcpmux")) as client:
            client.sendall(b"ec")
            wait_taken(client)
            wait_rest(*u.workers(), window=1)
            client.sendall(b"ho\r\nx")
            equal(read_exactly(client, 6), b"+Go\r\nx")


@test
def urgent_bytes_are_skipped_and_wake_nobody_twice():
    """No look at a socket gets past one: whoever waits for more behind it would spin."""
    for name in ("echo", "Forked", "cat"):
        told = b"+Go\r\n" + (b"child: " if name == "Forked" else b"")
        with Usherd(ROWS) as u:
            for at in range(len(name) + 5):
                asked = name.encode() + b"\r\nabc"
                with connect(u.port("tcpmux")) as client:
                    client.sendall(asked[:at])
                    client.send(b"!", socket.MSG_OOB)
                    wait_taken(client)
                    if at in (0, 2):
                        wait_rest(*u.workers())
                    client.sendall(asked[at:])
                    client.shutdown(socket.SHUT_WR)
                    equal((at, read_all(client)), (at, told + b"abc"))
            with connect(u.port("tcpmux")) as client:  # each pushes the one before it into the stream, or out
                for byte in b"nobody\r\n":
                    client.send(bytes([byte]), socket.MSG_OOB)
                    wait_taken(client)
                wait_rest(*u.workers())
                client.sendall(b"\r\n")
                equal(read_all(client), NONE)
            with connect(u.port("tcpmux")) as client:
                client.sendall(name.encode()[:2])
                client.send(b"!", socket.MSG_OOB)
                client.sendall(name.encode()[2:])
                client.shutdown(socket.SHUT_WR)
                equal(read_all(client), b"")


@test
def limits_of_the_service_hold():
    rows = ROWS.replace("echo: { ", "echo: { max_connections = 2; ")
    with Usherd(rows) as u, connect(u.port("echo")) as first:
        first.sendall(b"1")
        equal(read_exactly(first, 1), b"1")
        with connect(u.port("tcpmux")) as second:
            second.sendall(b"echo\r\n2")
            equal(read_exactly(second, 6), b"+Go\r\n2")
            equal(ask_for(u, "echo"), b"-Service busy\r\n")
            equal(ask_for(u, "cat", b"beside"), b"+Go\r\nbeside")
        wait_for(lambda: ask_for(u, "echo", b"3") == b"+Go\r\n3", "the slot")


@test
def a_hundred_callers_at_once_are_served():
    answers = []

    def one(u, number):
        name = ("echo", "cat", "forked")[number % 3]
        answers.append(ask_for(u, name, b"%d" % number).replace(b"child: ", b"")
                       == b"+Go\r\n%d" % number)

    with Usherd(ROWS, 'workers = 2;') as u:
        threads = [threading.Thread(target=one, args=(u, n)) for n in range(100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        equal(answers, [True] * 100)


@test
def doors_outlive_their_workers():
    with Usherd(ROWS, allow_errors=True) as u:
        def workers():  # not all children: those of a dead worker are the master's for a moment
            return {worker["pid"] for worker in json.loads(u.ctl("status", "--json").stdout)["workers"]}

        for _ in range(3):
            victims = workers()
            end_all(victims)
            equal(ask_for(u, "echo", b"x"), b"+Go\r\nx")
            equal(ask_for(u, "cat", b"x"), b"+Go\r\nx")
            wait_for(lambda: len(now := workers()) == len(victims) and not victims & now, "new workers")


@test
def a_caller_who_waits_for_a_dead_worker_is_served_by_the_next():
    rows = ROWS + 'wild: { plugin = "crash_on_data"; pool = "wild"; listen = "tcp://:0"; tcpmux = true; };'
    with Usherd(rows, allow_errors=True) as u:
        for _ in range(3):
            ask_for_quietly(u, "wild", b"X")
        equal(ask_for_quietly(u, "wild", b"a\n")[:5], b"+Go\r\n")
        if "AddressSanitizer" in u.log():
            open(u.log_path, "w").close()


def ask_for_quietly(u, name, rest):
    try:
        return ask_for(u, name, rest)
    except TimeoutError:
        raise
    except OSError:  # a reset, whenever it is noticed
        return b""


@test
def a_reload_changes_what_is_offered():
    with Usherd(ROWS, 'drain_timeout = "15s";') as u, connect(u.port("tcpmux")) as early:
        early.sendall(b"ec")
        equal(ask_for(u, "hidden"), NONE)
        ports = {name: u.port(name) for name in ("tcpmux", "echo")}
        u.table(ROWS.replace('hidden: { ', 'hidden: { tcpmux = true; ')
                .replace("cat: { ", 'cat: { nice = 5; ').replace('"30s"', '"20s"'))
        u.ctl("reload")
        equal({name: u.port(name) for name in ports}, ports)
        early.sendall(b"ho\r\nstill here")  # with the old worker
        equal(read_exactly(early, 15), b"+Go\r\nstill here")
        equal(ask_for(u, "hidden", b"now"), b"+Go\r\nnow")
        equal(ask_for(u, "cat", b"in another pool"), b"+Go\r\nin another pool")
        u.table(ROWS.replace("tcpmux = true;", ""))
        u.ctl("reload")
        equal(ask_for(u, "echo"), NONE)
        equal(ask_for(u, "HELP"), b"")
        u.table(ROWS + "wrong")
        u.ctl("reload", check=False)
        equal(ask_for(u, "echo"), NONE)
        u.table(ROWS)
        u.ctl("reload")
        equal(ask_for(u, "echo", b"again"), b"+Go\r\nagain")


@test
def no_caller_is_lost_while_tables_change():
    stop, wrong = threading.Event(), []

    def callers(u):
        while not stop.is_set():
            try:
                answer = ask_for(u, "echo", b"x")
            except OSError as problem:
                answer = repr(problem)
            if answer != b"+Go\r\nx":
                wrong.append(answer)

    with Usherd(ROWS) as u:
        threads = [threading.Thread(target=callers, args=(u,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            for number in range(10):
                u.table(ROWS.replace("echo: { ", "echo: { max_connections = %d; " % (500 + number)))
                u.ctl("reload")
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        equal(wrong, [])


@test
def netcat_asks_by_name():
    nc = program("nc")
    with Usherd(ROWS) as u:
        equal(run_client(nc, "-N", "127.0.0.1", str(u.port("tcpmux")), request=b"cat\r\nfrom nc\n"),
              b"+Go\r\nfrom nc\n")
        equal(run_client(nc, "-N", "127.0.0.1", str(u.port("tcpmux")), request=b"help\n"),
              b"echo\r\nForked\r\ncat\r\naudit\r\n")


run()
