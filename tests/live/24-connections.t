#!/usr/bin/env python3
"""What befalls a connection between its accept and its end, where the plugin has little to do with it."""
import contextlib
import os
import signal
import socket
import time

from usher_live import *  # noqa: F403 - the test vocabulary

WHO = 'user = "nobody"; group = "nogroup";' if IS_ROOT else ""


@contextlib.contextmanager
def standing_still(u):
    """Meanwhile nobody accepts: callers speak, and are queued by the kernel."""
    workers = u.workers()
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: all(status_of(pid)["State"][0] == "T" for pid in workers), "them to stand still")
    try:
        yield
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)


def unix(path, kind=socket.SOCK_STREAM):
    client = socket.socket(socket.AF_UNIX, kind)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    client.settimeout(DEADLINE)
    client.connect(path)
    return client


def send_what_is_taken(client):
    sent = 0
    client.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while sent < 2 << 20:
            sent += client.send(b"x" * 65536)
    client.settimeout(DEADLINE)
    return sent


@test
def who_filled_its_buffers_before_accept_leaves_nothing_behind():
    """With AddressSanitizer: nor does the next batch look at it."""
    name = "usher-live-%d" % os.getpid()
    with Usherd('echo: { plugin = "echo"; listen = "unix://@%s"; };' % name) as u:
        workers = u.workers()
        for _ in range(3):
            with standing_still(u):
                client = unix("\0" + name)
                sent = send_what_is_taken(client)
            wait_for(lambda: u.count("echo", "ACTIVE") == 1, "it to be accepted")
            wait_rest(*workers, window=0.2)  # output is kept for it
            equal(len(read_exactly(client, sent)), sent)
            client.close()
            wait_for(lambda: u.count("echo", "ACTIVE") == 0, "it to be gone")
            with unix("\0" + name) as other:
                other.sendall(b"hello")
                equal(read_exactly(other, 5), b"hello")
        equal(u.workers(), workers)


@test
def who_paused_its_service_at_accept_is_heard_afterwards():
    with Usherd('ident: { plugin = "ident"; listen = "tcp://:0"; };') as u:
        port, workers = u.port("ident"), u.workers()
        with standing_still(u):
            client = connect(port)
            client.sendall(b"1,2\r\n" * 40)
            wait_taken(client)
        with client, client.makefile("rb") as answers:
            for _ in range(40):
                assert answers.readline().startswith(b"1 , 2 : ERROR")
            for _ in range(3):  # and nobody else connects meanwhile
                client.sendall(b"3,4\r\n")
                assert answers.readline().startswith(b"3 , 4 : ERROR")
        equal(u.workers(), workers)


@test
def total_timeout_holds_for_each_child_after_another_had_it():
    rows = 'slow: { exec = [ "%s", "100" ]; listen = "tcp://:0"; total_timeout = "500ms"; %s };'
    with Usherd(rows % (program("sleep"), WHO)) as u:
        for _ in range(3):
            started = time.monotonic()
            equal(talk(u.port("slow"), half_close=False), b"")
            assert 0.4 < time.monotonic() - started < 5, time.monotonic() - started  # 5.5: it had to be killed


@test
def total_timeout_holds_while_another_child_does_not_heed_it():
    rows = '''deaf: { exec = [ "%s", "-c", "trap 'echo no' TERM; echo on; while :; do sleep 100 & wait; done" ];
                      listen = "tcp://:0"; total_timeout = "500ms"; %s };'''

    def told_in_time(port):
        """When its time began; None if that was over before it was deaf."""
        started = time.monotonic()
        with connect(port) as client:
            if client.recv(1) != b"o":
                return None
            equal(read_exactly(client, 5), b"n\nno\n")
        return started

    with Usherd(rows % (program("sh"), WHO), 'drain_timeout = "1ms";') as u:
        port = u.port("deaf")
        for _ in range(2):
            started = wait_for(lambda: told_in_time(port), "a child that does not heed it")
            assert 0.4 < time.monotonic() - started < 4.5, time.monotonic() - started  # 5: the other was killed


@test
def packets_come_back_whole_or_not_at_all():
    name = "usher-live-%d" % os.getpid()
    rows = 'echo: { plugin = "echo"; listen = "unix-seqpacket://@%s"; log_connections = true; };' % name
    with Usherd(rows) as u:
        with unix("\0" + name, socket.SOCK_SEQPACKET) as client:
            for count in (1, 65535, 65536):
                packet = os.urandom(count)
                client.send(packet)
                equal(client.recv(1 << 18), packet)
            client.send(b"")  # passed over
            client.send(b"on")
            equal(client.recv(100), b"on")
            client.send(os.urandom(65537))
            equal(client.recv(1 << 18), b"")
        u.wait_log("fail input packet=65537 max=65536")
        u.wait_log("bytes_in=131074 bytes_out=131074 reason=input")


@test
def who_says_all_and_closes_before_its_program_starts_is_heard():
    name = "usher-live-%d" % os.getpid()
    rows = 'hear: { exec = [ "%s", "-c", "cat >&2" ]; listen = "unix://@%s"; stderr = "log"; %s };'
    with Usherd(rows % (program("sh"), name, WHO)) as u:
        with standing_still(u):
            with unix("\0" + name) as client:
                client.sendall(b"last words\n")
            unix("\0" + name).close()  # said nothing: not worth a process
        u.wait_log('stderr line="last words"')
        wait_for(lambda: u.counts("hear")["refused"] == 1, "the other to be counted")
        equal(u.counts("hear")["accepted"], 1)


@test
def bytes_and_packets_share_a_row():
    name = "usher-live-%d" % os.getpid()
    with Usherd('echo: { plugin = "echo"; listen = [ "unix-seqpacket://@%s", "tcp://:0" ]; };' % name) as u:
        for what in (b"one", b"another"):
            with unix("\0" + name, socket.SOCK_SEQPACKET) as client:
                client.send(what)
                equal(client.recv(100), what)
            equal(talk(u.port("echo"), what), what)


@test
def first_byte_timeout_ends_who_reads_and_never_speaks():
    rows = '''all: { plugin = "chargen"; listen = "tcp://:0"; };
              mute: { plugin = "chargen"; listen = "tcp://:0"; first_byte_timeout = "700ms"; };'''
    with Usherd(rows) as u:
        ports, started = [u.port("mute"), u.port("all")], time.monotonic()
        with connect(ports[0]) as client, connect(ports[1]) as other:
            with contextlib.suppress(ConnectionResetError):
                while client.recv(1 << 20):
                    assert time.monotonic() - started < 5, "it goes on and on"
            assert time.monotonic() - started > 0.5, time.monotonic() - started
            equal(len(read_exactly(other, 1 << 22)), 1 << 22)  # its peer need not speak


run()
