#!/usr/bin/env python3
"""What a crash, a hang or a kill costs: the connections of one worker, and nothing else."""
import os
import re
import signal
import socket
import threading
import time

from usher_live import *  # noqa: F403 - the test vocabulary

ROWS = """
    echo: { plugin = "echo"; listen = [ "tcp://:0", "udp://:0" ]; };
    crash: { plugin = "crash_on_data"; listen = "tcp://:0"; pool = "wild"; };
    hang: { plugin = "hang_on_data"; listen = "tcp://:0"; pool = "stuck"; };
"""


def poke(port, bytes_):
    """Sends, closes our side and waits for the end, whatever it is."""
    try:
        with connect(port) as client:
            client.sendall(bytes_)
            client.shutdown(socket.SHUT_WR)
            return read_all(client)
    except OSError:
        return None


@test
def a_crash_costs_its_own_worker_and_the_listener_stays():
    with Usherd(ROWS) as u, connect(u.port("echo")) as held:
        held.sendall(b"1")
        equal(read_exactly(held, 1), b"1")
        poke(u.port("crash"), b"X")
        u.wait_log(r"pool=wild .*signal=11|AddressSanitizer")
        if "AddressSanitizer" not in u.log():
            u.wait_log(r"crash\[\d+\]: fail pool=wild pid=\d+ peer=127.0.0.1:\d+ .*signal=11")
        equal(poke(u.port("crash"), b"a\n") is not None, True)
        held.sendall(b"2")
        equal(read_exactly(held, 1), b"2")
        if "AddressSanitizer" in u.log():
            open(u.log_path, "w").close()  # its report was asked for


@test
def r4_a_killed_worker_is_back_at_once_and_no_caller_is_refused():
    failures, stop = [], threading.Event()

    def probe(port):
        while not stop.is_set():
            try:
                with connect(port) as client:
                    try:
                        client.sendall(b"x")
                        client.recv(1)
                    except ConnectionResetError:
                        pass  # it was inside the worker that died
            except OSError as problem:
                failures.append(repr(problem))

    with Usherd(ROWS, allow_errors=True) as u:
        port = u.port("echo")
        thread = threading.Thread(target=probe, args=(port,))
        thread.start()
        try:
            pids = u.workers()  # in turn, or one that falls again at once is held

            def another():
                now = u.workers()
                return now if len(now) == len(pids) and pids[0] not in now else None

            for _ in range(10):
                os.kill(pids[0], signal.SIGKILL)
                now = wait_for(another, "a new worker")
                pids = pids[1:] + [pid for pid in now if pid not in pids]
                equal(talk(port, b"again"), b"again")
        finally:
            stop.set()
            thread.join()
        equal(failures, [])


@test
def f20_a_crash_loop_backs_off_and_recovers():
    with Usherd(ROWS) as u:
        port = u.port("crash")
        for _ in range(4):
            poke(port, b"X")
        u.wait_log(r"hold pool=wild for_ms=[1-9]")
        started = time.monotonic()
        equal(poke(port, b"a\n") is not None, True)
        assert time.monotonic() - started < 5
        equal(talk(u.port("echo"), b"beside"), b"beside")
        if "AddressSanitizer" in u.log():
            open(u.log_path, "w").close()


@test
def a_hang_is_found_within_hang_timeout_and_named():
    with Usherd(ROWS, 'hang_timeout = "1s";') as u, connect(u.port("hang")) as client:
        client.sendall(b"H")
        u.wait_log(r"hang\[\d+\]: fail pool=stuck pid=\d+ peer=127.0.0.1.*hang_timeout",
                   5 if IS_LONG else 3 * DEADLINE)  # a look that comes late begins anew
        wait_for(lambda: poke(u.port("hang"), b"a\n") is not None, "the service to be back")
        equal(talk(u.port("echo"), b"beside"), b"beside")


@test
def r6_c17_after_sigkill_of_the_master_a_new_one_binds_every_port():
    ports = {name: free_port() for name in ("echo", "crash", "hang")}
    rows = ROWS.replace("udp://:0", "udp://:%d" % free_port(socket.SOCK_DGRAM))
    for port in ports.values():
        rows = rows.replace("tcp://:0", "tcp://:%d" % port, 1)
    first = Usherd(rows, start=False)

    def comes_up():
        """The old workers may not have let go yet."""
        try:
            return first.start()
        except AssertionError:
            assert "Address already in use" in first.log(), first.log()
            return None

    try:
        first.start()
        held = connect(ports["echo"])
        held.sendall(b"1")
        equal(read_exactly(held, 1), b"1")
        os.kill(first.pid, signal.SIGKILL)
        first.process.wait()
        wait_for(comes_up, "all ports to be bound")
        equal(talk(ports["echo"], b"new master"), b"new master")
        held.sendall(b"old worker")
        equal(read_exactly(held, 10), b"old worker")
        held.close()
        first.stop()
    finally:
        first.clean()


@test
def a_worker_leaves_when_its_master_is_gone():
    u = Usherd(ROWS)
    try:
        workers = u.workers()
        os.kill(u.pid, signal.SIGKILL)
        u.process.wait()
        wait_for(lambda: not [pid for pid in workers if is_alive(pid)], "the workers to end")
    finally:
        u.clean()


@test
def a_plugin_that_ignores_room_costs_its_own_connection():
    rows = ROWS + 'big: { plugin = "big_writer"; listen = "tcp://:0"; };'
    with Usherd(rows) as u:
        poke(u.port("big"), b"go\n")  # the reset may come before connect() has returned
        u.wait_log(r"big.*output")
        equal(talk(u.port("echo"), b"beside"), b"beside")


@test
def a_crash_in_a_forked_child_costs_that_child_alone():
    rows = ROWS + ('forked: { plugin = "crash_on_data"; mode = "fork"; listen = "tcp://:0"; };')
    with Usherd(rows) as u:
        workers = u.workers()
        poke(u.port("forked"), b"X")
        u.wait_log(r"forked.*(signal=11|exit=\d+)")
        equal(u.workers(), workers)
        if "AddressSanitizer" in u.log():
            open(u.log_path, "w").close()


@test
def c7_r22_workers_hold_no_privilege():
    if not IS_ROOT:
        raise Skip("only root has privileges to give up")
    with Usherd(ROWS + 'f: { plugin = "echo"; mode = "fork"; listen = "tcp://:0"; };') as u:
        for pid in u.workers():
            status = status_of(pid)
            equal(status["Uid"].split(), ["65534"] * 4)
            equal(status["Gid"].split(), ["65534"] * 4)
            assert status["Groups"].strip() in ("", "65534"), status["Groups"]
            for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                equal((name, int(status[name], 16)), (name, 0))
            equal(status["NoNewPrivs"], "1")


@test
def f1_a_storm_of_signals_stops_nothing():
    with Usherd(ROWS) as u:
        for number in range(500):
            u.signal((signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD, signal.SIGUSR2)[number % 4])
        equal(talk(u.port("echo"), b"calm"), b"calm")
        wait_for(lambda: len(u.workers()) >= 3, "the workers")


run()
