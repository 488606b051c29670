#!/usr/bin/env python3
"""A soak (R24): many connections of every kind while the table is reloaded and workers are killed. At the end
descriptors, processes and the master's memory must be what they were.

usage: tests/long/soak.py [-c CONNECTIONS] [-r RELOADS] [-k KILLS]
top_builddir and top_srcdir say where usherd is.
"""
import argparse
import collections
import contextlib
import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "live"))
from usher_live import *  # noqa: E402,F403 - the path comes first

CLIENTS = 2
GROWTH = 64 * 1024
ROWS = """
    echo: { plugin = "echo"; listen = [ "tcp://:0", "udp://:0" ]; };
    daytime: { plugin = "daytime"; listen = "tcp://:0"; pool = "second"; %s };
    forked: { plugin = "echo"; mode = "fork"; listen = "tcp://:0"; };
    cat: { exec = [ "/bin/cat" ]; user = "nobody"; listen = "tcp://:0"; };
"""
TURNS = ("", 'keepalive = true;', 'umask = "077";', 'nodelay = true;')


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-c", "--connections", type=int, default=200000)
    parser.add_argument("-r", "--reloads", type=int, default=200)
    parser.add_argument("-k", "--kills", type=int, default=200)
    return parser.parse_args()


# ---- clients: processes of their own -----------------------------------------------------

def one_call(ports, number):
    """What a caller saw: served, cut (his worker died with him inside) or refused."""
    kind = "cat" if number % 200 == 0 else "forked" if number % 200 == 100 else \
        "daytime" if number % 4 == 1 else "echo"
    try:
        client = connect(ports[kind], seconds=30)
    except OSError:
        return "refused"
    with client:
        try:
            if kind == "daytime":
                answer = read_all(client)
                return "served" if answer.endswith(b"\r\n") else "cut"
            client.sendall(b"soak")
            client.shutdown(socket.SHUT_WR)
            answer = read_all(client)
            return "served" if answer == b"soak" else "cut"
        except OSError as problem:
            return "late" if isinstance(problem, TimeoutError) else "cut"


def start_client(ports, count):
    ready, end = os.pipe()
    pid = os.fork()
    if pid > 0:
        os.close(end)
        return pid, ready
    seen = collections.Counter()
    for number in range(count):
        seen[one_call(ports, number)] += 1
    os.write(end, repr(dict(seen)).encode())
    os._exit(0)


# ---- what must be as before --------------------------------------------------------------

def private_dirty(pid):
    with open("/proc/%d/smaps_rollup" % pid) as file:
        for line in file:
            if line.startswith("Private_Dirty:"):
                return int(line.split()[1]) * 1024
    return 0


def look(u):
    """Descriptors of the master and of all workers, zombies."""
    family = descendants_of(u.pid)
    return {"master": len(descriptors_of(u.pid)),
            "workers": sorted(len(descriptors_of(pid)) for pid in u.workers()),
            "zombies": len([pid for pid in family if not is_alive(pid)])}


def settle(u, want):
    """Old generations have left, everybody rests."""
    wait_for(lambda: len(u.workers()) == want, "the old generations to leave", 40)
    for service in ("echo", "daytime", "forked", "cat"):
        wait_for(lambda: u.count(service, "ACTIVE") == 0, "all connections to be over", 60)
    wait_for(lambda: not [pid for pid in u.workers() if children_of(pid)], "the children to end", 30)
    wait_rest(u.pid, *u.workers())


def disturb(u, number, done, wanted):
    if done["reloads"] < wanted.reloads:
        u.table(ROWS % TURNS[number % len(TURNS)])
        u.reload()
        done["reloads"] += 1
    if done["kills"] < wanted.kills:
        with contextlib.suppress(ProcessLookupError):
            os.kill(random.choice(u.workers()), signal.SIGKILL)
            done["kills"] += 1


def soak(u, wanted):
    ports = {name: u.port(name) for name in ("echo", "daytime", "forked", "cat")}
    clients = [start_client(ports, wanted.connections // CLIENTS) for _ in range(CLIENTS)]
    done, number = collections.Counter(), 0
    seen, left = collections.Counter(), dict(clients)
    while left or done["reloads"] < wanted.reloads or done["kills"] < wanted.kills:
        disturb(u, number, done, wanted)
        number += 1
        select.select([], [], [], 0.05)
        for pid, ready in list(left.items()):
            if os.waitpid(pid, os.WNOHANG)[0] == pid:
                seen.update(eval(os.read(ready, 4096)))  # what start_client wrote
                os.close(ready)
                del left[pid]
    return seen, done


def main():
    wanted = parse()
    started = time.monotonic()
    with Usherd(ROWS % TURNS[0], 'hang_timeout = "10s"; drain_timeout = "5s";', allow_errors=True) as u:
        workers = len(u.workers())
        warm = argparse.Namespace(connections=4000, reloads=20, kills=20)
        soak(u, warm)
        u.table(ROWS % TURNS[0])
        u.reload()
        settle(u, workers)
        before, memory = look(u), private_dirty(u.pid)
        seen, done = soak(u, wanted)
        u.table(ROWS % TURNS[0])
        u.reload()
        settle(u, workers)
        after, grown = look(u), private_dirty(u.pid) - memory
        print("%s; %d reloads, %d kills, %.0f s" % (
            ", ".join("%d %s" % (count, what) for what, count in sorted(seen.items())), done["reloads"],
            done["kills"], time.monotonic() - started))
        print("before %s, after %s" % (before, after))
        print("the master's memory: %d KiB, grown by %d KiB" % (memory // 1024, grown // 1024))
        bad = [text for text, is_bad in (
            ("descriptors", after != before), ("zombies", after["zombies"] != 0),
            ("memory", grown > GROWTH), ("refused callers", seen["refused"] + seen["late"] > 0),
            ("lost callers", seen["cut"] > done["kills"] * CLIENTS)) if is_bad]
    print("bad: " + ", ".join(bad) if bad else "good")
    sys.exit(1 if bad else 0)


main()
