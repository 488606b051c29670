#!/usr/bin/env python3
"""http: a folder of files, through curl, through raw sockets, and past everything that is not in it."""
import contextlib
import email.utils
import hashlib
import http.client
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from usher_live import *  # noqa: F403 - the test vocabulary

MAIN = b"<!doctype html><title>main</title>\n"
BIG = os.urandom(3 * 1024 * 1024 + 17)
THEN = 1750000000  # when the files were changed


@contextlib.contextmanager
def site(options="", row="", **more):
    """A folder with files, secrets beside it, and an usherd that shows it: (usherd, folder)."""
    top = tempfile.mkdtemp(prefix="usher-site-")
    os.chmod(top, 0o755)
    root = os.path.join(top, "www")
    try:
        for folder in ("www", "www/sub", "www/empty", "outside"):
            os.mkdir(os.path.join(top, folder), 0o755)
        files = {"www/index.html": MAIN, "www/sub/index.html": b"sub", "www/big.bin": BIG,
                 "www/text.txt": b"0123456789", "www/a b.txt": b"blank", "www/.hidden": b"SECRET",
                 "www/none": b"", "www/\xc3\xa4.css".encode("latin1").decode("utf-8"): b"umlaut",
                 "outside/secret.txt": b"SECRET", "www/shut.txt": b"SECRET"}
        for name, content in files.items():
            path = os.path.join(top, name)
            with open(path, "wb") as file:
                file.write(content)
            os.utime(path, (THEN, THEN))
        os.chmod(os.path.join(root, "shut.txt"), 0)
        os.symlink("text.txt", os.path.join(root, "inner"))
        os.symlink("../outside/secret.txt", os.path.join(root, "out"))
        os.symlink(os.path.join(top, "outside"), os.path.join(root, "outdir"))
        os.symlink(os.path.join(top, "outside", "secret.txt"), os.path.join(root, "passwd"))
        os.symlink("loop", os.path.join(root, "loop"))
        os.mkfifo(os.path.join(root, "pipe"))
        with socket.socket(socket.AF_UNIX) as unix:
            unix.bind(os.path.join(root, "sock"))
        text = 'http: { plugin = "http"; listen = "tcp://:0"; options = { root = "%s"; %s }; %s };' % (
            root, options, row)
        with Usherd(text, **more) as u:
            yield u, root
    finally:
        shutil.rmtree(top)


