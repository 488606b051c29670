#!/usr/bin/env python3
"""Many reloads: tables by the dozen, broken ones by the hundred, and children that will not go."""
import os
import re
import signal
import stat
import subprocess
import time

from usher_live import *  # noqa: F403 - the test vocabulary

ECHO = 'echo: { plugin = "echo"; listen = [ "tcp://:0", "udp://:0" ]; };'
WHO = b'user = "nobody"; group = "nogroup";\n'  # or each would be refused for the user "usher"
GOLDEN = os.path.join(SOURCE, "tests", "golden", "bad")
# Says that it is there, and does not care for SIGTERM.
STUBBORN = """#!/bin/sh
trap '' TERM
echo here
while :; do sleep 60; done
"""


def different_table(number):
    """One of fifty: rows come, go and change."""
    rows = [ECHO]
    for row in range(1 + number % 7):
        rows.append('row%d: { plugin = "%s"; listen = "%s://:0"; idle_timeout = "%dm"; };' % (
            row, ("echo", "uppercase", "discard")[(number + row) % 3],
            ("tcp", "udp")[(number // 3 + row) % 2], 1 + number % 5))
    if number % 2:
        rows.append('cat: { exec = "/bin/cat"; listen = "tcp://:0";%s };' % (
            ' user = "nobody"; group = "nogroup";' if IS_ROOT else ""))
    return "\n".join(rows)


@test
def e17_tables_that_alternate_leave_nothing_behind():
    signal.alarm(4 * TEST_SECONDS)  # it is many reloads
    with Usherd(ECHO) as u:
        port = u.port("echo")

        def go_through(numbers):
            for number in numbers:
                u.table(different_table(number))
                u.reload()
            u.table(ECHO)
            u.reload()
            wait_for(lambda: len(u.workers()) == 1, "the old workers to end")
            wait_rest(u.pid)  # it has closed what was theirs, and usherctl's
            return len(descriptors_of(u.pid)), allocated_kb(u.pid)

        go_through(range(10))
        descriptors, memory = go_through(range(50))
        _, more_memory = go_through(range(50))
        wait_for(lambda: len(descriptors_of(u.pid)) <= descriptors, "the descriptors to be as many as before")
        if not is_sanitized():
            assert more_memory - memory <= 64, (memory, more_memory)
        equal(talk(port, b"still"), b"still")


def is_sanitized():
    with open(USHERD, "rb") as file:
        return b"__asan_init" in file.read()


def broken_tables():
    """[(name, text)] of tests/golden/bad, as main files."""
    found = []
    for name in sorted(os.listdir(GOLDEN)):
        path = os.path.join(GOLDEN, name)
        if name.endswith(".conf") and os.path.isfile(path):
            with open(path, "rb") as file:
                text = file.read()
            found.append((name, text))
    return found


@test
def r3_no_broken_table_changes_anything():
    signal.alarm(4 * TEST_SECONDS)  # it is many tables
    refused_ones = 0
    with Usherd(ECHO) as u:
        before, worker = u.ctl("list").stdout, u.workers()
        for name, text in broken_tables():
            with open(u.conf, "wb") as file:
                file.write((b"" if b"user" in text or not IS_ROOT else WHO) + text)
            # Some are bad with certain options, or with plugins made for it, only.
            if subprocess.run(u.command("--check"), capture_output=True).returncode == 0:
                continue
            refused_ones += 1
            started = time.monotonic()
            said = u.ctl("reload", check=False)
            equal((name, said.returncode), (name, 1))
            assert time.monotonic() - started < soon(1.5), name
        assert refused_ones > 80, refused_ones
        equal(u.ctl("list").stdout, before)
        equal(u.workers(), worker)


@test
def f4_two_hundred_stubborn_children_of_a_removed_row_stall_nobody():
    signal.alarm(4 * TEST_SECONDS)  # it is many processes
    with Usherd(ECHO, settings='drain_timeout = "1s";') as u:
        path = os.path.join(u.dir, "stubborn")
        with open(path, "w") as file:
            file.write(STUBBORN)
        os.chmod(path, stat.S_IRWXU | 0o55)
        u.table(ECHO + 'stubborn: { exec = "%s"; listen = "tcp://:0";%s };' % (
            path, ' user = "nobody"; group = "nogroup";' if IS_ROOT else ""))
        u.reload()
        port, held = u.port("stubborn"), []
        try:
            for _ in range(200):
                held.append(connect(port))
            for client in held:
                equal(read_exactly(client, 5), b"here\n")
            children = [p for p in descendants_of(u.pid) if p not in u.workers()]
            assert len(children) >= 200, len(children)
            u.table(ECHO)
            u.reload()
            echo, slowest = u.port("echo"), 0.0
            while [p for p in children if is_alive(p)]:  # TERM after 1 s, KILL 5 s later
                for ask_one in (lambda: talk(echo, b"now"), lambda: u.ctl("list")):
                    started = time.monotonic()
                    ask_one()
                    slowest = max(slowest, time.monotonic() - started)
            assert slowest < soon(0.5), "somebody waited %.3f s" % slowest
        finally:
            for client in held:
                client.close()


run()
