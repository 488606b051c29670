#!/usr/bin/env python3
"""Bad input, protocol by protocol: the rows of "parsers, strings, logs" that every service must hold,
against a running daemon. What one protocol has beyond them stands in its own file."""
import contextlib
import os
import re
import shutil
import socket
import struct
import tempfile
import threading
import time

from usher_live import *  # noqa: F403 - the test vocabulary

GIB = 1 << 30
PART = 1 << 20
ROOT = tempfile.mkdtemp(prefix="usher-input-")
ROWS = """
    echo: { plugin = "echo"; listen = [ "tcp://:0", "udp://:0" ]; tcpmux = true; };
    discard: { plugin = "discard"; listen = "tcp://:0"; };
    uppercase: { plugin = "uppercase"; listen = [ "tcp://:0", "udp://:0" ]; };
    letters: { plugin = "uppercase"; listen = [ "tcp://:0", "udp://:0" ]; options = { encoding = "utf-8"; }; };
    framed: { plugin = "framed"; listen = [ "tcp://:0", "udp://:0" ]; };
    fixed: { plugin = "framed"; listen = "tcp://:0"; options = { framing = "fixed"; size = 16; }; };
    finger: { plugin = "finger"; mode = "fork"; listen = "tcp://:0"; };
    ident: { plugin = "ident"; listen = "tcp://:0"; };
    owners: { plugin = "ident"; listen = "tcp://:0"; options = { reply = "uid"; }; };
    tcpmux: { plugin = "tcpmux"; listen = "tcp://:0"; };
    http: { plugin = "http"; listen = "tcp://:0"; options = { root = "%s"; timeout = "5s"; }; };
    time: { plugin = "time"; listen = [ "tcp://:0", "udp://:0" ]; };
    qotd: { plugin = "qotd"; listen = "tcp://:0"; };
    chargen: { plugin = "chargen"; listen = "tcp://:0"; };
    greeting: { plugin = "greeting"; listen = "tcp://:0"; };
    systat: { plugin = "systat"; mode = "fork"; listen = "tcp://:0"; };
""" % ROOT
STREAMS = ("echo", "discard", "uppercase", "letters", "framed", "fixed", "finger", "ident", "owners",
           "tcpmux", "http", "time", "qotd", "chargen", "greeting", "systat")
# A whole message of each protocol that reads one, and how its answer begins.
MESSAGES = {
    "framed": (b"005hello", b"005hello"),
    "fixed": (b"0123456789abcdef", b"0123456789abcdef"),
    "finger": (b"/W root\r\n", b"root: no such user.\r\n"),
    "ident": (b" 6191 , 23\r\n", b"6191 , 23 : ERROR : HIDDEN-USER\r\n"),
    "tcpmux": (b"help\r\n", b"echo\r\n"),
    "http": (b"GET /page HTTP/1.0\r\nHost: a\r\n\r\n", b"HTTP/1.1 200 OK\r\n"),
    "uppercase": ("straße".encode(), "STRAßE".encode()),
    "letters": ("straße".encode(), b"STRASSE"),
}


def all_kb(u):
    """The largest process of the daemon's, children of workers too."""
    return max(resident_kb(pid) for pid in [u.pid] + descendants_of(u.pid))


@contextlib.contextmanager
def still_serving(**more):
    """All rows; afterwards every one of them answers, and the same workers are there."""
    with Usherd(ROWS, **more) as u:
        workers = sorted(u.workers())
        yield u
        for service, (message, answer) in MESSAGES.items():
            got = talk(u.port(service), message)
            assert got.startswith(answer), (service, got)
        equal(len(talk(u.port("time"))), 4)
        equal(talk(u.port("echo"), b"there"), b"there")
        equal(sorted(u.workers()), workers)