def ask_http(port, target, method="GET", **fields):
    """(status, header fields, body) by a client that sends the target as it is."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    try:
        client.putrequest(method, target, skip_accept_encoding=True)
        for name, value in fields.items():
            client.putheader(name.replace("_", "-"), value)
        client.endheaders()
        answer = client.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        client.close()


def raw(port, request):
    with connect(port) as client:
        client.sendall(request)
        return read_all(client)


@test
def curl_gets_files():
    curl = program("curl")
    with site() as (u, root):
        base = "http://127.0.0.1:%d" % u.port("http")
        equal(run_client(curl, "-s", base + "/"), MAIN)
        equal(run_client(curl, "-s", base + "/sub/"), b"sub")
        equal(run_client(curl, "-s", base + "/a%20b.txt"), b"blank")
        equal(run_client(curl, "-s", base + "/%C3%A4.css"), b"umlaut")
        equal(run_client(curl, "-s", base + "/inner"), b"0123456789")
        equal(run_client(curl, "-s", base + "/none"), b"")
        equal(run_client(curl, "-sL", base + "/sub"), b"sub")
        equal(hashlib.sha256(run_client(curl, "-s", base + "/big.bin")).digest(),
              hashlib.sha256(BIG).digest())
        equal(run_client(curl, "-s", "-r", "5-", base + "/text.txt"), b"56789")
        head = run_client(curl, "-sI", base + "/text.txt").decode()
        assert "200 OK" in head and "Content-Length: 10\r\n" in head, head


@test
def head_says_the_same_without_the_body():
    with site() as (u, root):
        for target in ("/", "/text.txt", "/big.bin", "/nothing", "/empty/"):
            got, asked = ask_http(u.port("http"), target), ask_http(u.port("http"), target, "HEAD")
            equal(asked[0], got[0])
            equal(asked[2], b"")
            for name in ("content-length", "content-type", "last-modified"):
                equal(asked[1].get(name), got[1].get(name))


@test
def types_dates_and_fields():
    with site() as (u, root):
        port = u.port("http")
        for target, kind in (("/", "text/html; charset=utf-8"), ("/big.bin", "application/octet-stream"),
                             ("/text.txt", "text/plain; charset=utf-8")):
            status, fields, _ = ask_http(port, target)
            equal(status, 200)
            equal(fields["content-type"], kind)
            equal(fields["x-content-type-options"], "nosniff")
            equal(fields["last-modified"], email.utils.formatdate(THEN, usegmt=True))
            equal(fields["accept-ranges"], "bytes")


@test
def unchanged_files_are_not_sent_again():
    with site() as (u, root):
        for since, want in ((THEN, 304), (THEN + 1, 304), (THEN - 1, 200)):
            date = email.utils.formatdate(since, usegmt=True)
            status, _, body = ask_http(u.port("http"), "/text.txt", If_Modified_Since=date)
            equal(status, want)
            equal(body, b"" if want == 304 else b"0123456789")
            equal(ask_http(u.port("http"), "/text.txt", If_Unmodified_Since=date)[0],
                  412 if since < THEN else 200)
        equal(ask_http(u.port("http"), "/text.txt", If_Modified_Since="yesterday")[0], 200)
        for form in ("%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"):
            date = time.strftime(form, time.gmtime(THEN))
            equal(ask_http(u.port("http"), "/text.txt", If_Modified_Since=date)[0], 304)
        for name, value, want in (("If_None_Match", "*", 304), ("If_None_Match", '"a"', 200),
                                  ("If_Match", "*", 200), ("If_Match", '"a"', 412)):
            equal((name, value, ask_http(u.port("http"), "/text.txt", **{name: value})[0]), (name, value, want))
        request = b"GET /text.txt HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\n\r\n"
        last = b"GET /sub/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        first, fields, rest = raw(u.port("http"), request + last).partition(b"\r\n\r\n")
        assert b" 304 " in first and b"Content-Length: 10\r\n" in first + b"\r\n", first
        assert fields and rest.startswith(b"HTTP/1.1 200 OK"), rest


@test
def ranges():
    date = email.utils.formatdate(THEN, usegmt=True)
    other = email.utils.formatdate(THEN - 9, usegmt=True)
    with site() as (u, root):
        port = u.port("http")
        for text, want, part in (
                ("bytes=0-0", b"0", "0-0"), ("bytes=3-5", b"345", "3-5"), ("bytes=5-", b"56789", "5-9"),
                ("bytes=-3", b"789", "7-9"), ("bytes=3-5 ", b"345", "3-5"), ("bytes=8-99999999999999999999", b"89", "8-9")):
            status, fields, body = ask_http(port, "/text.txt", Range=text)
            equal((status, body, fields["content-range"]), (206, want, "bytes %s/10" % part))
        for text in ("bytes=10-", "bytes=10-12", "bytes=99999999999999999999-", "bytes=-0"):
            status, fields, _ = ask_http(port, "/text.txt", Range=text)
            equal((status, fields["content-range"]), (416, "bytes */10"))
        for text in ("bytes=5-3", "bytes=a-b", "bytes=-", "bytes=0-1,3-4", "lines=0-1", "bytes= 1-2",
                     "bytes=--1", "bytes=1", "bytes="):
            equal(ask_http(port, "/text.txt", Range=text)[::2], (200, b"0123456789"))
        equal(ask_http(port, "/text.txt", Range="bytes=0-1", If_Range=date)[0], 206)
        equal(ask_http(port, "/text.txt", Range="bytes=0-1", If_Range=other)[0], 200)
        equal(ask_http(port, "/text.txt", "HEAD", Range="bytes=0-1")[0], 200)
        equal(ask_http(port, "/big.bin", Range="bytes=1000000-2000000")[2], BIG[1000000:2000001])


@test
def no_file_is_younger_than_its_answer():
    with site() as (u, root):
        for ahead in (-5, 2, 3600, 86400 * 365):
            began = int(time.time())
            os.utime(os.path.join(root, "text.txt"), (THEN, began + ahead))
            _, fields, _ = ask_http(u.port("http"), "/text.txt")
            date, changed = (email.utils.parsedate_to_datetime(fields[name]).timestamp()
                             for name in ("date", "last-modified"))
            assert changed <= date, (ahead, fields)
            if ahead < 0:
                equal(changed, began + ahead)
            else:
                assert changed >= began - 1, (began, fields)  # time() is a moment late


@test
def nothing_outside_the_folder_is_shown():
    up = ("..", "%2e%2e", "%2E.", ".%2e", "..%2f", "%2e%2e%2f", "..%5c", "...", "%252e%252e")
    targets = ["/" + word + "/outside/secret.txt" for word in up]
    targets += ["/sub/" + word + "/" + word + "/outside/secret.txt" for word in up]
    targets += ["/sub/../../outside/secret.txt", "//etc/passwd", "/etc/passwd", "/%2fetc/passwd", "///",
                "/sub//index.html", "/./index.html", "/out", "/outdir/secret.txt", "/outdir/", "/passwd",
                "/loop", "/.hidden", "/sub/../.hidden", "/%2ehidden", "/text.txt%00.html", "/%00",
                "/text.txt/", "/text.txt/index.html", "/%", "/%4", "/%zz", "/%0a", "/%7f", "/a%2fb",
                "/" + "a" * 300, "/" + "a/" * 2000]
    with site() as (u, root):
        for target in targets:
            status, _, body = ask_http(u.port("http"), target)
            assert status in (404, 414, 431), (target, status)
            assert b"SECRET" not in body and b"root:" not in body, (target, body)
        equal(ask_http(u.port("http"), "/")[2], MAIN)


@test
def odd_request_lines_stay_inside():
    with site() as (u, root):
        port = u.port("http")
        end = b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        for target in (b"../outside/secret.txt", b"/../outside/secret.txt", b"/text.txt\0/../x",
                       b"/\xff\xfe", b"http://x/../outside/secret.txt", b"http:/../outside/secret.txt",
                       b"*", b"", b"/..\\outside\\secret.txt", b"file:///etc/passwd",
                       b"/sub/..;/../outside/secret.txt"):
            answer = raw(port, b"GET " + target + end)
            assert b"SECRET" not in answer and b"root:" not in answer, (target, answer)
        assert raw(port, b"GET http://proxy.example/text.txt" + end).endswith(b"0123456789")
        assert raw(port, b"GET /text.txt?x=../../y" + end).endswith(b"0123456789")
        equal(ask_http(port, "/")[2], MAIN)


@test
def what_is_no_file_is_refused():
    with site() as (u, root):
        port = u.port("http")
        for target in ("/empty/", "/pipe", "/sock"):
            equal(ask_http(port, target)[0], 403)
        if IS_ROOT:  # then the worker is somebody else
            equal(ask_http(port, "/shut.txt")[0], 403)
        equal(ask_http(port, "/nothing")[0], 404)
        status, fields, _ = ask_http(port, "/sub")
        equal((status, fields["location"]), (301, "/sub/"))
        for query in ("?x=1", "?a=b&c=&d&e=%20+%26"):
            status, fields, _ = ask_http(port, "/sub" + query)
            equal((status, fields["location"]), (301, "/sub/" + query))
            status, fields, _ = ask_http(port, "http://proxy.example:80/sub" + query)
            equal((status, fields["location"]), (301, "/sub/" + query))
        for target in ("http://x", "http://x?a=/b", "HTTP://x/"):
            equal(ask_http(port, target)[::2], (200, MAIN))


@test
def a_request_that_could_be_read_in_two_ways_is_refused():
    """What another reader, a proxy, takes for a body is never taken for a request here."""
    second = b"GET /text.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    size = b"%d" % len(second)
    odd = (b"Content-Length: 0\r\nContent-Length: " + size, b"Content-Length: " + size + b"\r\nContent-Length: 0",
           b"Content-Length : " + size, b"Content-Length\t: " + size, b"Transfer-Encoding : chunked",
           b"Content-Length: 0, " + size, b"Content-Length: +0", b"Content-Length: 00", b"Content-Length: 0x1",
           b"Content-Length: " + size, b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked",
           b"Transfer-Encoding: \x0bchunked", b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked",
           b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"X\0: 1", b"X: \x7f", b"X: \x1b[2J",
           b"Host: b", b"X y: 1")
    with site() as (u, root):
        for fields in odd:
            got = raw(u.port("http"), b"GET / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n\r\n" + second)
            assert got.count(b"HTTP/1.1 200 OK") + got.count(b"\r\n400 Bad") <= 1 and b"0123456789" not in got, (
                fields, got)
        for fields in (b"Content-Length: 0", b"X: a\tb", b"X: \xe9"):
            got = raw(u.port("http"), b"GET / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n\r\n" + second)
            equal(got.count(b"HTTP/1.1 200 OK"), 2)


@test
def a_head_that_is_more_than_its_fields_is_refused():
    """Lines that go on, bytes behind a NUL, fields without a name: one 400, and the end."""
    second = b"GET /text.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    first = b"GET / HTTP/1.1\r\nHost: a\r\n"
    odd = [first + fields + b"\r\n\r\n" for fields in (
        b"Transfer-Encoding:\r\n chunked", b"Transfer-Encoding:\r\n\tchunked",
        b"Content-Length:\r\n %d" % len(second), b"Content-Length: 0\r\n 5", b"Host:\r\n b",
        b"X: a\r\n b", b"X: a\r\n ", b" Host: b", b"X: a\0b", b"Content-Length: 0\0", b": x", b":",
        b"X: a\r\rGET /text.txt HTTP/1.1\r\nHost: a")]
    odd += [b"GET /in\0dex.html HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /?a\0b HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\nX: a\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"]
    odd += [b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n" % host for host in (
        b"a b", b"a\tb", b"a,b c", b"http://a", b"a/b", b"a@b", b"a?", b"a#", b"<a>", b'"a"', b"a\\b")]
    with site() as (u, root):
        for head in odd:
            got = raw(u.port("http"), head + second)
            equal((head, got.count(b"HTTP/1.1 "), got[:13]), (head, 1, b"HTTP/1.1 400 "))
            assert b"\r\nConnection: close\r\n" in got, got
        for head in (b"\r\n" + first + b"\r\n", first + b"X: " + b"y" * 6000 + b"\r\n\r\n",
                     first + b"X:y\r\n" * 150 + b"\r\n",
                     b"GET /?a=b&c=&d HTTP/1.1\r\nHost:a\r\nX:\r\nY: \r\nCookie: a=b; c=d\r\n\r\n",
                     b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
                     *(b"GET / HTTP/1.1\r\nHost:%s\r\n\r\n" % host for host in (
                         b"", b" ", b"a", b" a ", b" \ta\t", b" a-b.c_d:80", b" [::1]:80", b" a%20b"))):
            equal((head, raw(u.port("http"), head + second).count(b"HTTP/1.1 200 OK")), (head, 2))
            with connect(u.port("http")) as client:  # in whatever pieces it comes
                for at in range(0, len(head), 999):
                    client.sendall(head[at:at + 999])
                client.sendall(second)
                equal((head, read_all(client).count(b"HTTP/1.1 200 OK")), (head, 2))
        for head in (b"GET / HTTP/1.0\n\n", b"GET / HTTP/1.1\nHost: a\n\n", b"GET / HTTP/1.1\r\nHost: a\n\r\n"):
            equal((head, raw(u.port("http"), head + second).count(b"HTTP/1.1 200 OK")), (head, 1))


@test
def e1_heads_of_every_size_are_answered_once():
    first = b"GET /%s HTTP/1.1\r\nHost: x\r\n"

    def filled(begin, end, size):
        return begin + b"y" * (size - len(begin) - len(end)) + end

    with site() as (u, root):
        port = u.port("http")
        for begin, end in ((first % b"" + b"X: ", b"\r\n\r\n"), (first % b"" + b"Cookie: a=", b"\r\n\r\n"),
                           (b"GET /?", (first % b"")[5:] + b"\r\n"), (b"GET /", (first % b"")[5:] + b"\r\n")):
            for size in (4000, 8000, 8100, 8191, 8192, 8193, 10000, 15900, 16100, 16200, 20000, 30000):
                got = raw(port, filled(begin, end.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), size))
                want = b"431" if size > 8192 else b"404" if begin == b"GET /" else b"200"
                if begin.endswith(b"a=") and size > 12000:
                    continue  # the library's answer
                equal((begin, size, got.count(b"HTTP/1.1 "), got[9:12]), (begin, size, 1, want))
        for count in (1000, 4095, 8000):
            for one in (b"+", b"&", b"a=&", b"?"):
                query = (one * count)[:count]
                status, fields, _ = ask_http(port, "/sub?" + query.decode())
                equal((status, fields["location"]), (301, "/sub/?" + query.decode()))
        for fields in (b"a:\r\n" * 190, b"Cookie: " + b"; ".join([b"a=b"] * 189) + b"\r\n",
                       b"Cookie: " + b"; ".join([b"a=" + b"y" * 38] * 189) + b"\r\n", b"Cookie: a" + b"=" * 8000 + b"\r\n"):
            got = raw(port, first % b"" + fields + b"Connection: close\r\n\r\n")
            equal((got.count(b"HTTP/1.1 "), got[9:12]), (1, b"200"))
        for fields in (b"a:\r\n" * 192, b"Cookie: " + b"a=b; " * 191 + b"\r\n"):
            got = raw(port, first % b"" + fields + b"\r\n" + first % b"text.txt" + b"\r\n")
            equal((got.count(b"HTTP/1.1 "), got[9:12]), (1, b"431"))


@test
def other_methods_are_refused():
    with site() as (u, root):
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"):
            status, fields, _ = ask_http(u.port("http"), "/text.txt", method, Content_Length="0")
            equal((status, fields["allow"]), (405, "GET, HEAD"))
        with connect(u.port("http")) as client:  # a body nobody wants
            client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
            assert b"405" in client.recv(4096)
        equal(ask_http(u.port("http"), "/text.txt")[2], b"0123456789")


@test
def without_a_root_there_is_one_page():
    with Usherd('http: { plugin = "http"; listen = "tcp://:0"; };') as u:
        status, fields, body = ask_http(u.port("http"), "/")
        equal((status, fields["content-type"]), (200, "text/html; charset=utf-8"))
        assert b"<title>usher</title>" in body and b"<b>http</b>" in body, body
        for target in ("/index.html", "/etc/passwd", "//", "/x"):
            equal(ask_http(u.port("http"), target)[0], 404)


@test
def a_root_that_is_not_there_refuses_the_table():
    for options, word in (('root = "/nowhere/at/all";', "/nowhere/at/all"), ('root = "www";', "absolute"),
                          ('index = "a/b";', "index"), ('index = ".x";', "index"),
                          ('index = "main.html";', "there is no root")):
        code, said = refused('http: { plugin = "http"; listen = "tcp://:0"; options = { %s }; };' % options)
        assert code != 0 and word in said, (code, said)


@test
def a_connection_is_used_again_and_given_back():
    with site() as (u, root):
        client = http.client.HTTPConnection("127.0.0.1", u.port("http"), timeout=DEADLINE)
        client.connect()
        first = client.sock
        for _ in range(100):
            client.request("GET", "/text.txt")
            equal(client.getresponse().read(), b"0123456789")
            assert client.sock is first
        equal(u.count("http", "ACTIVE"), 1)
        client.close()
        wait_for(lambda: u.count("http", "ACTIVE") == 0, "the slot to be free")
        equal(u.count("http", "ACCEPTED"), 1)


@test
def requests_one_behind_the_other():
    one = b"GET /text.txt HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /sub/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with site() as (u, root):
        answer = raw(u.port("http"), one * 50 + last)
        equal(answer.count(b"HTTP/1.1 200 OK"), 51)
        equal(answer.count(b"\r\n\r\n0123456789"), 50)
        assert answer.endswith(b"\r\n\r\nsub"), answer[-200:]


@test
def e4_a_request_may_come_byte_by_byte():
    request = b"GET /text.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with site() as (u, root), connect(u.port("http")) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(request)):
            client.sendall(request[at:at + 1])
        assert read_all(client).endswith(b"0123456789")


@test
def b18_a_request_that_does_not_arrive_ends():
    with site('timeout = "1s";') as (u, root):
        port, began = u.port("http"), time.monotonic()
        with connect(port) as silent, connect(port) as slow:
            with contextlib.suppress(OSError):
                while time.monotonic() - began < DEADLINE:  # one byte now and then does not help
                    slow.sendall(b"G")
                    if select.select([slow], [], [], 0.1)[0]:
                        break
            assert time.monotonic() - began < (6 if IS_LONG else DEADLINE)
            equal(silent.recv(1), b"")
            with contextlib.suppress(ConnectionResetError):
                read_all(slow)
        wait_for(lambda: u.count("http", "ACTIVE") == 0, "the slots to be free")
        equal(ask_http(u.port("http"), "/text.txt")[2], b"0123456789")


@test
def a_slow_reader_gets_all_of_it_and_stops_nobody():
    with site() as (u, root), connect(u.port("http")) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        slow.sendall(b"GET /big.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        for _ in range(20):
            equal(ask_http(u.port("http"), "/text.txt")[2], b"0123456789")
        equal(read_all(slow).split(b"\r\n\r\n", 1)[1], BIG)


def large_file(root, count=12 << 20):
    """More than the kernel keeps for a caller."""
    with open(os.path.join(root, "large"), "wb") as file:
        file.truncate(count)
    return count


def connect_narrow(port, count=65536):
    """Whose side keeps little: what is not read is felt at once."""
    client = socket.socket()
    client.settimeout(DEADLINE)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, count)
    client.connect(("127.0.0.1", port))
    return client


def read_slowly(client, seconds):
    """A little at a time, steadily; then whatever comes: how much it was without the head."""
    until, count = time.monotonic() + seconds, -1
    while time.monotonic() < until:
        count += len(client.recv(8192))
        select.select([], [], [], 0.1)
    rest = b"x"
    while rest:
        rest = client.recv(1 << 20)
        count += len(rest)
    return count


@test
def who_reads_slowly_but_steadily_gets_all_of_it():
    """Even where the kernel's buffer is so full that for many seconds nothing can be written."""
    request = b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with site('timeout = "1s";') as (u, root):
        count = large_file(root)
        with connect_narrow(u.port("http")) as slow:
            slow.sendall(request)
            assert read_slowly(slow, 4) > count
        with connect_narrow(u.port("http")) as kept:  # all is written when the next request is due
            kept.sendall(b"GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n")
            for _ in range(30):
                kept.recv(8192)
                select.select([], [], [], 0.1)
            kept.sendall(request.replace(b"/large", b"/text.txt"))
            assert read_all(kept).endswith(b"\r\n\r\n0123456789")


