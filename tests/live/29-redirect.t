#!/usr/bin/env python3
"""redirect: what goes in comes out, and the other way, byte for byte, end for end."""
import contextlib
import errno
import hashlib
import os
import re
import socket
import struct
import threading
import time

from usher_live import *  # noqa: F403 - the test vocabulary

SIZE = 64 * 1024 * 1024
CHUNK = os.urandom(1024 * 1024)


@contextlib.contextmanager
def tcp_target(serve, host="127.0.0.1"):
    """A listener whose connections are given to serve(client), each in a thread: its port."""
    listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else
                                    socket.AF_INET, backlog=128)
    threads = []

    def accept():
        with contextlib.suppress(OSError):
            while True:
                client = listener.accept()[0]
                client.settimeout(DEADLINE * 4)
                thread = threading.Thread(target=guarded, args=(client,), daemon=True)
                threads.append(thread)
                thread.start()

    def guarded(client):
        with client, contextlib.suppress(ConnectionError, TimeoutError):
            serve(client)

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(DEADLINE)
        for thread in threads:
            thread.join(DEADLINE)


def rows(port, options="", row="", listen="tcp://:0", host="127.0.0.1"):
    return 'way: { plugin = "redirect"; listen = "%s"; options = { target = "%s:%d"; %s }; %s };' % (
        listen, host, port, options, row)


