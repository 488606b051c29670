#!/usr/bin/env python3
"""Promise 6: what a datagram may never make usher do (reliability rows A1 to A13).

A7, A8, A11 and A13 have more tests beside the services: 10-echo, 21-classic, 29-redirect, 40-wait; A9 is
in 55-admission.
"""
import contextlib
import itertools
import os
import random
import socket
import struct

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
        host = "127.0.0.%d" % random.randrange(70, 250)  # where nobody else has these ports
        for low in (7, 19, 37, 53, 1023):
            with contextlib.closing(udp(host, port=low)) as client:
                client.sendto(b"x", ("127.0.0.1", u.port("echo", "udp")))
                equal(ask(u.port("echo", "udp"), b"sync"), b"sync")
                silent(client, 0.05)
                client.settimeout(DEADLINE)
                client.sendto(b"allowed", ("127.0.0.1", u.port("low", "udp")))
                equal(client.recv(100), b"allowed")


# Every UDP service there is, as loud as it can be, by the port it has by tradition.
LOUD = {
    "echo": (7, 'plugin = "echo";'), "discard": (9, 'plugin = "discard";'),
    "systat": (11, 'plugin = "systat"; mode = "fork";'), "daytime": (13, 'plugin = "daytime";'),
    "qotd": (17, 'plugin = "qotd";'), "chargen": (19, 'plugin = "chargen";'),
    "time": (37, 'plugin = "time";'), "framed": (1888, 'plugin = "framed";'),
    "uppercase": (1200, 'plugin = "uppercase";'),
    "hello": (5000, 'plugin = "echo"; options: { prefix = "Echo: "; };'),
}


def free_offset():
    """No port of LOUD is among those that the kernel gives to whoever lets it choose."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as file:
        end = int(file.read().split()[0])
    return random.randrange(10000, max(end - 5000, 20000))


def loud_rows(host, more=""):
    return "".join('%s: { %s listen = "udp://%s:%d"; amplify = true; %s };' % (name, way, host, port, more)
                   for name, (port, way) in LOUD.items())


def forge(raw, source, target, host, payload=b"003abc"):
    """A datagram from one of the table's own ports."""
    raw.sendto(struct.pack("!HHHH", source, target, 8 + len(payload), 0) + payload, (host, 0))


