#!/usr/bin/env python3
"""Promise 6: what a datagram may never make usher do (reliability rows A1 to A12)."""
import contextlib
import os
import socket

from usher_live import *  # noqa: F403 - the test vocabulary

ROWS = """
    echo: { plugin = "echo"; listen = "udp://:0"; };
    day: { plugin = "daytime"; listen = "udp://:0"; };
    loud: { plugin = "daytime"; listen = "udp://:0"; amplify = true; };
    upper: { plugin = "uppercase"; listen = "udp://*:0"; };
"""


def silent(client, seconds=0.3):
    """Nothing comes: asked after another request was answered, so that it is not just late."""
    client.settimeout(seconds)
    with contextlib.suppress(socket.timeout):
        raise AssertionError("answered: %r" % client.recv(100))


@test
def a1_nothing_is_answered_to_ports_below_1024():
    if not IS_ROOT:
        raise Skip("only root may bind a low port")
    with Usherd(ROWS + 'low: { plugin = "echo"; listen = "udp://:0"; reply_from_low_ports = true; };'
                ) as u:
        for low in (7, 19, 37, 53, 1023):
            with contextlib.closing(udp(port=low)) as client:
                client.sendto(b"x", ("127.0.0.1", u.port("echo", "udp")))
                equal(ask(u.port("echo", "udp"), b"sync"), b"sync")
                silent(client, 0.05)
                client.settimeout(DEADLINE)
                client.sendto(b"allowed", ("127.0.0.1", u.port("low", "udp")))
                equal(client.recv(100), b"allowed")


@test
def a1_a2_no_two_services_of_the_table_can_be_made_to_talk():
    if not IS_ROOT:
        raise Skip("a forged datagram needs a raw socket")
    names = ("echo", "day", "loud", "upper")
    with Usherd(ROWS) as u, socket.socket(socket.AF_INET, socket.SOCK_RAW,
                                          socket.IPPROTO_UDP) as raw:
        for a in names:
            for b in names:
                source, target = u.port(a, "udp"), u.port(b, "udp")
                payload = b"forged"
                raw.sendto(source.to_bytes(2, "big") + target.to_bytes(2, "big")
                           + (8 + len(payload)).to_bytes(2, "big") + b"\0\0" + payload,
                           ("127.0.0.1", 0))
        for name in ("echo", "upper"):
            ask(u.port(name, "udp"), b"SYNC")
        wait_for(lambda: sum(u.count(n, "ACCEPTED") for n in names) == 18, "all to be counted")
        equal(sum(u.count(n, "ACCEPTED") for n in names), 18)  # 16 forged, 2 asked, no answer


@test
def a5_a6_replies_are_never_longer_than_requests_unless_the_row_says_so():
    with Usherd(ROWS) as u, udp() as client:
        for size in (0, 1, 25):
            client.sendto(b"x" * size, ("127.0.0.1", u.port("day", "udp")))
        equal(len(ask(u.port("day", "udp"), b"x" * 26)), 26)
        silent(client)
        client.settimeout(DEADLINE)
        client.sendto(b"", ("127.0.0.1", u.port("loud", "udp")))
        equal(len(client.recv(100)), 26)


@test
def a6_empty_datagrams_are_consumed_and_stop_nothing():
    with Usherd(ROWS) as u, udp() as client:
        for _ in range(1000):
            client.sendto(b"", ("127.0.0.1", u.port("echo", "udp")))
        equal(ask(u.port("echo", "udp"), b"next"), b"next")
        silent(client)


@test
def a4_broadcast_and_multicast_are_not_answered():
    with Usherd(ROWS) as u, udp() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        port = u.port("upper", "udp")
        for target in ("255.255.255.255", "127.255.255.255", "224.0.0.1"):
            with contextlib.suppress(OSError):
                client.sendto(b"x", (target, port))
        equal(ask(port, b"sync"), b"SYNC")
        silent(client)


@test
def a12_icmp_errors_neither_close_nor_pause_the_socket():
    with Usherd(ROWS) as u:
        port = u.port("echo", "udp")
        for _ in range(200):
            with udp() as gone:
                gone.sendto(b"x", ("127.0.0.1", port))
        for number in range(50):
            equal(ask(port, b"%d" % number), b"%d" % number)


@test
def a10_long_datagrams_come_back_whole_or_not_at_all():
    with Usherd(ROWS) as u:
        for size in (1, 508, 1472, 2048, 2049, 9000, 65507):
            request = os.urandom(size)
            equal(ask(u.port("echo", "udp"), request), request)


run()