def send_much(client, count=SIZE):
    digest = hashlib.sha256()
    for number in range(count // len(CHUNK)):
        part = struct.pack(">Q", number) + CHUNK[8:]
        digest.update(part)
        client.sendall(part)
    return digest.hexdigest().encode()


def digest_of_all(client):
    digest = hashlib.sha256()
    while True:
        part = client.recv(1 << 18)
        if not part:
            return digest.hexdigest().encode()
        digest.update(part)


def in_thread(function, *args):
    found = []
    thread = threading.Thread(target=lambda: found.append(function(*args)), daemon=True)
    thread.start()

    def result():
        thread.join(DEADLINE * 4)
        assert found, "%s did not end" % function
        return found[0]
    return result


def reset(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def is_idle(u):
    wait_for(lambda: u.count("way", "ACTIVE") == 0, "the slots to be free")


# ---- TCP ---------------------------------------------------------------------------------

@test
def a_question_goes_there_and_an_answer_comes_back():
    with tcp_target(lambda c: c.sendall(b"heard " + c.recv(100))) as port, Usherd(rows(port)) as u:
        with connect(u.port("way")) as client:
            client.sendall(b"hello")
            equal(read_all(client), b"heard hello")
        is_idle(u)


@test
def the_target_may_speak_first():
    with tcp_target(lambda c: c.sendall(b"220 ready\r\n")) as port, Usherd(rows(port)) as u:
        equal(talk(u.port("way"), half_close=False), b"220 ready\r\n")


@test
def the_caller_finishes_first():
    """64 MiB there, the end of file, then the digest of all of it back."""
    with tcp_target(lambda c: c.sendall(digest_of_all(c))) as port, Usherd(rows(port)) as u:
        with connect(u.port("way"), seconds=DEADLINE * 4) as client:
            digest = send_much(client)
            client.shutdown(socket.SHUT_WR)
            equal(read_all(client), digest)
        is_idle(u)


@test
def the_target_finishes_first():
    """It ends its own side at once, and hears 64 MiB all the same."""
    heard = []

    def serve(client):
        client.sendall(b"go on")
        client.shutdown(socket.SHUT_WR)
        heard.append(digest_of_all(client))

    with tcp_target(serve) as port, Usherd(rows(port)) as u:
        with connect(u.port("way"), seconds=DEADLINE * 4) as client:
            equal(read_all(client), b"go on")
            digest = send_much(client)
        wait_for(lambda: heard, "the target to hear the end", DEADLINE * 4)
        equal(heard[0], digest)
        is_idle(u)


@test
def both_sides_send_much_at_the_same_time():
    results = []

    def serve(client):
        digest = in_thread(digest_of_all, client)
        sent = send_much(client)
        client.shutdown(socket.SHUT_WR)
        results.append((sent, digest()))

    with tcp_target(serve) as port, Usherd(rows(port)) as u:
        with connect(u.port("way"), seconds=DEADLINE * 4) as client:
            heard = in_thread(digest_of_all, client)
            sent = send_much(client)
            client.shutdown(socket.SHUT_WR)
            got = heard()
        wait_for(lambda: results, "the target to end")
        equal(results[0], (got, sent))
        is_idle(u)


@test
def a_target_that_ends_while_the_caller_sends():
    """The target finishes in the middle of 64 MiB, and still gets all of them."""
    heard = []

    def serve(client):
        first = client.recv(100000, socket.MSG_WAITALL)
        client.sendall(b"x" * 300000)
        client.shutdown(socket.SHUT_WR)
        digest = hashlib.sha256(first)
        while True:
            part = client.recv(1 << 16)
            if not part:
                break
            digest.update(part)
        heard.append(digest.hexdigest().encode())

    with tcp_target(serve) as port, Usherd(rows(port)) as u:
        with connect(u.port("way"), seconds=DEADLINE * 4) as client:
            back = in_thread(read_all, client)
            digest = send_much(client)
            equal(len(back()), 300000)
            client.shutdown(socket.SHUT_WR)
            wait_for(lambda: heard, "the target to hear the end", DEADLINE * 2)
        equal(heard[0], digest)
        is_idle(u)


@test
def b19_who_does_not_read_costs_no_memory():
    """The target would send for ever; the caller reads nothing."""
    def serve(client):
        with contextlib.suppress(OSError):
            while True:
                client.sendall(CHUNK)

    with tcp_target(serve) as port, Usherd(rows(port)) as u:
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(connect(u.port("way"))) for _ in range(20)]
            worker = u.workers()[0]
            wait_rest(worker)
            memory = int(status_of(worker)["RssAnon"].split()[0])
            assert memory < 30000, "%d kB" % memory
            equal(len(read_exactly(clients[7], 1 << 22)), 1 << 22)
        is_idle(u)


@test
def a_target_that_does_not_read_stops_the_caller():
    go = threading.Event()

    def serve(client):
        go.wait(DEADLINE)
        client.sendall(digest_of_all(client))

    with tcp_target(serve) as port, Usherd(rows(port)) as u:
        with connect(u.port("way"), seconds=DEADLINE * 4) as client:
            digest = in_thread(send_much, client)
            wait_rest(u.workers()[0])
            go.set()
            want = digest()
            client.shutdown(socket.SHUT_WR)
            equal(read_all(client), want)


@test
def a_reset_goes_on_to_the_target():
    seen = []

    def serve(client):
        client.sendall(b"here")
        try:
            seen.append(client.recv(10))
        except ConnectionResetError:
            seen.append("reset")

    with tcp_target(serve) as port, Usherd(rows(port)) as u:
        client = connect(u.port("way"))
        equal(client.recv(4), b"here")
        reset(client)
        wait_for(lambda: seen, "the target to notice")
        equal(seen, ["reset"])
        is_idle(u)


@test
def a_reset_goes_back_to_the_caller():
    def serve(client):
        client.recv(10)
        reset(client)

    with tcp_target(serve) as port, Usherd(rows(port)) as u:
        with connect(u.port("way")) as client:
            client.sendall(b"x")
            try:
                got = client.recv(10)
            except ConnectionResetError:
                got = "reset"
            equal(got, "reset")
        is_idle(u)


@contextlib.contextmanager
def refusing_port():
    """It has an owner who does not listen: so nobody else can."""
    with socket.socket() as owner:
        owner.bind(("127.0.0.1", 0))
        yield owner.getsockname()[1]


@test
def a_target_that_refuses_is_said_and_felt():
    with refusing_port() as port, Usherd(rows(port)) as u:
        for _ in range(20):
            try:
                with connect(u.port("way")) as client:
                    got = client.recv(10)
            except ConnectionResetError:
                got = "reset"
            equal(got, "reset")
        u.wait_log("fail target error=.Connection refused")
        is_idle(u)
        worker = u.workers()[0]
        sockets = [d for d in descriptors_of(worker).values() if d.startswith("socket:")]
        assert len(sockets) < 8, sockets


@test
def a_target_that_does_not_answer_is_given_up():
    """A full backlog takes no more: the connection never comes about."""
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    fillers = []
    with contextlib.closing(full):
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
            fillers.append(filler)
        with Usherd(rows(full.getsockname()[1], 'connect_timeout = "300ms";')) as u:
            began = time.monotonic()
            with connect(u.port("way")) as client, contextlib.suppress(ConnectionResetError):
                equal(client.recv(1), b"")
            assert 0.2 < time.monotonic() - began < (5 if IS_LONG else DEADLINE * 2)
            u.wait_log("connect_timeout")
            is_idle(u)
        for filler in fillers:
            filler.close()


@test
def what_is_sent_before_the_target_is_there_arrives():
    with tcp_target(lambda c: c.sendall(digest_of_all(c))) as port, Usherd(rows(port)) as u:
        for size in (0, 1, 65535, 65536, 65537, 300000):
            part = os.urandom(size)
            equal(talk(u.port("way"), part), hashlib.sha256(part).hexdigest().encode())


@test
def many_at_once_and_nothing_left():
    with tcp_target(lambda c: c.sendall(digest_of_all(c))) as port, Usherd(rows(port)) as u:
        equal(len(talk(u.port("way"), b"first")), 64)
        is_idle(u)
        worker = u.workers()[0]
        before = len(descriptors_of(worker))
        way = u.port("way")  # the target waits for the first while the last comes
        clients = [connect(way) for _ in range(100)]
        for number, client in enumerate(clients):
            client.sendall(b"%d" % number)
            client.shutdown(socket.SHUT_WR)
        for number, client in enumerate(clients):
            equal(read_all(client), hashlib.sha256(b"%d" % number).hexdigest().encode())
            client.close()
        is_idle(u)
        wait_for(lambda: len(descriptors_of(worker)) == before, "the descriptors to be closed")


def has_ipv6():
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


@test
def ipv6_and_names():
    if has_ipv6():
        with tcp_target(lambda c: c.sendall(b"six"), "::1") as port:
            with Usherd(rows(port, host="[::1]")) as u:
                equal(talk(u.port("way"), half_close=False), b"six")
    here = socket.getaddrinfo("localhost", None, type=socket.SOCK_STREAM)[0][4][0]
    with tcp_target(lambda c: c.sendall(b"named"), here) as port:
        with Usherd(rows(port, host="localhost")) as u:
            equal(talk(u.port("way"), half_close=False), b"named")


@test
def a_name_is_resolved_when_the_table_is_read_and_never_again():
    with tcp_target(lambda c: c.sendall(b"named"), "127.0.0.1") as port:
        code, said = refused(rows(port, host="no-such-host.invalid"))
        equal(code, 1)
        assert re.search(r"usher\.conf:\d+: .*target.*no-such-host\.invalid", said), said
        with Usherd(rows(port, host="localhost")) as u:
            worker, = u.workers()
            before = set(descriptors_of(worker).values())
            with open("/proc/%d/maps" % worker) as maps:
                libraries = {line.split()[-1] for line in maps if ".so" in line}
            for _ in range(3):
                with contextlib.suppress(ConnectionResetError):  # localhost may mean ::1 first
                    talk(u.port("way"), half_close=False)
            is_idle(u)
            with open("/proc/%d/maps" % worker) as maps:  # a look-up would have loaded its libraries
                equal({line.split()[-1] for line in maps if ".so" in line}, libraries)
            equal(set(descriptors_of(worker).values()), before)


@test
def it_works_in_a_child_of_its_own():
    with tcp_target(lambda c: c.sendall(digest_of_all(c))) as port:
        with Usherd(rows(port, row='mode = "fork";')) as u:
            equal(talk(u.port("way"), CHUNK), hashlib.sha256(CHUNK).hexdigest().encode())
            is_idle(u)


@test
def datagrams_in_children_are_refused_with_their_line():
    code, said = refused('way: { plugin = "redirect"; mode = "fork"; listen = "udp://:0";'
                         ' options = { target = "127.0.0.1:9"; }; };')
    equal(code, 1)
    assert re.search(r'usher\.conf:\d+: .*serves datagrams in mode = "dispatch" only', said), said


@test
def a_table_without_a_target_is_refused():
    for options in ("", 'options = { target = "127.0.0.1"; };', 'options = { target = "127.0.0.1:0x"; };'):
        code, said = refused('way: { plugin = "redirect"; listen = "tcp://:0"; %s };' % options)
        assert code != 0 and "target" in said, (code, said)


# ---- UDP ---------------------------------------------------------------------------------

@contextlib.contextmanager
def udp_target(answers):
    """A socket that sends answers(request) back: (its port, the addresses it heard)."""
    sock = udp()
    heard = []

    def serve():
        while True:
            request, peer = sock.recvfrom(65536)
            if request == b"END":
                return
            heard.append(peer)
            for reply in answers(request):
                sock.sendto(reply, peer)

    sock.settimeout(None)
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield sock.getsockname()[1], heard
    finally:
        with udp() as end:
            end.sendto(b"END", sock.getsockname())
        thread.join(DEADLINE)
        sock.close()


@test
def peers_get_their_own_answers():
    with udp_target(lambda r: [r[::-1]]) as (port, heard), Usherd(rows(port, listen="udp://:0")) as u:
        clients, to = [udp() for _ in range(20)], ("127.0.0.1", u.port("way", "udp"))
        for turn in range(5):
            for number, client in enumerate(clients):
                client.sendto(b"%d/%d" % (number, turn), to)
            for number, client in enumerate(clients):
                equal(client.recv(100), (b"%d/%d" % (number, turn))[::-1])
        equal(len(set(heard)), 20)
        for client in clients:
            client.close()


@test
def a10_datagrams_of_every_size_come_back_whole():
    with udp_target(lambda r: [r]) as (port, heard), Usherd(rows(port, listen="udp://:0")) as u:
        for size in (1, 508, 1472, 2049, 9000, 65507):
            part = os.urandom(size)
            equal(ask(u.port("way", "udp"), part), part)


@test
def a5_an_answer_is_never_longer_or_one_too_many():
    def answers(request):
        return [request + b"!", request, request] if request != b"sync" else [request]

    with udp_target(answers) as (port, heard), Usherd(rows(port, listen="udp://:0")) as u, \
            udp() as client:
        def judged(count):
            told = u.counts("way")
            return told["replied"] + told["dropped"] == count and told

        client.connect(("127.0.0.1", u.port("way", "udp")))
        replied = 0
        for number in range(10):
            client.send(b"%d" % number)
            # What comes late would be taken for an answer to the next.
            told = wait_for(lambda: judged(3 * number + 3), "all answers to be judged")
            assert told["replied"] - replied <= 1, told
            for _ in range(told["replied"] - replied):
                equal(client.recv(10), b"%d" % number)
            replied = told["replied"]
        with contextlib.suppress(socket.timeout):
            client.settimeout(0.1)
            raise AssertionError("answered twice: %r" % client.recv(10))
        equal(ask(u.port("way", "udp"), b"sync"), b"sync")


@test
def amplify_allows_more_and_longer_answers():
    with udp_target(lambda r: [r + b"1", r + b"22", r + b"333"]) as (port, heard):
        with Usherd(rows(port, listen="udp://:0", row="amplify = true;")) as u, udp() as client:
            for _ in range(3):
                client.sendto(b"x", ("127.0.0.1", u.port("way", "udp")))
                equal([client.recv(10) for _ in range(3)], [b"x1", b"x22", b"x333"])


@test
def a11_the_answer_comes_from_the_address_that_was_asked():
    with udp_target(lambda r: [r]) as (port, heard):
        with Usherd(rows(port, listen="udp4://*:0")) as u:
            for host in ("127.0.0.1", "127.0.0.5", "127.1.2.3"):
                equal(ask(u.port("way", "udp"), b"who", host), b"who")


@test
def a7_a_burst_is_answered_or_counted():
    with udp_target(lambda r: [r]) as (port, heard), Usherd(rows(port, listen="udp://:0")) as u:
        clients = [udp() for _ in range(50)]
        for client in clients:
            client.sendto(b"x", ("127.0.0.1", u.port("way", "udp")))
        for client in clients:
            equal(client.recv(10), b"x")
            client.close()


@test
def silent_peers_go_and_come_again():
    with udp_target(lambda r: [r]) as (port, heard):
        with Usherd(rows(port, 'idle = "300ms";', listen="udp://:0")) as u:
            with udp() as client:
                to = ("127.0.0.1", u.port("way", "udp"))
                worker = u.workers()[0]
                before = len(descriptors_of(worker))
                client.sendto(b"a", to)
                equal(client.recv(10), b"a")
                wait_for(lambda: len(descriptors_of(worker)) == before, "its socket to be closed")
                client.sendto(b"b", to)
                equal(client.recv(10), b"b")


@test
def peers_have_a_cap():
    with udp_target(lambda r: [r]) as (port, heard):
        with Usherd(rows(port, "max_peers = 5;", listen="udp://:0")) as u:
            clients, to = [udp() for _ in range(120)], ("127.0.0.1", u.port("way", "udp"))
            for client in clients:
                client.sendto(b"x", to)
                equal(client.recv(10), b"x")
            sockets = [d for d in descriptors_of(u.workers()[0]).values() if d.startswith("socket:")]
            assert len(sockets) <= 5 + 64 + 5, sockets  # and those that made room
            clients[0].sendto(b"again", ("127.0.0.1", u.port("way", "udp")))
            equal(clients[0].recv(10), b"again")
            for client in clients:
                client.close()


@test
def nobody_at_the_target_hurts_nobody():
    for tries in range(5, 0, -1):  # the port may become somebody's before it is ours
        try:
            return nobody_at(free_port(socket.SOCK_DGRAM))
        except OSError as problem:
            if problem.errno != errno.EADDRINUSE or tries == 1:
                raise


def nobody_at(port):
    with Usherd(rows(port, listen="udp://:0")) as u, udp() as client:
        for _ in range(50):
            client.sendto(b"x", ("127.0.0.1", u.port("way", "udp")))
        with contextlib.closing(udp(port=port)) as late:
            client.sendto(b"y", ("127.0.0.1", u.port("way", "udp")))
            while True:
                request, peer = late.recvfrom(10)
                late.sendto(request, peer)
                if request == b"y":
                    break
            equal(client.recv(10)[:1] in (b"x", b"y"), True)


@test
def total_timeout_holds_for_a_caller_whose_target_finished_first():
    """Whether it sends more than the target reads, or nothing; the target knows it for no end of the caller's."""
    heard, done = [], threading.Event()

    def serve(client):
        client.sendall(b"bye")
        client.shutdown(socket.SHUT_WR)
        done.wait(DEADLINE)
        try:
            while part := client.recv(1 << 20):
                pass
            heard.append(part)
        except ConnectionResetError:
            heard.append("reset")

    for size in (64 << 20, 1):
        done.clear()
        heard.clear()
        with tcp_target(serve) as port, Usherd(rows(port, row='total_timeout = "3s";')) as u:
            with connect(u.port("way")) as client:
                equal(read_all(client), b"bye")
                client.setblocking(False)
                with contextlib.suppress(BlockingIOError, ConnectionError):  # the time may be over
                    while size > 0:
                        size -= client.send(bytes(min(size, 1 << 16)))
                wait_for(lambda: u.count("way", "ACTIVE") == 0, "the slot to be free")
                done.set()
                wait_for(lambda: heard, "the end at the target")
                equal(heard, ["reset"])


@test
def the_name_of_a_port_may_be_one_of_datagrams_alone():
    try:
        socket.getservbyname("tftp", "udp")
    except OSError:
        raise Skip("the services file does not name tftp")
    row = 'way: { plugin = "redirect"; listen = "udp://:0"; options = { target = "127.0.0.1:tftp"; }; };'
    with Usherd(row) as u:
        assert u.port("way", "udp") > 0


run()