def matrix(settings, offset, more=""):
    """Each service is made to hear from each: nobody answers, so each hears what was forged and no more."""
    if not IS_ROOT:
        raise Skip("a forged datagram needs a raw socket")
    host = "127.0.0.%d" % random.randrange(70, 250)
    with Usherd(loud_rows(host, more), settings) as u, socket.socket(
            socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as raw:
        raw.bind((host, 0))
        for a, b in itertools.product(LOUD, LOUD):
            forge(raw, LOUD[a][0] + offset, LOUD[b][0] + offset, host)

        def heard():
            return {name: u.counts(name)["accepted"] for name in LOUD}

        wait_for(lambda: min(heard().values()) >= len(LOUD), "all to be counted")
        with udp(host) as client:  # what was answered before is counted by now
            client.sendto(b"sync", (host, LOUD["echo"][0] + offset))
            equal(client.recv(10), b"sync")
        wait_for(lambda: heard()["echo"] == len(LOUD) + 1, "the last one")
        equal(heard(), {name: len(LOUD) + (name == "echo") for name in LOUD})
        wait_for(lambda: u.counts("echo")["replied"] > 0, "the reply to be counted")
        equal(sum(u.counts(name)["replied"] for name in LOUD), 1)


@test
def a1_a2_a3_no_two_services_can_be_made_to_talk():
    matrix("", 0)


@test
def a1_a2_a3_nor_with_port_offset():
    offset = free_offset()
    matrix("port_offset = %d;" % offset, offset)


@test
def a2_a3_nor_where_low_ports_are_answered():
    matrix("", 0, "reply_from_low_ports = true;")


@test
def a2_a3_nor_where_a_reload_draws_another_port():
    if not IS_ROOT:
        raise Skip("a forged datagram needs a raw socket")
    host = "127.0.0.%d" % random.randrange(70, 250)
    row = '%s: { plugin = "echo"; listen = "udp://' + host + ':0"; pool = "%s"; };'
    with Usherd(row % ("old", "a")) as u, socket.socket(
            socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as raw:
        raw.bind((host, 0))
        u.table(row % ("old", "a") + row % ("new", "b"))
        u.reload()
        forge(raw, u.port("new", "udp"), u.port("old", "udp"), host)
        wait_for(lambda: u.counts("old")["accepted"] == 1, "it to be counted")
        wait_for(lambda: u.counts("old")["dropped"] == 1, "it to be dropped")
        equal((u.counts("old")["replied"], u.counts("new")["accepted"]), (0, 0))


@test
def a2_the_low_ports_of_other_hosts_are_not_answered_either():
    if not IS_ROOT:
        raise Skip("a forged datagram needs a raw socket")
    offset = free_offset()
    host = "127.0.0.%d" % random.randrange(70, 250)
    with Usherd(loud_rows(host), "port_offset = %d;" % offset) as u, socket.socket(
            socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as raw:
        raw.bind(("127.0.0.66", 0))
        low = (0, 7, 9, 11, 13, 17, 19, 37, 53, 69, 123, 161, 520, 1023)
        for source, name in itertools.product(low, LOUD):
            forge(raw, source, LOUD[name][0] + offset, host)
        wait_for(lambda: all(u.counts(name)["accepted"] == len(low) for name in LOUD), "all of them")
        equal(sum(u.counts(name)["replied"] for name in LOUD), 0)


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


def _asks(port, request):
    with udp(seconds=0.5) as client, contextlib.suppress(socket.timeout):
        client.sendto(request, ("127.0.0.1", port))
        return client.recv(100)


def answers(port):
    with udp(seconds=0.2) as client:
        client.sendto(b"next", ("127.0.0.1", port))
        with contextlib.suppress(TimeoutError):
            return client.recv(100) == b"next"
    return False


@test
def a6_empty_datagrams_are_consumed_and_stop_nothing():
    with Usherd(ROWS) as u, udp() as client:
        port = u.port("echo", "udp")
        for _ in range(10000):
            client.sendto(b"", ("127.0.0.1", port))
        wait_for(lambda: _asks(port, b"next") == b"next", "an answer")  # the queue may be full
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
def a4_ipv6_multicast_is_not_answered():
    try:
        u = Usherd('upper: { plugin = "uppercase"; listen = "udp://[::]:0"; };')
    except AssertionError:
        raise Skip("no IPv6 here")
    with u, udp("::1") as client:
        port = u.port("upper", "udp")
        client.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, 1)
        for target in ("ff01::1", "ff02::1"):
            with contextlib.suppress(OSError):
                client.sendto(b"x", (target, port))
        equal(ask(port, b"sync", "::1"), b"SYNC")
        silent(client)


@test
def a5_every_service_answers_less_than_it_was_asked_unless_the_row_says_amplify():
    offset, host = free_offset(), "127.0.0.%d" % random.randrange(70, 250)
    rows = loud_rows(host).replace("amplify = true;", "")
    with Usherd(rows, "port_offset = %d;" % offset) as u:
        for name, size in itertools.product(LOUD, (0, 1, 2, 4, 26, 27, 100, 512, 1500)):
            with udp(host) as client:
                client.sendto(b"x" * size, (host, LOUD[name][0] + offset))
                if name == "systat":  # its children answer later
                    wait_for(lambda: u.counts(name)["accepted"] > 0 and
                             u.counts(name)["active"] == 0, name)
                client.sendto(b"003syn", (host, LOUD["framed"][0] + offset))
                # either may be the first: they come from two sockets
                answers_to = [client.recv(65536)]
                while answers_to[-1] != b"003syn":
                    answers_to.append(client.recv(65536))
                client.settimeout(0.02)
                with contextlib.suppress(TimeoutError):
                    answers_to.append(client.recv(65536))
                answers_to.remove(b"003syn")
                assert all(len(a) <= size for a in answers_to), (name, size, answers_to)


def receive_buffer():
    """The most that a socket may ask for: what is sent beyond it before anybody reads is lost."""
    with contextlib.suppress(OSError), open("/proc/sys/net/core/rmem_max") as file:
        return int(file.read())
    return 0


RECEIVE_BUFFER = receive_buffer()


@test
def a7_bursts_of_50_and_1000_are_answered_or_counted():
    rows = "".join('%s: { plugin = "%s"; listen = "udp://:0"; amplify = true; receive_buffer = "4M"; };'
                   % (name, name) for name in ("echo", "daytime", "time"))
    for burst in (50, 1000 if RECEIVE_BUFFER >= 1 << 20 else 200):
        with Usherd(rows) as u:
            for name in ("echo", "daytime", "time"):
                with udp(seconds=2) as client:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
                    client.connect(("127.0.0.1", u.port(name, "udp")))
                    for _ in range(burst):
                        client.send(b"x")
                    got = sum(1 for _ in range(_drain(client, burst)))
                    counts = wait_for(lambda: _settled(u, name, burst), "all of %s" % name)
                    client.settimeout(0.05)  # what was answered is there by now
                    got += _drain(client, burst - got)
                equal((name, counts["accepted"], counts["replied"] + counts["dropped"]), (name, burst, burst))
                assert got >= counts["replied"] - 5 or got == burst, (name, got, counts)


def _drain(client, most):
    count = 0
    with contextlib.suppress(socket.timeout):
        while count < most:
            client.recv(2000)
            count += 1
    return count


def _settled(u, name, burst):
    counts = u.counts(name)
    return counts if counts["replied"] + counts["dropped"] >= burst else None


@test
def a8_a_wait_child_that_does_not_read_is_started_four_times_at_most():
    who = 'user = "root"; pool = "w";' if IS_ROOT else 'user = "%d";' % os.getuid()
    with Usherd('w: { exec = "/bin/true"; wait = true; listen = "udp://:0"; %s };' % who) as u:
        with udp() as client:
            client.sendto(b"x", ("127.0.0.1", u.port("w", "udp")))
        u.wait_log(r"w.*(drop|discard)")
        wait_rest(*u.workers())
        assert u.count("w", "ACCEPTED") <= 4, u.list()


@test
def a12_icmp_errors_neither_close_nor_pause_the_socket():
    with Usherd(ROWS) as u:
        port = u.port("echo", "udp")
        for _ in range(200):
            with udp("127.0.0.2") as gone:  # an address that the others do not have: answers come late
                gone.sendto(b"x", ("127.0.0.1", port))
        for number in range(50):
            equal(ask(port, b"%d" % number), b"%d" % number)


@test
def a10_long_datagrams_come_back_whole_or_not_at_all():
    with Usherd(ROWS) as u:
        for size in (1, 508, 1472, 2048, 2049, 9000, 65507):
            request = os.urandom(size)
            equal(ask(u.port("echo", "udp"), request), request)


@test
def a10_a_cut_datagram_is_dropped_and_counted():
    u = Usherd(start=False)
    path, mine = u.dir + "/echo.sock", u.dir + "/mine.sock"
    u.table('echo: { plugin = "echo"; listen = "unix-dgram://%s"; socket_mode = "0666"; };' % path)
    with u.start() as u, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.bind(mine)
        os.chmod(mine, 0o666)
        os.chmod(u.dir, 0o777)
        client.settimeout(DEADLINE)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        client.sendto(b"x" * 70000, path)
        client.sendto(b"whole", path)
        equal(client.recv(100), b"whole")
        wait_for(lambda: u.counts("echo")["replied"] == 1, "the reply to be counted")
        equal(u.counts("echo")["dropped"], 1)


@test
def a11_a_connected_client_hears_from_the_address_it_asked():
    with Usherd(ROWS) as u:
        for host in ("127.0.0.1", "127.0.0.5", "127.9.9.9"):
            with udp("127.0.0.1") as client:
                client.connect((host, u.port("upper", "udp")))
                client.send(b"x")
                equal(client.recv(10), b"X")


run()
