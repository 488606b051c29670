#!/usr/bin/env python3
"""Reload: a good table changes what it must, a bad one nothing at all."""
import os
import re
import signal
import socket
import threading

from usher_live import *  # noqa: F403 - the test vocabulary

ECHO = 'echo: { plugin = "echo"; listen = [ "tcp://:0", "udp://:0" ]; };'
UPPER = 'upper: { plugin = "uppercase"; listen = "tcp://:0"; };'


def is_refused(port):
    try:
        connect(port).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:  # it was queued where the old worker let go
        pass
    return False


def addresses_at(port, protocol):
    """Where somebody listens, in the kernel's words."""
    with open("/proc/net/" + protocol) as file:
        lines = [line.split() for line in list(file)[1:]]
    return {words[1].split(":")[0] for words in lines
            if int(words[1].split(":")[1], 16) == port and (protocol == "udp" or words[3] == "0A")}


def is_only_at(host, port, protocol):
    """The listener there is the only one left: the old worker has let go of the other."""
    found = addresses_at(port, protocol)
    return len(found) == 1 and (found == {"00000000"}) == (host == "*")


@test
def hup_adds_and_removes_services_and_keeps_the_rest():
    with Usherd(ECHO) as u:
        port = u.port("echo")
        u.table(ECHO + UPPER)
        u.signal(signal.SIGHUP)
        wait_for(lambda: u.endpoints("upper"), "the new service")
        equal(u.port("echo"), port)
        equal(talk(u.port("upper"), b"new"), b"NEW")
        gone = u.port("upper")
        u.table(ECHO)
        u.reload()
        equal(u.endpoints("upper"), [])
        wait_for(lambda: is_refused(gone), "the old worker to give the removed listener back")
        equal(talk(port, b"kept"), b"kept")


