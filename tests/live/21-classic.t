#!/usr/bin/env python3
"""The classic services of the shipped table, exact to the byte: nc, telnet, rdate, and every trap."""
import calendar
import contextlib
import datetime
import os
import re
import socket
import struct
import subprocess
import time
import zoneinfo

from usher_live import *  # noqa: F403 - the test vocabulary

MODES = ("dispatch", "fork")
SINCE_1900 = 2208988800


def rows(mode):
    return """
    discard: { plugin = "discard"; mode = "%(m)s"; listen = [ "tcp://:0", "udp://:0" ]; };
    time: { plugin = "time"; mode = "%(m)s"; listen = [ "tcp://:0", "udp://:0" ]; amplify = true; };
    plain_time: { plugin = "time"; mode = "%(m)s"; listen = "udp://:0"; };
    chargen: { plugin = "chargen"; mode = "%(m)s"; listen = [ "tcp://:0", "udp://:0" ];
               amplify = true; };
    plain_chargen: { plugin = "chargen"; mode = "%(m)s"; listen = "udp://:0"; };
    qotd: { plugin = "qotd"; mode = "%(m)s"; listen = [ "tcp://:0", "udp://:0" ]; amplify = true; };
    greeting: { plugin = "greeting"; mode = "%(m)s"; listen = "tcp://:0"; };
    capitals: { plugin = "uppercase"; mode = "%(m)s"; listen = [ "tcp://:0", "udp://:0" ];
                amplify = true; options = { encoding = "utf-8"; }; };
    """ % {"m": mode}


def in_both_modes(check):
    for mode in MODES:
        with Usherd(rows(mode)) as u:
            check(u)