def reset(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def flood(client, count, byte=b"a"):
    """Sends as much of it as is taken, and yields how much."""
    part, sent = byte * PART, 0
    try:
        while sent < count:
            client.sendall(part)
            sent += PART
    except OSError:  # it was closed: that is an answer too
        pass
    return sent


# ---- lines without an end -----------------------------------------------------------------

def line_of_a_gibibyte(service, start=b"", tail=b"\r\n", want=b""):
    """A message that does not end: the memory is that of before, and the tail does nothing."""
    with still_serving() as u:
        with contextlib.suppress(OSError):  # the first one costs what stays: stacks, pages of code
            talk(u.port(service), start + b"a" * 70000)
        before = all_kb(u)
        got = []
        with connect(u.port(service), seconds=30) as client:
            def read():
                with contextlib.suppress(OSError):
                    while part := client.recv(PART):
                        got.append(part if want is not None else part.count(b"A"))
            reader = threading.Thread(target=read)
            reader.start()
            client.sendall(start)
            sent = flood(client, GIB if not IS_SANITIZED else GIB // 8)
            during = all_kb(u)
            with contextlib.suppress(OSError):
                client.sendall(tail)
                client.shutdown(socket.SHUT_WR)
            reader.join(30)
            assert not reader.is_alive(), "it neither answers nor closes"
        grown = max(during, all_kb(u)) - before
        assert grown < 1024 or IS_SANITIZED, "%s: %d kB more" % (service, grown)
        if want is None:
            equal(sum(got), sent)  # it answers all of it
        else:  # a reset may overtake the answer, nothing else may come
            assert b"".join(got) in (want, b""), b"".join(got)[:300]
        equal(u.count("echo", "ACCEPTED"), 0)


@test
def e1_e5_framed_a_message_of_a_gibibyte_costs_no_memory_and_its_tail_never_acts():
    line_of_a_gibibyte("framed", tail=b"003abc", want=b"034error: length is not three digits\n")


@test
def e1_e5_finger_a_line_of_a_gibibyte_costs_no_memory_and_its_tail_never_acts():
    line_of_a_gibibyte("finger", tail=b"\r\nroot\r\n", want=b"The query is too long.\r\n")


@test
def e1_e5_ident_a_line_of_a_gibibyte_costs_no_memory_and_its_tail_never_acts():
    line_of_a_gibibyte("ident", tail=b"\r\n1,2\r\n")


@test
def e1_e5_tcpmux_a_line_of_a_gibibyte_costs_no_memory_and_its_tail_never_acts():
    line_of_a_gibibyte("tcpmux", tail=b"\r\necho\r\n", want=b"-Line too long\r\n")


@test
def e1_uppercase_a_gibibyte_without_a_line_end_costs_no_memory():
    line_of_a_gibibyte("uppercase", tail=b"", want=None)


@test
def e1_e5_http_a_request_line_or_field_of_a_gibibyte_costs_no_memory_and_its_tail_never_acts():
    for start in (b"GET /", b"GET /page HTTP/1.1\r\nHost: a\r\nX: ", b""):
        with still_serving() as u:
            with contextlib.suppress(OSError):
                talk(u.port("http"), start + b"a" * 70000)
            before = all_kb(u)
            with connect(u.port("http"), seconds=30) as client:
                client.sendall(start)
                flood(client, GIB if not IS_SANITIZED else GIB // 8)
                got = b""
                with contextlib.suppress(OSError):
                    client.sendall(b" HTTP/1.1\r\n\r\nGET /page HTTP/1.1\r\nHost: a\r\n\r\n")
                with contextlib.suppress(OSError):
                    got = read_all(client)
            assert b"the page" not in got, got
            assert got == b"" or got.split()[1] in (b"400", b"414", b"431", b"413"), got
            grown = all_kb(u) - before
            assert grown < 1024 or IS_SANITIZED, "%d kB more" % grown


@test
def e1_http_a_body_of_a_gibibyte_is_not_kept():
    for head in (b"Content-Length: %d" % GIB, b"Transfer-Encoding: chunked"):
        with still_serving() as u:
            before = all_kb(u)
            with connect(u.port("http"), seconds=30) as client:
                client.sendall(b"POST /page HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n\r\n40000000\r\n")
                flood(client, GIB if not IS_SANITIZED else GIB // 8)
            grown = all_kb(u) - before
            assert grown < 1024 or IS_SANITIZED, "%d kB more" % grown


@test
def e1_one_byte_under_at_and_over_each_limit():
    with still_serving() as u:
        cases = (
            ("framed", b"254" + b"m" * 254, b"254" + b"m" * 254),
            ("framed", b"255" + b"m" * 255, b"255" + b"m" * 255),
            ("framed", b"256" + b"m" * 256, b"027error: length is above 255\n"),
            ("finger", b"a" * 509 + b"\r\n", b"That is not a user name.\r\n"),
            ("finger", b"a" * 510 + b"\r\n", b"That is not a user name.\r\n"),
            ("finger", b"a" * 511 + b"\r\n", b"The query is too long.\r\n"),
            ("finger", b"a" * 32 + b"\r\n", b"a" * 32 + b": no such user.\r\n"),
            ("finger", b"a" * 33 + b"\r\n", b"That is not a user name.\r\n"),
            ("ident", b" " * 994 + b"1,2\r\n", b"1 , 2 : ERROR : HIDDEN-USER\r\n"),
            ("ident", b" " * 995 + b"1,2\r\n", b"1 , 2 : ERROR : HIDDEN-USER\r\n"),
            ("ident", b" " * 996 + b"1,2\r\n", b""),
            ("tcpmux", b"x" * 253 + b"\r\n", b"-Service not available\r\n"),
            ("tcpmux", b"x" * 254 + b"\r\n", b"-Service not available\r\n"),
            ("tcpmux", b"x" * 255 + b"\r\n", b"-Line too long\r\n"),
        )
        for service, request, want in cases:
            got = talk(u.port(service), request)
            assert got == want, (service, len(request), got)
        for size in (65506, 65507):
            equal(ask(u.port("uppercase", "udp"), b"a" * size), b"A" * size)


# ---- cuts ----------------------------------------------------------------------------------

@test
def e4_a_message_cut_anywhere_has_the_same_answer():
    with still_serving() as u:
        for service, (message, answer) in MESSAGES.items():
            want = talk(u.port(service), message)
            assert want.startswith(answer), (service, want)
            for cut in range(1, len(message)):
                with connect(u.port(service)) as client:
                    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    client.sendall(message[:cut])
                    wait_taken(client)
                    client.sendall(message[cut:])
                    client.shutdown(socket.SHUT_WR)
                    got = read_all(client)
                assert re.sub(rb"Date: [^\r]*", b"", got) == re.sub(rb"Date: [^\r]*", b"", want), (
                    service, cut, got)


@test
def e13_who_leaves_at_any_byte_leaves_nothing_behind():
    with still_serving() as u:
        for service, (message, _answer) in MESSAGES.items():
            half_open = []
            for cut in range(len(message)):
                half_open.append(connect(u.port(service)))
                half_open[-1].sendall(message[:cut])
                half_open[-1].shutdown(socket.SHUT_WR)
                client = connect(u.port(service))
                client.sendall(message[:cut])
                reset(client)
            for client in half_open:  # http may wait for its timeout: its library misses some ends
                with client:
                    read_all(client)
        for service in MESSAGES:
            wait_for(lambda: u.count(service, "ACTIVE") == 0, "the callers of %s to be gone" % service)


@test
def e13_silent_and_half_open_callers_of_every_service_are_ordinary():
    with still_serving() as u:
        for service in STREAMS:
            with connect(u.port(service)) as client:
                client.shutdown(socket.SHUT_WR)
                if service != "chargen":
                    read_all(client)
            client = connect(u.port(service))
            client.shutdown(socket.SHUT_RD)
            reset(client)
            reset(connect(u.port(service)))


# ---- odd segments --------------------------------------------------------------------------

@test
def e14_urgent_bytes_windows_of_nothing_and_resets_are_ordinary():
    with still_serving() as u:
        for service in STREAMS:
            message = MESSAGES.get(service, (b"hello\r\n", b""))[0]
            with connect(u.port(service)) as client:  # urgent before, in the middle and behind
                with contextlib.suppress(OSError):
                    client.send(b"!", socket.MSG_OOB)
                    client.sendall(message[:3])
                    client.send(b"!", socket.MSG_OOB)
                    client.sendall(message[3:])
                    client.send(b"!", socket.MSG_OOB)
                    client.shutdown(socket.SHUT_WR)
                    if service != "chargen":
                        read_all(client)
            client = socket.socket()  # does not read, and resets with bytes under way
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            client.connect(("127.0.0.1", u.port(service)))
            client.setblocking(False)
            with contextlib.suppress(OSError):
                for _ in range(64):
                    client.send(message * 200)
            reset(client)
        for service in STREAMS:
            wait_for(lambda: u.count(service, "ACTIVE") == 0, "the callers of %s to be gone" % service)


@test
def b6_callers_who_send_much_and_read_nothing_leave_time_for_others():
    much = {"framed": b"000" * 50000, "ident": b"1,2\r\n" * 20000, "letters": "ΐ".encode() * 50000,
            "echo": b"e" * 100000, "http": b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n" * 3000}
    with still_serving() as u, contextlib.ExitStack() as stack:
        for service, message in much.items():
            for _ in range(40):
                client = stack.enter_context(connect(u.port(service)))
                client.setblocking(False)
                with contextlib.suppress(OSError):
                    for _ in range(30):
                        client.send(message)
            started = time.monotonic()
            equal(len(talk(u.port("time"))), 4)
            waited = time.monotonic() - started
            assert waited < soon(0.7), "%s: %.2f s" % (service, waited)


# ---- what comes into the log ----------------------------------------------------------------

@test
def e11_e12_no_byte_of_a_peer_forges_a_line_of_the_log():
    with still_serving(settings='log = { level = "debug"; };\n', allow_errors=True) as u:
        before = len(u.log().splitlines())
        for value in range(256):
            bad = bytes([value]) * 3
            talk(u.port("framed"), bad)
            if value % 16 == 10 or value < 32:
                for service, request in (("finger", bad + b"\r\n"), ("ident", bad + b"\r\n"),
                                         ("tcpmux", bad + b"\r\n"),
                                         ("http", b"GET /%s HTTP/1.0\r\n%s: x\r\n\r\n" % (bad, bad))):
                    with contextlib.suppress(OSError):
                        talk(u.port(service), request)
        for text in (b"%n%n%n", b"%s%s%s", b"\n<3>usherd[1]: forged", b"\x1b[2J\x1b]0;x\x07"):
            for service in ("framed", "finger", "ident", "tcpmux", "http"):
                with contextlib.suppress(OSError):
                    talk(u.port(service), text + b"\r\n\r\n")
        # The master writes what workers say when it comes to it, and counts what was too much.
        wait_for(lambda: len(u.log().splitlines()) > before + 50, "lines of the log")
        with open(u.log_path, "rb") as file:
            lines = file.read().rpartition(b"\n")[0].splitlines(keepends=True)
        lines[-1] += b"\n"
        for line in lines:
            assert line.endswith(b"\n") and all(32 <= byte < 127 for byte in line[:-1]), line
            assert not line.startswith((b"<3>usherd[1]", b"forged")), line


@test
def a10_datagrams_of_65507_bytes_and_of_any_bytes_stop_nothing():
    noise = os.urandom(65507)
    with still_serving() as u, udp() as client:
        for service in ("echo", "uppercase", "letters", "framed", "time"):
            port = u.port(service, "udp")
            for data in (noise, b"\0" * 65507, b"\xc3" * 65507, "ß".encode() * 32753, b"255" * 21835, b""):
                client.sendto(data, ("127.0.0.1", port))
        equal(ask_until_answered(u.port("echo", "udp"), noise), noise)
        equal(ask_until_answered(u.port("uppercase", "udp"), noise), noise.upper())


with open(os.path.join(ROOT, "page"), "w") as page:
    page.write("the page\n")
os.chmod(ROOT, 0o755)
try:
    run()
finally:
    shutil.rmtree(ROOT, ignore_errors=True)