@test
def f19_r1_no_caller_is_lost_over_thirty_reloads():
    failures, served, stop = [], [0], threading.Event()

    def load(port):
        while not stop.is_set():
            try:
                equal(talk(port, b"during"), b"during")
                served[0] += 1
            except Exception as problem:
                failures.append(repr(problem))

    with Usherd(ECHO) as u:
        port = u.port("echo")
        threads = [threading.Thread(target=load, args=(port,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            for number in range(30):
                # every second one changes the row itself, so that a new generation takes over
                u.table(ECHO.replace("};", "idle_timeout = \"%dm\"; };" % (1 + number % 3)))
                u.reload()
            wait_for(lambda: failures or served[0] > 100, "a hundred callers")
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        equal(failures, [])
        equal(u.port("echo"), port)


@test
def connections_of_an_unchanged_row_stay_when_its_pool_changes():
    with Usherd(ECHO + UPPER) as u, connect(u.port("echo")) as held:
        held.sendall(b"before")
        equal(read_exactly(held, 6), b"before")
        u.table(ECHO)  # the row beside it goes: a new generation of their pool
        u.reload()
        held.sendall(b"after")
        equal(read_exactly(held, 5), b"after")
        equal(u.count("echo", "ACTIVE"), 1)


@test
def connections_of_a_removed_row_have_drain_timeout():
    with Usherd(ECHO + UPPER, 'drain_timeout = "300ms";') as u, connect(u.port("upper")) as held:
        held.sendall(b"x")
        equal(read_exactly(held, 1), b"X")
        u.table(ECHO)
        u.reload()
        equal(read_all(held), b"")
        wait_for(lambda: len(u.workers()) == 1, "the old worker's end")


def bad_tables(u):
    """(name, how to spoil the table, what the message must have)"""
    conf = u.conf

    def text(body):
        with open(conf, "w") as file:
            file.write(body)

    def gone():
        os.unlink(conf)

    def folder():
        os.unlink(conf)
        os.mkdir(conf)

    def fifo():
        os.rmdir(conf)
        os.mkfifo(conf)

    def half():
        os.unlink(conf)
        text('control = "%s";\nservices: {\n echo: { plugin = "ec' % u.control)

    yield "missing", gone, "No such file"
    text("")
    yield "a directory", folder, "is a directory"
    yield "a FIFO", fifo, "FIFO"
    yield "half-written", half, "usher.conf:3"
    yield "a syntax error", lambda: text("services: { echo: { plugin = ; }; };"), "usher.conf:1"
    yield "a wrong value", lambda: text(
        'services: { echo: { plugin = "echo"; listen = "tcp://:70000"; }; };'), "above 65535"
    yield "an unknown plugin", lambda: text(
        'services: { echo: { plugin = "nosuch"; listen = "tcp://:0"; }; };'), "nosuch"
    yield "an include", lambda: text('@include "x"\n'), "@include"


@test
def d8_f3_r3_a_bad_table_changes_nothing():
    with Usherd(ECHO, allow_errors=True) as u, connect(u.port("echo")) as held:
        port, workers = u.port("echo"), u.workers()
        for name, spoil, words in bad_tables(u):
            spoil()
            done = u.ctl("reload", check=False)
            equal((name, done.returncode), (name, 1))
            assert words in done.stderr, (name, done.stderr)
            equal(talk(port, b"runs on"), b"runs on")
            equal(u.workers(), workers)
        held.sendall(b"held")
        equal(read_exactly(held, 4), b"held")


@test
def a_port_in_use_fails_the_reload_and_the_old_plan_runs_on():
    with Usherd(ECHO) as u, socket.socket() as thief:
        thief.bind(("127.0.0.1", 0))
        thief.listen()
        taken = thief.getsockname()[1]
        port, workers = u.port("echo"), u.workers()
        u.table(ECHO + UPPER.replace("tcp://:0", "tcp://127.0.0.1:%d" % taken))
        done = u.ctl("reload", check=False)
        equal(done.returncode, 3)
        assert re.search(r"usher.conf:\d+: listen: .*%d.*Address already in use" % taken,
                         done.stderr), done.stderr
        equal(talk(port, b"runs on"), b"runs on")
        equal((u.endpoints("upper"), u.workers()), ([], workers))


@test
def d8_f3_a_reload_that_fails_in_a_worker_leaves_nothing_behind():
    """Its listeners were open and its workers alive by then: all of them go, and no setting of it stays."""
    echo = ECHO.replace("};", 'log_connections = true; };', 1)
    new = free_port()
    with Usherd(echo, allow_errors=True) as u:
        port, workers = u.port("echo"), u.workers()
        wait_rest(u.pid)  # it has closed what was usherctl's
        files = len(descriptors_of(u.pid)) if IS_ROOT else 0
        for number in range(3):
            u.table(echo + 'bad: { plugin = "open_fails"; listen = "tcp://127.0.0.1:%d"; pool = "bad"; };' % new
                    + UPPER.replace("};", 'pool = "upper"; };'), 'log: { level = "error"; };')
            equal(u.ctl("reload", check=False).returncode, 3)
            wait_for(lambda: not listening_at(new), "the new port to be closed")
            wait_for(lambda: u.workers() == workers, "the new workers to go")
            equal(talk(port, b"runs on"), b"runs on")
            wait_for(lambda: len(re.findall(r" echo\[\d+\]: .*127\.0\.0\.1:", u.log())) > number,
                     "a line of a level that the bad table would not log")
        wait_for(lambda: not IS_ROOT or len(descriptors_of(u.pid)) <= files, "the master's descriptors to be as before")
        u.table(echo + UPPER, "")
        u.reload()
        equal(talk(u.port("upper"), b"new"), b"NEW")


@test
def a_plugin_whose_open_fails_fails_the_reload():
    with Usherd(ECHO) as u:
        port = u.port("echo")
        u.table(ECHO + 'bad: { plugin = "open_fails"; listen = "tcp://:0"; };')
        done = u.ctl("reload", check=False)
        equal(done.returncode, 3)
        assert "bad" in done.stderr or "open_fails" in done.stderr, done.stderr
        equal(talk(port, b"runs on"), b"runs on")


@test
def f5_an_empty_table_is_legal():
    with Usherd(ECHO) as u:
        u.table("")
        u.reload()
        equal(u.list(), [])
        u.table(ECHO)
        u.reload()
        equal(talk(u.port("echo"), b"back"), b"back")


@test
def every_mistake_is_shown_not_only_the_first():
    with Usherd(ECHO) as u:
        u.table('a: { plugin = "echo"; listen = "tcp://:70000"; };\n'
                'b: { plugin = "echo"; lisen = "tcp://:1"; };\nc: { listen = "tcp://:2"; };')
        done = u.ctl("check", check=False)
        equal(done.returncode, 1)
        for words in ("70000 is above 65535", 'did you mean "listen"', "c"):
            assert words in done.stderr, done.stderr
        equal(len(u.workers()), 1)


@test
def disabled_rows_do_not_listen():
    with Usherd(ECHO + 'off: { plugin = "echo"; listen = "tcp://:0"; enabled = false; };') as u:
        equal([row["STATE"] for row in u.list() if row["SERVICE"] == "off"], ["off"])


@test
def a_port_changes_from_one_address_to_all_and_back_in_one_reload():
    rows = ('a: { plugin = "echo"; listen = [ "tcp4://%s:%d", "udp4://%s:%d" ]; };'
            ' b: { plugin = "echo"; listen = "tcp://:0"; };')
    tcp, other = free_port(), free_port(socket.SOCK_DGRAM)
    with Usherd(rows % ("127.0.0.1", tcp, "127.0.0.1", other)) as u:
        with connect(tcp) as held:
            held.sendall(b"1")
            equal(read_exactly(held, 1), b"1")
            for host in ("*", "127.0.0.1", "*"):
                u.table(rows % (host, tcp, host, other))
                u.reload()
                wait_for(lambda: is_only_at(host, tcp, "tcp") and is_only_at(host, other, "udp"),
                         "the new listeners alone")
                equal(talk(tcp, b"there"), b"there")
                equal(ask(other, b"datagram"), b"datagram")
        u.table((rows + 'c: { plugin = "echo"; listen = "tcp4://127.0.0.1:%d"; };')
                % ("*", tcp, "*", other, tcp))  # both at once cannot be
        equal(u.ctl("reload", check=False).returncode, 1)
        equal(talk(tcp, b"there"), b"there")


@test
def a20_a_udp_port_survives_a_reload_that_changes_its_row():
    with Usherd(ECHO) as u:
        port = u.port("echo", "udp")
        u.table(ECHO.replace("};", "log_connections = true; };"))
        u.reload()
        equal(u.port("echo", "udp"), port)
        equal(ask(port, b"same port"), b"same port")


run()