def pattern(count, line=0):
    """The first bytes of chargen's stream, written down once more."""
    ring = bytes(range(32, 127)) * 2
    text = b"".join(ring[n % 95:n % 95 + 72] + b"\r\n" for n in range(line, line + count // 74 + 1))
    return text[:count]


def tells_time(ask_it):
    """Four bytes that are the time between before and after (the clock of whole seconds may be a tick late)."""
    begun = time.time()
    got = ask_it()
    equal(len(got), 4)
    assert begun - 2 < struct.unpack(">I", got)[0] - SINCE_1900 <= time.time(), got


def is_quote(text):
    return 2 < len(text) < 512 and re.fullmatch(rb"(?:[ -~]*\r\n)+", text) is not None


# ---- the table that is installed -----------------------------------------------------------------

@test
def nc_speaks_with_each_classic_service_of_the_shipped_table():
    nc = program("nc")
    with shipped() as u:
        def by_nc(port, *options, request=b""):
            return run_client(nc, *options, "127.0.0.1", str(u.offset + port), request=request)

        def by_nc_udp(port, request):
            return told_by(nc, "-u", "-w", "1", "127.0.0.1", str(u.offset + port), request=request)

        equal(by_nc(7, "-N", request=b"hello\n"), b"hello\n")
        equal(by_nc_udp(7, b"hello\n"), b"hello\n")
        equal(by_nc(9, "-N", request=b"into the void\n" * 1000), b"")
        equal(by_nc(9, "-u", "-w", "1", request=b"into the void\n"), b"")
        assert re.fullmatch(rb"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\r\n", by_nc(13))
        assert is_quote(by_nc(17))
        assert is_quote(by_nc_udp(17, b"\n"))
        tells_time(lambda: by_nc(37))
        tells_time(lambda: by_nc_udp(37, b"\n"))
        done = subprocess.run("%s 127.0.0.1 %d </dev/null | head -n 1000" % (nc, u.offset + 19),
                              shell=True, timeout=DEADLINE, capture_output=True)
        equal(done.stdout, pattern(74000))


@test
def telnet_reads_chargen_and_qotd():
    telnet = program("telnet")
    with shipped() as u:
        client = subprocess.Popen([telnet, "127.0.0.1", str(u.offset + 19)], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        seen = b""
        while seen.count(b"\n") < 100:
            part = os.read(client.stdout.fileno(), 65536)
            assert part, seen
            seen += part
        client.kill()
        client.wait()
        client.stdin.close()
        client.stdout.close()
        assert pattern(72) in seen, seen[:300]
        done = subprocess.run([telnet, "127.0.0.1", str(u.offset + 17)], timeout=DEADLINE,
                              stdin=subprocess.PIPE, capture_output=True)
        assert b"Connected to" in done.stdout, done.stdout


@test
def rdate_asks_for_the_time_over_tcp_and_udp():
    rdate = program("rdate")
    with shipped() as u:
        for way in ((), ("-u",)):
            begun = time.time()
            done = subprocess.run([rdate, "-p", *way, "-o", str(u.offset + 37), "127.0.0.1"],
                                  timeout=DEADLINE, capture_output=True, text=True,
                                  env=dict(os.environ, TZ="UTC", LC_ALL="C"))
            equal(done.returncode, 0)
            told = time.strptime(done.stdout.strip().replace("UTC ", ""), "%a %b %d %H:%M:%S %Y")
            assert begun - 2 < calendar.timegm(told) <= time.time(), done.stdout


@test
def check_is_content_with_the_shipped_table():
    with shipped() as u:
        done = subprocess.run(u.command("--check"), timeout=DEADLINE * 3, capture_output=True,
                              text=True)
        equal((done.returncode, done.stderr), (0, ""))
        assert "warning" not in done.stdout, done.stdout
        folder = os.path.join(SOURCE, "etc", "services.d")
        on = {name[:-5] for name in os.listdir(folder)
              if "enabled = false" not in open(os.path.join(folder, name)).read()}
        equal({row["SERVICE"] for row in u.list() if row["ENDPOINT"] != "-"}, on)


# ---- each service, in the loop and in a child ----------------------------------------------------

@test
def discard_takes_everything_and_answers_nothing():
    def check(u):
        with connect(u.port("discard")) as client:
            for _ in range(64):
                client.sendall(b"\xff\0" * 32768)
            client.shutdown(socket.SHUT_WR)
            equal(read_all(client), b"")
        with udp() as client:
            client.connect(("127.0.0.1", u.port("discard", "udp")))
            for size in (0, 1, 512, 60000):
                client.send(b"x" * size)
            client.settimeout(0.1)
            with contextlib.suppress(socket.timeout):
                raise AssertionError("answered: %r" % client.recv(100))
    in_both_modes(check)


@test
def e14_discard_takes_urgent_data_and_resets_for_ordinary():
    def check(u):
        with connect(u.port("discard")) as client:
            for _ in range(20):
                client.send(b"!", socket.MSG_OOB)
                client.send(b"data")
            client.shutdown(socket.SHUT_WR)
            equal(read_all(client), b"")
        for service in ("discard", "chargen", "time", "qotd", "greeting", "capitals"):
            for _ in range(10):
                client = connect(u.port(service))
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                with contextlib.suppress(OSError):
                    client.send(b"x")
                client.close()
        assert is_quote(talk(u.port("qotd")))
    in_both_modes(check)


@test
def a13_time_is_four_bytes_over_tcp_and_for_any_datagram():
    def check(u):
        for request in (b"", b"x" * 5000):
            tells_time(lambda: talk(u.port("time"), request))
        for request in (b"", b"x" * 100):
            tells_time(lambda: ask(u.port("time", "udp"), request))
    in_both_modes(check)


@test
def a5_a_row_without_amplify_answers_the_time_to_four_bytes_and_more():
    def check(u):
        with udp() as client:
            client.connect(("127.0.0.1", u.port("plain_time", "udp")))
            for short in (b"", b"1", b"123"):
                client.send(short)
            client.send(b"1234")
            equal(len(client.recv(100)), 4)
            client.settimeout(0.1)
            with contextlib.suppress(socket.timeout):
                raise AssertionError("answered twice: %r" % client.recv(100))
    in_both_modes(check)


def needs_zones(*zones):
    if not all(os.path.exists(os.path.join("/usr/share/zoneinfo", zone)) for zone in zones):
        raise Skip("the time zones are not installed")


def fake_clock(at):
    """The environment in which a program's clock starts at another time."""
    if b"__asan_init" in open(USHERD, "rb").read():
        raise Skip("a sanitizer must be the first library, and so must faketime")
    preload = run_client(program("faketime"), "-f", "+0", "sh", "-c", "echo $LD_PRELOAD")
    return dict(os.environ, TZ="UTC", LD_PRELOAD=preload.decode().strip(), FAKETIME=at,
                FAKETIME_DONT_FAKE_MONOTONIC="1")


@test
def f16_time_goes_on_after_february_2036_and_january_2038():
    def seconds(u):
        return struct.unpack(">I", talk(u.port("time")))[0]

    def told(u):
        """What a client of 32 bits makes of it: seconds since 1970, and its own clock agrees."""
        before = seconds(u)
        zone = talk(u.port("zoned")).decode().strip()
        after = seconds(u)
        told_as = calendar.timegm(time.strptime(zone, "%Y-%m-%dT%H:%M:%S+01:00")) - 3600
        since = (told_as + SINCE_1900 - before) % 2 ** 32
        assert since <= (after - before) % 2 ** 32 < 60, (before, zone, after)
        return after

    needs_zones("Europe/Rome")
    zoned = rows("dispatch") + 'zoned: { plugin = "daytime"; listen = "tcp://:0"; options = {' + (
        ' format = "iso8601"; timezone = "Europe/Rome"; }; };')
    def is_seen_to_begin_again(early):
        """Or it was too late, for who starts and asks takes his time."""
        at = datetime.datetime(2036, 2, 7, 6, 28, 16) - datetime.timedelta(seconds=early)
        with Usherd(zoned, env=fake_clock("@%s" % at)) as u:
            first = told(u)
            assert first > 2 ** 32 - 60 or first < 60, first
            wait_for(lambda: told(u) < 60, "the counter to begin at 0 again", DEADLINE + early)
            begun = told(u)
            wait_for(lambda: told(u) > begun, "it to count on")
        return first > 2 ** 32 - 60

    assert any(is_seen_to_begin_again(early) for early in (4, 8, 16, 32))
    with Usherd(zoned, env=fake_clock("@2038-01-19 03:14:06")) as u:
        wait_for(lambda: told(u) > 2 ** 31 + SINCE_1900 - 2 ** 32, "signed seconds to have ended")


@test
def daytime_tells_the_time_of_its_rows_zone_whatever_the_others_have():
    zones = ("Europe/Rome", "Asia/Tokyo", "America/St_Johns", "UTC")
    needs_zones(*zones)
    made = "".join('z%d: { plugin = "daytime"; listen = [ "tcp://:0", "udp://:0" ]; amplify = true; options = {'
                   ' format = "%%Y-%%m-%%d %%H:%%M %%Z %%z"; timezone = "%s"; }; };' % (number, zone)
                   for number, zone in enumerate(zones))

    def agrees(u, number, zone):
        now = datetime.datetime.now(zoneinfo.ZoneInfo(zone))
        want = now.strftime("%Y-%m-%d %H:%M %Z %z\r\n").encode()
        return talk(u.port("z%d" % number)) == want == ask(u.port("z%d" % number, "udp"), b"?")

    with Usherd(made) as u:
        for number, zone in enumerate(zones):
            wait_for(lambda: agrees(u, number, zone), zone)  # a minute may end in between


@test
def e4_half_a_character_in_a_datagram_passes_and_waits_for_no_other_half():
    row = 'big: { plugin = "uppercase"; listen = "udp://:0"; options = { encoding = "utf-8"; }; };'
    whole = "aßé".encode()
    with Usherd(row) as u:
        for cut in range(len(whole) + 1):
            for part in (whole[:cut], whole[cut:]):
                if part:
                    want = part.decode("utf-8", "surrogateescape").upper().encode("utf-8", "surrogateescape")
                    equal(ask(u.port("big", "udp"), part), want)


@test
def a13_chargen_streams_the_pattern_to_whoever_reads():
    def check(u):
        count = 3000000
        with connect(u.port("chargen")) as client:
            client.send(b"ignored\r\n")
            client.shutdown(socket.SHUT_WR)
            equal(read_exactly(client, count), pattern(count))
    in_both_modes(check)


@test
def chargen_answers_a_datagram_with_0_to_512_bytes():
    def check(u):
        sizes = []
        for _ in range(40):
            got = ask(u.port("chargen", "udp"), b"")
            sizes.append(len(got))
            if got:
                equal(got, pattern(len(got), got[0] - 32))
        assert max(sizes) <= 512 and len(set(sizes)) > 5, sizes
    in_both_modes(check)


@test
def a5_chargen_without_amplify_never_answers_more_than_it_got():
    with Usherd(rows("dispatch")) as u:
        port = u.port("plain_chargen", "udp")
        ask(port, b"y" * 512)
        for size in (1, 10, 200):
            with udp() as client:
                client.connect(("127.0.0.1", port))
                for _ in range(60):
                    client.send(b"x" * size)
                ask(port, b"y" * 512)  # in its turn: all before it was judged
                client.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    while True:
                        got = client.recv(2000)
                        assert len(got) <= size, (size, got)
        equal(u.count("plain_chargen", "ACCEPTED"), 184)


@test
def f12_callers_that_never_read_cost_bounded_memory_and_nobody_time():
    with Usherd(rows("dispatch")) as u:
        worker, = u.workers()
        talk(u.port("qotd"))
        before = resident_kb(worker)
        with contextlib.ExitStack() as stack:
            for _ in range(100):
                client = socket.socket()
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                client.connect(("127.0.0.1", u.port("chargen")))
                stack.callback(client.close)
            wait_for(lambda: u.count("chargen", "ACTIVE") == 100, "100 callers")
            for service in ("time", "qotd", "greeting", "discard"):
                start = time.monotonic()
                talk(u.port(service))
                assert time.monotonic() - start < soon(1)
            grown = resident_kb(worker) - before
            assert grown < 100 * 80 + 2000, "%d kB" % grown  # 64 KiB each is all that is kept
            wait_rest(worker)
        wait_for(lambda: u.count("chargen", "ACTIVE") == 0, "them to be gone")


@test
def a_fast_reader_of_chargen_leaves_time_for_others():
    with Usherd(rows("dispatch")) as u:
        readers = [subprocess.Popen("exec cat </dev/tcp/127.0.0.1/%d >/dev/null"
                                    % u.port("chargen"), shell=True, executable="/bin/bash")
                   for _ in range(2)]
        try:
            wait_for(lambda: u.count("chargen", "ACTIVE") == 2, "both")
            slowest = 0
            for _ in range(50):
                start = time.monotonic()
                equal(len(talk(u.port("time"))), 4)
                slowest = max(slowest, time.monotonic() - start)
            assert slowest < soon(1), slowest
        finally:
            for reader in readers:
                reader.kill()
                reader.wait()
        wait_for(lambda: u.count("chargen", "ACTIVE") == 0, "both to be gone")


@test
def a13_qotd_tells_quotes_below_512_bytes_and_not_always_the_same():
    def check(u):
        quotes = {talk(u.port("qotd")) for _ in range(40)}
        quotes |= {ask(u.port("qotd", "udp"), b"") for _ in range(40)}
        assert all(is_quote(quote) for quote in quotes), quotes
        assert len(quotes) > 2
    in_both_modes(check)


def quotes_row(path):
    return """quotes: { plugin = "qotd"; listen = [ "tcp://:0", "udp://:0" ]; amplify = true;
                       options = { file = "%s"; }; };""" % path


@test
def qotd_reads_a_file_when_it_starts_and_at_a_reload():
    daemon = Usherd(start=False)
    path = os.path.join(daemon.dir, "quotes")
    with open(path, "w") as file:
        file.write("first\n%\nsecond\033[31m\nline\n%\n" + "x" * 600 + "\n")
    os.chmod(path, 0o644)
    daemon.table(quotes_row(path))
    with daemon.start() as u:
        want = {b"first\r\n", b"second[31m\r\nline\r\n"}
        wait_for(lambda: {talk(u.port("quotes")) for _ in range(20)} == want, "both quotes")
        u.wait_log("left out 1 quotes")
        with open(path + "2", "w") as file:
            file.write("third\n")
        os.chmod(path + "2", 0o644)
        u.table(quotes_row(path + "2"))
        u.reload()
        wait_for(lambda: talk(u.port("quotes")) == b"third\r\n", "the other file's quote")


@test
def a_file_of_quotes_that_cannot_be_read_is_refused_and_named():
    code, said = refused(quotes_row("/nowhere/quotes"))
    assert code != 0 and "/nowhere/quotes: No such file or directory" in said, said
    code, said = refused(quotes_row("quotes"))
    equal(code, 1)
    assert "file: must be an absolute path" in said, said


@test
def f14_a_greeting_arrives_whole_whether_the_caller_sends_or_not():
    def check(u):
        for noise in (b"", b"noise " * 2000):
            for _ in range(20):
                equal(talk(u.port("greeting"), noise), b"Hello World!")
        with connect(u.port("greeting")) as client:
            equal(read_all(client), b"Hello World!")
    in_both_modes(check)


@test
def capitals_of_every_script_agree_with_python():
    text = "".join(chr(c) for c in [*range(1, 0x24f), *range(0x391, 0x3ca), *range(0x400, 0x530),
                                    *range(0x561, 0x587), 0xfb00, 0xfb03, 0x390, 0x1f642])

    def check(u):
        equal(talk(u.port("capitals"), text.encode()), text.upper().encode())
        equal(ask(u.port("capitals", "udp"), "straße".encode()), b"STRASSE")
    in_both_modes(check)


@test
def e4_utf_8_capitals_are_the_same_for_every_split_of_the_stream():
    text = "aß\U0001f642ﬃ é".encode() + b"\xff\xc3" + "ж".encode() + b"\xe2\x82"
    want = "ASS\U0001f642FFI É".encode() + b"\xff\xc3" + "Ж".encode() + b"\xe2\x82"
    with Usherd(rows("dispatch")) as u:
        for cut in range(len(text) + 1):
            with connect(u.port("capitals")) as client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client.sendall(text[:cut])
                client.sendall(text[cut:])
                client.shutdown(socket.SHUT_WR)
                equal(read_all(client), want)
        with connect(u.port("capitals")) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in text:
                client.send(bytes([byte]))
            client.shutdown(socket.SHUT_WR)
            equal(read_all(client), want)


run()
