#!/usr/bin/env python3
"""Clients that nobody here wrote: nc, telnet, socat; and the shipped services, byte for byte."""
import os
import re
import socket
import subprocess
import time

from usher_live import *  # noqa: F403 - the test vocabulary

ROWS = """
    echo: { plugin = "echo"; listen = [ "tcp://:0", "udp://:0" ]; };
    prefixed: { plugin = "echo"; listen = "udp://:0"; amplify = true;
                options = { prefix = "Echo: "; }; };
    daytime: { plugin = "daytime"; listen = [ "tcp://:0", "udp://:0" ]; amplify = true; };
    iso: { plugin = "daytime"; listen = "tcp://:0"; options = { format = "iso8601"; }; };
    uppercase: { plugin = "uppercase"; listen = [ "tcp://:0", "udp://:0" ]; };
    framed: { plugin = "framed"; listen = [ "tcp://:0", "udp://:0" ]; };
    fixed: { plugin = "framed"; listen = "tcp://:0";
             options = { framing = "fixed"; size = 16; reply = "text"; text = "BYE BYE CLIENT...";
                         close = "reply"; }; };
    u_forked: { plugin = "uppercase"; mode = "fork"; listen = [ "tcp://:0", "udp://:0" ]; };
    d_forked: { plugin = "daytime"; mode = "fork"; listen = [ "tcp://:0", "udp://:0" ];
                amplify = true; };
    f_forked: { plugin = "framed"; mode = "fork"; listen = [ "tcp://:0", "udp://:0" ]; };
"""
CTIME = rb"^\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\r\n$"


@test
def nc_talks_to_echo_over_tcp_and_udp():
    nc = program("nc")
    with Usherd(ROWS) as u:
        equal(run_client(nc, "-N", "127.0.0.1", str(u.port("echo")), request=b"hi nc\n"),
              b"hi nc\n")
        equal(told_by(nc, "-u", "-w", "1", "127.0.0.1", str(u.port("echo", "udp")),
                      request=b"hi udp\n"), b"hi udp\n")


@test
def nc_reads_daytime_and_the_reply_is_whole_though_it_speaks_first():
    nc = program("nc")
    with Usherd(ROWS) as u:
        for service in ("daytime", "d_forked"):
            for _ in range(20):
                got = run_client(nc, "127.0.0.1", str(u.port(service)), request=b"noise\n" * 50)
                assert re.match(CTIME, got), got


@test
def telnet_reads_daytime_and_talks_to_echo():
    telnet = program("telnet")
    with Usherd(ROWS) as u:
        # its input stays open: at the end of it telnet leaves, whether it has read or not
        with subprocess.Popen([telnet, "127.0.0.1", str(u.port("daytime"))],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
            text = client.stdout.read()
        assert re.search(rb"\d\d:\d\d:\d\d \d{4}", text), text
        client = subprocess.Popen([telnet, "127.0.0.1", str(u.port("uppercase"))],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        client.stdin.write(b"from telnet\r\n")
        client.stdin.flush()
        seen = b""
        while b"FROM TELNET" not in seen:
            part = os.read(client.stdout.fileno(), 4096)
            assert part, seen
            seen += part
        client.kill()
        client.wait()
        client.stdin.close()
        client.stdout.close()


@test
def socat_talks_to_uppercase_on_tcp_and_udp():
    socat = program("socat")
    with Usherd(ROWS) as u:
        for service in ("uppercase", "u_forked"):
            equal(run_client(socat, "-t5", "-", "TCP4:127.0.0.1:%d" % u.port(service),
                             request=b"from socat 1"), b"FROM SOCAT 1")
            equal(told_by(socat, "-t1", "-", "UDP4:127.0.0.1:%d" % u.port(service, "udp"),
                          request=b"datagram"), b"DATAGRAM")


@test
def a13_daytime_is_26_bytes_in_the_classic_form():
    with Usherd(ROWS) as u:
        for service in ("daytime", "d_forked"):
            got = talk(u.port(service))
            assert re.match(CTIME, got) and len(got) == 26, got
            begun = time.time()
            got = ask(u.port(service, "udp"), b"x")
            assert re.match(CTIME, got), got
            parsed = time.mktime(time.strptime(got.decode().strip(), "%a %b %d %H:%M:%S %Y"))
            assert begun - 2 < parsed <= time.time(), got
        assert re.match(rb"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", talk(u.port("iso")))


@test
def echo_puts_its_prefix_before_each_datagram():
    with Usherd(ROWS) as u:
        equal(ask(u.port("prefixed", "udp"), b"Hello, UDP World!"), b"Echo: Hello, UDP World!")


@test
def uppercase_changes_letters_and_nothing_else():
    every = bytes(range(256))
    with Usherd(ROWS) as u:
        for service in ("uppercase", "u_forked"):
            equal(talk(u.port(service), every), every.upper())
            equal(ask(u.port(service, "udp"), every), every.upper())


@test
def e4_framed_answers_each_message_however_tcp_splits_it():
    messages = [b"", b"a", b"hello", b"x" * 255]
    stream = b"".join(b"%03d" % len(m) + m for m in messages)
    with Usherd(ROWS) as u:
        for service in ("framed", "f_forked"):
            equal(talk(u.port(service), stream), stream)
            with connect(u.port(service)) as client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for byte in stream:
                    client.send(bytes([byte]))
                equal(read_exactly(client, len(stream)), stream)
            equal(ask(u.port(service, "udp"), b"005hello"), b"005hello")


@test
def e15_framed_refuses_a_bad_length_with_one_framed_line():
    with Usherd(ROWS) as u:
        for header in (b"256", b"999", b"-01", b" 12", b"+05", b"1a3"):
            got = talk(u.port("framed"), header + b"rest that must never act 003abc")
            size = int(got[:3])
            equal(len(got), 3 + size)
            assert b"abc" not in got, got
        u.wait_log("framed.*length")


@test
def e13_framed_says_in_the_log_what_was_cut_off():
    with Usherd(ROWS) as u:
        talk(u.port("framed"), b"010four")
        u.wait_log("4 of 10")


@test
def the_sixteen_octet_client_is_served():
    with Usherd(ROWS) as u, connect(u.port("fixed")) as client:
        client.sendall(b"Hello!! Server!!")
        equal(read_exactly(client, 16), b"BYE BYE CLIENT..")


@test
def udp_datagrams_that_do_not_match_are_counted_and_dropped():
    with Usherd(ROWS) as u, udp() as client:
        port = u.port("framed", "udp")
        for bad in (b"005hell", b"005helloo", b"abc", b"00"):
            client.sendto(bad, ("127.0.0.1", port))
        client.sendto(b"002ok", ("127.0.0.1", port))
        equal(client.recv(100), b"002ok")


run()
