"""What the tests of exhaustion and of floods share: how much of everything, whom to ask, and a probe that talks all
the time. USHER_TEST_LONG=1: ten times as many of everything."""
import contextlib
import os
import resource
import socket
import subprocess
import sys
import threading
import time

import usher_live
from usher_live import *  # noqa: F403 - the test vocabulary

MANY = 10 if IS_LONG else 1
usher_live.TEST_SECONDS *= MANY
# Where other things run beside, or a sanitizer does: how much later things may be.
SLOW = (4 if IS_SANITIZED else 1) * max(1, os.getloadavg()[0] / os.cpu_count() / 2)


def bound(seconds):
    """Of what is promised in time: where nothing else runs. Beside other tests only who hangs is found."""
    return seconds * SLOW if IS_LONG else max(DEADLINE, seconds * SLOW)


ROWS = """
    echo: { plugin = "echo"; listen = "tcp://:0"; pool = "beside"; };
    tight: { plugin = "echo"; listen = "tcp://:0"; max_connections = 500; };
    cat: { exec = [ "/bin/cat" ]; user = "nobody"; listen = "tcp://:0"; max_connections = 500; };
    forked: { plugin = "echo"; mode = "fork"; listen = "tcp://:0"; max_connections = 500; };
"""


def worker_of(u, service):
    """Who serves a row: whoever gets its connection's bytes is asked by the log; here by the pool's listener."""
    inodes = {"socket:[%s]" % words[9] for words in listening_at(u.port(service))}
    for pid in u.workers():
        if inodes & set(descriptors_of(pid).values()):
            return pid
    raise AssertionError("nobody serves %s" % service)


def ports_of(u):
    """{row: its first port}, asked once."""
    ports = {}
    for row in u.list():
        ports.setdefault(row["SERVICE"], int(row["ENDPOINT"].rsplit(":", 1)[1]))
    return ports


def raise_own_descriptors(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count:
        raise Skip("needs %d descriptors" % count)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))


# An echo server that usher has nothing to do with: what its callers wait is the machine's affair.
BYSTANDER = """
import signal, socket, sys
signal.alarm(int(sys.argv[1]))
listener = socket.socket(fileno=0)
while True:
    client, _ = listener.accept()
    with client:
        while heard := client.recv(100):
            client.sendall(heard)
"""


@contextlib.contextmanager
def bystander():
    """Yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = subprocess.Popen([sys.executable, "-c", BYSTANDER, str(usher_live.TEST_SECONDS)], stdin=listener)
        port = listener.getsockname()[1]
    try:
        equal(talk(port, b"it is there"), b"it is there")
        yield port
    finally:
        process.kill()
        process.wait()


class Took(list):
    """How long callers of a row took, one after the other; beside: those of a bystander, by turns."""

    def __init__(self, port, other):
        super().__init__()
        self.ports, self.beside = (port, other), []

    def look(self):
        for port, into in zip(self.ports, (self, self.beside)):
            started = time.monotonic()
            try:
                equal(talk(port, b"probe"), b"probe")
            finally:
                into.append(time.monotonic() - started)

    def is_quick(self, part, seconds):
        """This part of them took no longer; where the machine is busy, not much longer than at the bystander.
        Beside other tests anybody may be stopped for a while, and one of a hundred says nothing: nine of ten."""
        part = part if IS_LONG else min(part, 0.9)
        most = max(seconds, 3 * share(self.beside, part))
        assert share(self, part) <= most, "%.0f ms, at the bystander %.0f ms" % (
            1e3 * share(self, part), 1e3 * share(self.beside, part))


@contextlib.contextmanager
def probing(port, every=0.02):
    """Talks to a row all the time: yields what it Took; failures end the test."""
    failures, stop = [], threading.Event()

    def probe(took):
        while not stop.wait(every):
            try:
                took.look()
            except (OSError, AssertionError) as problem:
                failures.append(repr(problem))

    with bystander() as other:
        took = Took(port, other)
        thread = threading.Thread(target=probe, args=(took,))
        thread.start()
        try:
            yield took
        finally:
            stop.set()
            thread.join()
    equal(failures, [])


def share(took, part):
    return sorted(took)[int(len(took) * part)] if took else 0.0


def all_served(clients):
    for client in clients:
        client.settimeout(DEADLINE * SLOW)
        equal(read_exactly(client, 1), b"x")
        client.close()


def talks(port):
    with contextlib.suppress(OSError, AssertionError):
        return talk(port, b"again") == b"again"
