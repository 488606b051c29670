#!/usr/bin/env python3
"""Many idle connections (R10): opened from several processes and addresses, then each says one byte, and all
must be answered.

usage: tests/long/idle.py [-c CONNECTIONS] [-w WORKERS]
A process has 20 000 descriptors in many containers: so there are enough workers and clients.
"""
import argparse
import math
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "live"))
from usher_live import *  # noqa: E402,F403 - the path comes first
import resource  # noqa: E402

SPARE = 500  # descriptors of a process for other things
ROWS = """
    echo: { plugin = "echo"; listen = "tcp4://127.0.0.1:0"; max_connections = 1000000; idle_timeout = "1h"; };
"""


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-c", "--connections", type=int, default=100000)
    parser.add_argument("-w", "--workers", type=int, default=0)
    return parser.parse_args()


def kib(path, name):
    with open(path) as file:
        for line in file:
            if line.startswith(name + ":"):
                return int(line.split()[1])
    return 0


def user_memory(pids):
    """KiB that are these processes' own."""
    return sum(kib("/proc/%d/smaps_rollup" % pid, name) for pid in pids
               for name in ("Private_Dirty", "Private_Clean"))


def run_client(number, count, port, orders, answers):
    """Opens; says how many; on an order talks over each once; says how many answered; on the next ends."""
    clients = []
    for i in range(count):
        source = "127.%d.%d.%d" % (10 + number, i // 250 % 250, 1 + i % 250)
        with contextlib.suppress(OSError):
            clients.append(connect(port, source=source, seconds=60))
    os.write(answers, b"%d\n" % len(clients))
    os.read(orders, 1)
    good = 0
    for client in clients:
        with contextlib.suppress(OSError):
            client.sendall(b"?")
            good += client.recv(1) == b"?"
    os.write(answers, b"%d\n" % good)
    os.read(orders, 1)
    os._exit(0)


class Client:
    def __init__(self, number, count, port):
        order_end, self.orders = os.pipe()
        self.answers, answer_end = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            run_client(number, count, port, order_end, answer_end)
        os.close(order_end)
        os.close(answer_end)

    def hear(self):
        return int(os.read(self.answers, 100) or b"0")

    def go_on(self):
        os.write(self.orders, b"\n")


def measure(u, wanted, clients_needed):
    workers = u.workers()
    port, user, free = u.port("echo"), user_memory(workers), kib("/proc/meminfo", "MemAvailable")
    started = time.monotonic()
    share, rest = divmod(wanted.connections, clients_needed)
    clients = [Client(number, share + (number < rest), port) for number in range(clients_needed)]
    try:
        opened = sum(client.hear() for client in clients)
        wait_for(lambda: u.count("echo", "ACTIVE") >= opened, "all to be accepted", 60)
        took = time.monotonic() - started
        wait_rest(u.pid, *workers)
        user = user_memory(workers) - user
        free -= kib("/proc/meminfo", "MemAvailable")
        spread = sorted(len(descriptors_of(pid)) for pid in workers)
        before, poked = sum(cpu_seconds(pid) for pid in workers), time.monotonic()
        for client in clients:
            client.go_on()
        answered = sum(client.hear() for client in clients)
        poked = time.monotonic() - poked
        used = sum(cpu_seconds(pid) for pid in workers) - before
    finally:
        for client in clients:
            client.go_on()
            os.waitpid(client.pid, 0)
    print("%d connections opened in %.1f s, %d answered in %.1f s (%.1f us of a worker each)" % (
        opened, took, answered, poked, used / max(answered, 1) * 1e6))
    print("memory: %.0f bytes of user memory a connection, %.0f KiB of the machine's with both ends; "
          "total %.0f MiB" % (user * 1024 / opened, free / opened, free / 1024))
    print("descriptors of the workers: %s" % spread)
    return opened == answered == wanted.connections and user * 1024 / opened < 1024


def main():
    wanted = parse()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    needed = math.ceil(wanted.connections / (hard - SPARE))
    if kib("/proc/meminfo", "MemAvailable") < wanted.connections * 16:
        print("left out: too little memory for %d connections" % wanted.connections)
        return
    workers = wanted.workers or needed + 1
    with Usherd(ROWS, 'workers = "%d";' % workers) as u:
        good = measure(u, wanted, needed)
        wait_for(lambda: u.count("echo", "ACTIVE") == 0, "all to be over", 60)
    print("good" if good else "bad")
    sys.exit(0 if good else 1)


main()