@test
def who_took_much_at_once_may_rest_for_longer():
    """A client's system says what its client reads in large steps, if at all."""
    with site('timeout = "1s";') as (u, root), connect(u.port("http")) as client:
        count = large_file(root, 32 << 20)
        client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        for rest in (3,):
            count -= len(client.recv(4 << 20, socket.MSG_WAITALL))
            select.select([], [], [], rest)
        while part := client.recv(1 << 20):
            count -= len(part)
        assert count < 0, count


def wait_cut_off(u, number, seconds=DEADLINE):
    """Until this many callers have come, and are gone."""
    wait_for(lambda: u.count("http", "ACCEPTED") == number and u.count("http", "ACTIVE") == 0,
             "the slot to be free", seconds)


@test
def who_does_not_read_at_all_is_cut_off():
    with site('timeout = "1s";') as (u, root):
        large_file(root)
        for number, target in enumerate(("/large", "/big.bin"), 1):
            began = time.monotonic()
            with connect_narrow(u.port("http"), 8192) as client:
                client.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % target.encode())
                wait_cut_off(u, number)
                assert 0.9 < time.monotonic() - began < (5 if IS_LONG else DEADLINE * 2)


@test
def who_does_not_read_from_a_unix_socket_is_cut_off():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        large_file(folder, 1 << 20)
        with Usherd('http: { plugin = "http"; listen = "unix://@%s"; options = { root = "%s"; timeout = "1s"; }; };'
                    % (folder, folder)) as u, socket.socket(socket.AF_UNIX) as client:
            client.connect("\0" + folder)
            client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
            wait_cut_off(u, 1, 5 if IS_LONG else DEADLINE)


