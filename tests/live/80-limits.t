#!/usr/bin/env python3
"""Bounds: connections, timeouts, descriptors, slow peers, draining."""
import contextlib
import resource
import signal
import socket
import time

from usher_live import *  # noqa: F403 - the test vocabulary

ECHO = 'echo: { plugin = "echo"; listen = "tcp://:0"; %s };'


@test
def at_max_connections_callers_wait_in_the_queue_and_none_is_lost():
    for way in ("", 'mode = "fork";'):
        with Usherd(ECHO % ("max_connections = 3; " + way)) as u:
            port = u.port("echo")
            clients = [connect(port) for _ in range(8)]
            for client in clients:
                client.sendall(b"turn")
            wait_for(lambda: u.count("echo", "ACTIVE") == 3, "three to be served")
            for client in clients:
                equal(read_exactly(client, 4), b"turn")
                client.close()
            wait_for(lambda: u.count("echo", "ACTIVE") == 0, "all to be over")


@test
def limits_are_the_pools_however_many_workers_serve_it():
    with Usherd(ECHO % "max_connections = 4;", 'workers = "2";') as u:
        equal(len(u.workers()), 2)
        port = u.port("echo")
        clients = [connect(port) for _ in range(8)]
        for client in clients:
            client.sendall(b"x")
        wait_for(lambda: u.count("echo", "ACTIVE") >= 4, "four to be served")
        assert u.count("echo", "ACTIVE") <= 5, u.list()  # two may take the last place at once
        for client in clients:
            equal(read_exactly(client, 1), b"x")
            client.close()


@test
def b18_idle_and_first_byte_timeouts_end_silent_connections():
    with Usherd(ECHO % 'idle_timeout = "400ms"; first_byte_timeout = "200ms";') as u:
        port, started = u.port("echo"), time.monotonic()
        with connect(port) as silent:
            equal(_end_of(silent), b"")
            assert 0.15 < time.monotonic() - started < soon(2)
        wait_for(lambda: _bytes_keep(port, 0.2, 0.4), "four bytes in time")


def _bytes_keep(port, first, idle):
    """Each byte moves the idle timeout on, and without one it comes. False: one was not in time, for want of a
    processor."""
    heard, pauses = time.monotonic(), []
    with connect(port) as client:
        try:
            for _ in range(4):
                now = time.monotonic()
                client.sendall(b"x")
                pauses.append(time.monotonic() - heard)
                heard = now
                equal(read_exactly(client, 1), b"x")
                client.settimeout(0.25)
                with contextlib.suppress(socket.timeout):
                    client.recv(1)
                    raise AssertionError("ended though it was not idle")
                client.settimeout(DEADLINE)
        except (AssertionError, ConnectionError):
            pauses.append(time.monotonic() - heard)
            if pauses[0] < first and max(pauses) < idle:
                raise
            return False
        equal(_end_of(client), b"")
        return True


def _end_of(client):
    try:
        return read_all(client)
    except ConnectionResetError:
        return b""


@test
def total_timeout_ends_a_busy_connection():
    for way in ("", 'mode = "fork";'):
        with Usherd(ECHO % ('total_timeout = "400ms"; ' + way)) as u:
            port, started = u.port("echo"), time.monotonic()
            with connect(port) as client:
                with contextlib.suppress(OSError):
                    while client.send(b"x") and client.recv(10):
                        pass
                assert 0.3 < time.monotonic() - started < (6 if IS_LONG else DEADLINE)


@test
def b11_r8_out_of_descriptors_it_pauses_stays_idle_and_recovers():
    with Usherd(ECHO % "max_connections = 500;",
                prefix=[program("prlimit"), "--nofile=64:64"]) as u:
        port, worker = u.port("echo"), u.workers()[0]
        used = len(descriptors_of(worker))
        clients = []
        for i in range(90):
            clients.append(connect(port, source="127.0.1.%d" % (1 + i)))
            clients[-1].sendall(b"x")  # who is silent for a second would have to go for another
        u.wait_log("echo.*Too many open files")
        before, started = cpu_seconds(worker), time.monotonic()
        with contextlib.suppress(socket.timeout):
            clients[-1].settimeout(1.5)
            clients[-1].recv(1)
            raise AssertionError("it was served without a descriptor")
        assert (cpu_seconds(worker) - before) / (time.monotonic() - started) < 0.2
        assert u.log().count("Too many open files") <= 4, u.log()
        for client in clients:
            client.settimeout(DEADLINE)
            equal(read_exactly(client, 1), b"x")
            client.close()
        wait_for(lambda: len(descriptors_of(worker)) == used, "the descriptors to come back")


