#!/usr/bin/env python3
"""echo on every protocol, in the loop and in a forked child, on every loop."""
import hashlib
import os
import socket
import threading

from usher_live import *  # noqa: F403 - the test vocabulary

ROWS = """
    echo: { plugin = "echo"; listen = [ "tcp://:0", "udp://:0" ]; };
    forked: { plugin = "echo"; mode = "fork"; listen = [ "tcp://:0", "udp://:0" ]; };
    both: { plugin = "echo"; listen = [ "tcp://*:0", "udp://*:0" ]; };
"""


def has_ipv6():
    try:
        udp("::1").close()
        return True
    except OSError:
        return False


def unix_rows(folder):
    return """
        stream: { plugin = "echo"; listen = "unix://%s/stream"; };
        packets: { plugin = "echo"; listen = "unix-seqpacket://%s/packets"; };
        dgram: { plugin = "echo"; listen = "unix-dgram://%s/dgram"; };
        abstract: { plugin = "echo"; listen = "unix://@usher-live-%d"; };
    """ % (folder, folder, folder, os.getpid())


def on_each_loop(check, rows=ROWS):
    for loop in LOOPS:
        with Usherd(rows, loop=loop) as u:
            check(u)


@test
def tcp_bytes_come_back_on_every_loop():
    def check(u):
        for service in ("echo", "forked"):
            equal(talk(u.port(service), b"hello\r\n"), b"hello\r\n")
            equal(talk(u.port(service), b""), b"")
    on_each_loop(check)


@test
def udp_datagrams_come_back_on_every_loop():
    def check(u):
        for service in ("echo", "forked"):
            for size in (1, 508, 1472, 2049, 9000, 65507):
                request = os.urandom(size)
                equal(ask(u.port(service, "udp"), request), request)
    on_each_loop(check)


@test
def a_star_serves_both_families():
    if not has_ipv6():
        raise Skip("no IPv6 on this machine")
    with Usherd(ROWS) as u:
        for host in ("127.0.0.1", "::1"):
            equal(talk(u.port("both"), b"x", host), b"x")
            equal(ask(u.port("both", "udp"), b"y", host), b"y")
        equal(len({e.rsplit(":", 1)[1] for e in u.endpoints("both") if "tcp" in e}), 1)


@test
def a11_a_reply_leaves_from_the_address_that_was_asked():
    with Usherd(ROWS) as u, udp("127.0.0.1") as client:
        client.connect(("127.0.0.5", u.port("both", "udp")))
        client.send(b"where")
        equal(client.recv(100), b"where")


@test
def unix_sockets_of_every_kind_echo():
    daemon = Usherd(start=False)
    os.chmod(daemon.dir, 0o755)
    daemon.table(unix_rows(daemon.dir))
    with daemon.start() as u:
        for name, kind in (("stream", socket.SOCK_STREAM), ("packets", socket.SOCK_SEQPACKET)):
            with socket.socket(socket.AF_UNIX, kind) as client:
                client.settimeout(DEADLINE)
                client.connect(os.path.join(u.dir, name))
                client.send(b"over " + name.encode())
                equal(client.recv(100), b"over " + name.encode())
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect("\0usher-live-%d" % os.getpid())
            client.send(b"abstract")
            equal(client.recv(100), b"abstract")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.settimeout(DEADLINE)
            client.bind("\0usher-live-client-%d" % os.getpid())
            client.sendto(b"dgram", os.path.join(u.dir, "dgram"))
            equal(client.recv(100), b"dgram")
    assert not os.path.exists(os.path.join(daemon.dir, "stream"))


@test
def f13_r28_64_mib_come_back_byte_for_byte_with_half_close():
    block = os.urandom(1 << 20)

    def send(client):
        for _ in range(64):
            client.sendall(block)
        client.shutdown(socket.SHUT_WR)

    with Usherd(ROWS) as u:
        for service in ("echo", "forked"):
            got, want = hashlib.sha256(), hashlib.sha256()
            for _ in range(64):
                want.update(block)
            with connect(u.port(service)) as client:
                writer = threading.Thread(target=send, args=(client,))
                writer.start()
                while True:
                    part = client.recv(1 << 18)
                    if not part:
                        break
                    got.update(part)
                writer.join()
            equal(got.hexdigest(), want.hexdigest())


@test
def one_byte_segments_come_back_in_order():
    text = bytes(range(256)) * 4
    with Usherd(ROWS) as u, connect(u.port("echo")) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in text:
            client.send(bytes([byte]))
        client.shutdown(socket.SHUT_WR)
        equal(read_all(client), text)


@test
def a7_a_burst_of_datagrams_is_answered_whole():
    with Usherd(ROWS) as u:
        for service in ("echo", "both"):
            with udp() as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
                client.connect(("127.0.0.1", u.port(service, "udp")))
                for count in (50, 200):
                    for number in range(count):
                        client.send(b"%d" % number)
                    got = sorted(int(client.recv(100)) for _ in range(count))
                    equal(got, list(range(count)))


@test
def b17_resets_before_and_after_accept_stop_nothing():
    with Usherd(ROWS) as u:
        port = u.port("echo")
        for _ in range(300):
            client = connect(port)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.close()
        equal(talk(port, b"still here"), b"still here")
        wait_for(lambda: u.count("echo", "ACTIVE") == 0, "all connections to be counted out")


@test
def b8_descriptors_return_to_their_base_line():
    with Usherd(ROWS) as u:
        port = u.port("echo")
        talk(port, b"warm up")
        before = {pid: len(descriptors_of(pid)) for pid in u.workers()}
        for _ in range(500):
            equal(talk(port, b"x"), b"x")
        wait_for(lambda: {pid: len(descriptors_of(pid)) for pid in u.workers()} == before,
                 "the same descriptors as before")


run()