@test
def who_has_finished_asking_gets_the_end_behind_the_answers():
    one = b"GET /text.txt HTTP/1.1\r\nHost: x\r\n\r\n"
    with site('timeout = "1h";') as (u, root):
        count = large_file(root)
        for number in (1, 2, 50, 400):
            equal(talk(u.port("http"), one * number).count(b"\r\n\r\n0123456789"), number)
        with connect_narrow(u.port("http"), 8192) as late:  # when it begins to read, all is written
            late.sendall(one * 400)
            late.shutdown(socket.SHUT_WR)
            select.select([], [], [], 0.5)
            equal(read_all(late).count(b"\r\n\r\n0123456789"), 400)
        equal(talk(u.port("http"), one + b"GET /te").count(b"\r\n\r\n0123456789"), 1)
        equal(talk(u.port("http"), b"GET /te"), b"")
        equal(talk(u.port("http"), b""), b"")
        with connect_narrow(u.port("http")) as slow:
            slow.sendall(one.replace(b"text.txt", b"large"))
            slow.shutdown(socket.SHUT_WR)
            assert read_slowly(slow, 1) > count
        wait_for(lambda: u.count("http", "ACTIVE") == 0, "the slots to be free")


@test
def e13_a_client_that_leaves_in_the_middle_costs_nothing():
    with site() as (u, root):
        for _ in range(50):
            with connect(u.port("http")) as client:
                client.sendall(b"GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n")
                client.recv(1000)
        wait_for(lambda: u.count("http", "ACTIVE") == 0, "the slots to be free")
        equal(ask_http(u.port("http"), "/text.txt")[2], b"0123456789")