@test
def select_pauses_at_fd_setsize_and_serves_on():
    with Usherd(ECHO % 'max_connections = 3000; backlog = 4096;', loop="select") as u:
        port = u.port("echo")
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
        clients = []
        for i in range(1100):
            clients.append(connect(port, source="127.0.1.%d" % (1 + i % 250)))
            clients[-1].sendall(b"y")  # who is silent would have to go for another
        u.wait_log("echo.*select.*1024")
        for client in clients[:50]:
            client.sendall(b"x")
            equal(read_exactly(client, 2), b"yx")
        for client in clients:
            client.close()
        equal(talk(port, b"after"), b"after")


@test
def r11_peers_that_never_read_cost_little_and_stall_nobody():
    with Usherd(ECHO % "") as u:
        port, worker = u.port("echo"), u.workers()[0]
        before = int(status_of(worker)["VmRSS"].split()[0])
        stuck = []
        for _ in range(50):
            client = connect(port)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    client.send(b"x" * 65536)
            stuck.append(client)
        started = time.monotonic()
        for _ in range(20):
            equal(talk(port, b"quick"), b"quick")
        assert time.monotonic() - started < (5 if IS_LONG else 2 * DEADLINE)
        grown = int(status_of(worker)["VmRSS"].split()[0]) - before
        assert grown < 50 * 160 or IS_SANITIZED, "%d kB for 50" % grown
        for client in stuck:
            client.close()


@test
def term_drains_and_a_connection_may_finish():
    with Usherd(ECHO % "", 'drain_timeout = "60s";') as u:
        port = u.port("echo")
        client = connect(port)
        client.sendall(b"1")
        equal(read_exactly(client, 1), b"1")
        u.signal(signal.SIGTERM)
        u.wait_log("drain")
        client.sendall(b"2")
        equal(read_exactly(client, 1), b"2")
        wait_for(lambda: _is_refused(port), "new callers to be refused")
        client.close()
        equal(u.process.wait(4 if IS_LONG else 2 * DEADLINE), 0)


def _is_refused(port):
    try:
        connect(port).close()
        return False
    except ConnectionRefusedError:
        return True


@test
def a_second_term_ends_it_at_once():
    with Usherd(ECHO % "", 'drain_timeout = "60s";') as u:
        client = connect(u.port("echo"))
        client.sendall(b"1")
        equal(read_exactly(client, 1), b"1")
        u.signal(signal.SIGTERM)
        u.wait_log("drain")
        u.signal(signal.SIGTERM)
        equal(u.process.wait(5 if IS_LONG else 2 * DEADLINE), 0)
        client.close()


@test
def drain_timeout_ends_what_does_not_end_by_itself():
    with Usherd(ECHO % "", 'drain_timeout = "300ms";') as u:
        client = connect(u.port("echo"))
        client.sendall(b"1")
        equal(read_exactly(client, 1), b"1")
        started = time.monotonic()
        u.signal(signal.SIGTERM)
        equal(u.process.wait(2 * DEADLINE), 0)
        assert time.monotonic() - started < 6 or not IS_LONG
        client.close()


@test
def an_idle_daemon_never_wakes():
    with Usherd(ECHO % "") as u:
        equal(talk(u.port("echo"), b"x"), b"x")
        pids = [u.pid] + u.workers()

        def switches():
            return [status_of(pid)["voluntary_ctxt_switches"] for pid in pids]

        def rests():
            before = switches()
            with contextlib.suppress(socket.timeout):
                quiet = udp(seconds=1.5)
                quiet.recv(1)
            quiet.close()
            return switches() == before

        wait_for(rests, "a second and a half without a wake-up", 15)


run()