@test
def b8_a_thousand_requests_leave_nothing_behind():
    count = 200 if IS_SANITIZED else 1000
    with site() as (u, root):
        port = u.port("http")
        ask_http(port, "/")
        worker = u.workers()[0]
        wait_for(lambda: u.count("http", "ACTIVE") == 0, "the first one to be gone")
        before = len(descriptors_of(worker))
        for number in range(count):
            equal(ask_http(port, ("/", "/text.txt", "/nothing", "/sub")[number % 4])[0],
                  (200, 200, 404, 301)[number % 4])
        wait_for(lambda: u.count("http", "ACTIVE") == 0, "the slots to be free")
        equal(len(descriptors_of(worker)), before)
        equal(u.count("http", "ACCEPTED"), count + 1)


@test
def connections_beyond_the_limit_wait():
    with site(row="max_connections = 5;") as (u, root):
        held = [connect(u.port("http")) for _ in range(5)]
        wait_for(lambda: u.count("http", "ACTIVE") == 5, "five connections")
        with connect(u.port("http")) as waiting:
            waiting.sendall(b"GET /text.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            held.pop().close()
            assert read_all(waiting).endswith(b"0123456789")
        for client in held:
            client.close()


@test
def it_ends_with_its_connections():
    with site() as (u, root):
        held = [connect(u.port("http")) for _ in range(3)]
        held[0].sendall(b"GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        held[1].sendall(b"GET ")
        wait_for(lambda: u.count("http", "ACTIVE") == 3, "three connections")
        u.stop()
        for client in held:
            client.close()


@test
def a_total_timeout_ends_it():
    with site(row='total_timeout = "1s"; idle_timeout = "200ms";') as (u, root):
        port, began = u.port("http"), time.monotonic()
        with connect(port) as client:
            equal(client.recv(1), b"")
            assert 0.7 < time.monotonic() - began < (5 if IS_LONG else DEADLINE * 2)
        wait_for(lambda: u.count("http", "ACTIVE") == 0, "the slot to be free")


@test
def a_child_of_its_own_is_refused_with_its_line():
    code, said = refused('http: { plugin = "http"; mode = "fork"; listen = "tcp://:0"; };')
    equal(code, 1)
    assert re.search(r'usher\.conf:\d+: .*http serves connections in mode = "dispatch" only', said), said


@test
def every_loop_drives_it():
    for loop in LOOPS:
        with site(loop=loop) as (u, root):
            equal(ask_http(u.port("http"), "/big.bin")[2], BIG)


@test
def a_browser_shows_the_page():
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        raise Skip("chromium is not installed")
    signal.alarm(TEST_SECONDS * 3)  # a large program
    with Usherd('http: { plugin = "http"; listen = "tcp://:0"; };') as u:
        shot = os.path.join(u.dir, "shot.png")
        subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
                        "--no-first-run", "--disable-background-networking", "--screenshot=" + shot,
                        "--user-data-dir=" + os.path.join(u.dir, "profile"),
                        "http://127.0.0.1:%d/" % u.port("http")],
                       timeout=TEST_SECONDS * 3 - 20, stdin=subprocess.DEVNULL, capture_output=True)
        with open(shot, "rb") as file:
            equal(file.read(8), b"\x89PNG\r\n\x1a\n")


@test
def a_file_that_shrinks_while_it_is_sent_ends_its_answer():
    """What was promised cannot come any more, however much the client has taken: it is told."""
    with site('timeout = "1s";') as (u, root), connect(u.port("http")) as client:
        large_file(root, 32 << 20)
        client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        client.recv(1)
        os.truncate(os.path.join(root, "large"), 1000)
        with contextlib.suppress(ConnectionResetError):
            while client.recv(1 << 20):
                pass
        wait_for(lambda: u.count("http", "ACTIVE") == 0, "the slot to be free")


@test
def what_is_sent_behind_the_last_request_costs_no_byte_of_its_answer():
    """Somebody types one more line while the answer arrives."""
    with site() as (u, root):
        large_file(root, 8 << 20)
        for request in (b"GET /large HTTP/1.0\r\n\r\n", b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"):
            with connect(u.port("http")) as client:
                client.sendall(request)
                answer = client.recv(1000)
                client.sendall(b"\r\n")
                answer += read_all(client)
                equal(len(answer.partition(b"\r\n\r\n")[2]), 8 << 20)


run()
