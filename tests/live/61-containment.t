#!/usr/bin/env python3
"""What a bad plugin or program costs: its own, and once what was beside it in one worker."""
import contextlib
import json
import os
import re
import select
import signal
import socket
import threading
import time

from usher_live import *  # noqa: F403 - the test vocabulary

TOGETHER = """
    echo: { plugin = "echo"; listen = [ "tcp://:0", "udp://:0" ]; };
    wild: { plugin = "wild"; listen = [ "tcp://:0", "udp://:0" ]; };
"""
ROWS = TOGETHER + 'apart: { plugin = "echo"; listen = "tcp://:0"; pool = "apart"; };'
WHO = 'user = "nobody"; group = "nogroup";' if IS_ROOT else ""
BACK_SECONDS = soon(0.5)  # the promise is 50 ms
FAULTS = {
    "crash": (b"X", r"signal=11|exit=1"),
    "abort": (b"A", r"signal=6"),
    "exit": (b"E", r"exit=0"),
    "close": (b"C", r"descriptors were closed|exit=1"),
    "block": (b"H", r"hang_timeout"),
    "spin": (b"S", r"hang_timeout"),
}
SETTINGS = 'hang_timeout = "500ms";'


def poke(port, bytes_):
    """Sends and waits for the end, whatever it is."""
    with contextlib.suppress(OSError), connect(port) as client:
        client.sendall(bytes_)
        client.shutdown(socket.SHUT_WR)
        return read_all(client)
    return None


def greets(client):
    client.sendall(b"still here")
    equal(read_exactly(client, 10), b"still here")


def is_lost(client):
    try:
        return client.recv(1) == b""
    except ConnectionError:
        return True


def forget_reports(u):
    """A sanitizer's report of a crash that the test asked for is no finding."""
    with contextlib.suppress(OSError):
        os.truncate(u.log_path, 0)


def pool_of(u, service):
    return [row["POOL"] for row in u.list() if row["SERVICE"] == service][0]


def state_of(u, service):
    return [row["STATE"] for row in u.list() if row["SERVICE"] == service][0]


def move(u, letter=b"X"):
    """Two blames, so that wild has a pool of its own."""
    port = u.port("wild")
    poke(port, letter)
    poke(port, letter)
    wait_for(lambda: pool_of(u, "wild") == "own-wild", "wild to be moved")


# ---- plugins -----------------------------------------------------------------------------

def one_fault(letter, pattern):
    with Usherd(ROWS, SETTINGS if "hang" in pattern else "") as u, connect(u.port("apart")) as other:
        greets(other)
        echo, wild = u.port("echo"), u.port("wild")
        poke(wild, letter)
        u.wait_log(r"wild\[\d+\]: fail pool=\w+ pid=\d+ peer=127.0.0.1:\d+ reason=\"[^\"]*(%s)" % pattern)
        started = time.monotonic()
        equal(talk(echo, b"beside"), b"beside")
        assert time.monotonic() - started < BACK_SECONDS
        equal(talk(wild, b"itself"), b"itself")
        greets(other)
        poke(wild, letter)
        started = time.monotonic()
        equal(talk(echo, b"beside"), b"beside")
        assert time.monotonic() - started < BACK_SECONDS + 1.5  # some faults show after a moment
        wait_for(lambda: pool_of(u, "wild") == "own-wild", "wild to be moved")
        with connect(echo) as beside:
            greets(beside)
            for _ in range(2):
                poke(wild, letter)
                greets(beside)
        greets(other)
        equal(ask(u.port("echo", "udp"), b"datagram"), b"datagram")
        forget_reports(u)


@test
def r5_a_crash_is_contained():
    one_fault(*FAULTS["crash"])


@test
def r5_an_abort_is_contained():
    one_fault(*FAULTS["abort"])


@test
def r5_an_exit_in_a_callback_is_contained():
    one_fault(*FAULTS["exit"])


@test
def r5_closed_descriptors_are_contained():
    one_fault(*FAULTS["close"])


@test
def r5_a_callback_that_blocks_is_contained():
    one_fault(*FAULTS["block"])


@test
def r5_a_callback_that_spins_is_contained():
    one_fault(*FAULTS["spin"])


@test
def r5_a_leak_is_contained():
    if IS_SANITIZED:
        raise Skip("a sanitizer needs all the address space there is")
    limit = ("prlimit", "--data=%d" % (64 << 20))
    with Usherd(ROWS, prefix=limit) as u:
        for _ in range(2):
            poke(u.port("wild"), b"L")
            equal(talk(u.port("echo"), b"beside"), b"beside")
        u.wait_log(r"wild\[\d+\]: fail .*signal=11")
        wait_for(lambda: pool_of(u, "wild") == "own-wild", "wild to be moved")


@test
def r5_endless_output_is_contained():
    with Usherd(ROWS) as u:
        before = cpu_seconds(u.pid)
        with connect(u.port("wild")) as greedy, connect(u.port("wild")) as silent:
            greedy.sendall(b"F")
            silent.sendall(b"F")  # and never reads
            taken = 0
            while taken < 16 << 20:
                taken += len(greedy.recv(1 << 20))
                if taken % 7 == 0:
                    equal(talk(u.port("echo"), b"beside"), b"beside")
            equal(talk(u.port("echo"), b"beside"), b"beside")
        assert cpu_seconds(u.pid) - before < 1
        wait_for(lambda: u.count("wild", "ACTIVE") == 0, "its connections to end")


@test
def r5_a_hang_is_found_within_hang_timeout():
    with Usherd(ROWS, 'hang_timeout = "2s";') as u, connect(u.port("wild"), seconds=3 * DEADLINE) as client:
        greets(client)
        started = time.monotonic()
        client.sendall(b"H")
        assert is_lost(client)
        took = time.monotonic() - started  # where the master is late, too, it gives the time again
        assert 1.5 < took < (2.0 + BACK_SECONDS + 1 if IS_LONG else 3 * DEADLINE), took


def hidden_hang(letter, settings):
    rows = ('echo: { plugin = "echo"; listen = "tcp://:0"; };'
            'hides: { plugin = "hides"; listen = "tcp://:0"; };')
    # a master that is late itself gives the time again
    with Usherd(rows, settings) as u, connect(u.port("hides"), seconds=3 * DEADLINE) as client:
        equal(talk(u.port("hides"), b"x"), b"x")
        worker, = u.workers()
        client.sendall(letter)
        assert is_lost(client)
        u.wait_log(r"hides\[\d+\]: fail .*pid=%d .*no sign of life within hang_timeout" % worker)
        assert "deny" not in u.log(), u.log()
        equal(talk(u.port("hides"), b"y"), b"y")
        equal(talk(u.port("echo"), b"z"), b"z")


@test
def a_hang_that_hides_from_the_page_is_found():
    hidden_hang(b"H", 'hang_timeout = "1s";')


@test
def a_hang_that_lies_about_its_progress_is_found_later():
    hidden_hang(b"L", 'hang_timeout = "200ms";')


@test
def a_worker_at_rest_is_not_asked_whether_it_hangs():
    def switches():
        status = status_of(worker)
        return [int(status[kind]) for kind in ("voluntary_ctxt_switches", "nonvoluntary_ctxt_switches")]

    def has_slept():
        before = switches()
        select.select([], [], [], 1.5)  # more than from one look to the next
        return switches() == before

    with Usherd('echo: { plugin = "echo"; listen = "tcp://:0"; };', SETTINGS) as u:
        with connect(u.port("echo")) as client:
            greets(client)
            worker, = u.workers()
            wait_for(has_slept, "the worker to be left alone")
            greets(client)


@test
def a_constructor_that_crashes_in_workers_changes_nothing():
    bad = 'bad: { plugin = "crash_in_worker"; listen = "tcp://:0"; };'
    code, said = refused(ROWS + bad)
    equal(code, 3)
    assert re.search(r"pool \w+: bad: signal=6", said), said
    with Usherd(ROWS) as u, connect(u.port("echo")) as held:
        greets(held)
        u.table(ROWS + bad)
        equal(u.ctl("reload", check=False).returncode, 3)
        greets(held)
        equal(talk(u.port("echo"), b"on"), b"on")


@test
def what_a_plugin_writes_while_it_is_looked_at_reaches_nobody():
    rows = 'scribbles: { plugin = "scribbles"; listen = "tcp://:0"; };'
    with Usherd(ROWS) as u:
        u.table(ROWS + rows)
        equal(u.ctl("check").returncode, 0)
        for worker in u.workers():  # the master gives their places in its memory to others
            os.kill(worker, signal.SIGKILL)
            wait_for(lambda: not is_alive(worker), "the worker to end")
        equal(talk(u.port("echo"), b"still"), b"still")
        equal(talk(u.port("apart"), b"here"), b"here")


@test
def who_cannot_open_again_is_moved_and_the_rest_is_served():
    with Usherd(start=False) as u:
        marker = os.path.join(u.dir, "marker")
        u.table(ROWS.replace('"wild";', '"wild"; options = { open = "%s"; };' % marker))
        u.start()
        echo = u.port("echo")
        with open(marker, "w"):
            pass
        poke(u.port("wild"), b"X")
        wait_for(lambda: pool_of(u, "wild") == "own-wild", "wild to be moved")
        equal(talk(echo, b"beside"), b"beside")
        wait_for(lambda: u.log().count("fail pool=own-wild") > 2, "it to fail on its own")
        equal(talk(echo, b"beside"), b"beside")
        os.unlink(marker)
        equal(talk(u.port("wild"), b"back"), b"back")
        equal(pool_of(u, "wild"), "own-wild")
        forget_reports(u)


# ---- the row that is moved ---------------------------------------------------------------

@test
def f20_only_the_moved_row_is_held_longer_each_time_and_its_callers_wait():
    with Usherd(ROWS) as u:
        wild, echo = u.port("wild"), u.port("echo")
        move(u)
        began, ended = [], []
        for _ in range(4):
            began.append(time.monotonic())
            poke(wild, b"X")  # the hold, then the crash
            ended.append(time.monotonic())
            started = time.monotonic()
            equal(talk(echo, b"beside"), b"beside")
            assert time.monotonic() - started < BACK_SECONDS
        for number, hold in ((1, 0.2), (2, 0.4), (3, 0.8)):  # from one crash to the next
            assert ended[number] - began[number - 1] > 0.95 * hold, (began, ended)
        # where we come too late to see it, it crashes once more
        wait_for(lambda: state_of(u, "wild") == "held" or poke(wild, b"X"), "the master to hold it")
        with connect(wild) as queued:  # the kernel takes it in at once
            queued.sendall(b"queued")
            equal(read_exactly(queued, 6), b"queued")
        lines = re.findall(r"(\S+) warning pool\[\d+\]: hold pool=own-wild for_ms=(\d+) left_out=\d+", u.log())
        assert len(lines) >= 2, u.log()
        seconds = [float(line[0].rsplit(":", 1)[1].rstrip("Z")) for line in lines]
        assert all((b - a) % 60 >= 0.9 for a, b in zip(seconds, seconds[1:])), lines
        forget_reports(u)


@test
def status_tells_whom_it_blames_and_how_long_it_is_held():
    with Usherd(ROWS) as u:
        def told(name):
            services = json.loads(u.ctl("status", "--json").stdout)["services"]
            return [service for service in services if service["name"] == name][0]

        equal((told("wild")["blames"], told("wild")["moved"]), (0, False))
        move(u)
        wild = wait_for(lambda: told("wild")["state"] == "ready" and told("wild"), "wild to be ready")
        equal((wild["blames"], wild["moved"], wild["pool"], wild["workers"]), (2, True, "own-wild", 1))
        crashes = ["X", "X"]
        for letter in crashes:
            poke(u.port("wild"), letter.encode())

        def is_held():  # if we come too late to see it, it crashes once more
            poke(u.port("wild"), b"X")
            crashes.append("X")
            said = told("wild")
            return said["held_ms"] > 0 and said

        wild = wait_for(is_held, "wild to be held")
        assert wild["held_ms"] <= 100 << len(crashes), wild
        equal((wild["state"], wild["blames"], wild["workers"]), ("held", 2 + len(crashes), 0))
        equal([told("echo")[key] for key in ("state", "blames", "moved")], ["ready", 0, False])
        u.reload()
        equal([told("wild")[key] for key in ("state", "blames", "moved", "held_ms")],
              ["ready", 0, False, 0])
        forget_reports(u)


@test
def listeners_of_every_kind_survive_a_move():
    with Usherd(start=False) as u:
        path, name = os.path.join(u.dir, "socket"), "usher-%d" % os.getpid()
        u.table(ROWS.replace('wild"; listen = [', 'wild"; listen = [ "unix://%s", "unix://@%s",'
                             ' "tcp://127.0.0.1:0",' % (path, name)))
        u.start()
        before = u.endpoints("wild")
        move(u)
        equal(u.endpoints("wild"), before)
        for address in (path, "\0" + name):
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(DEADLINE)
                client.connect(address)
                greets(client)
        u.reload()
        equal(u.endpoints("wild"), before)
        equal(talk(u.port("wild"), b"back"), b"back")
        forget_reports(u)


@test
def a_reload_brings_the_moved_row_back_with_its_connections():
    with Usherd(ROWS) as u:
        wild = u.port("wild")
        move(u)
        with connect(wild) as client, connect(u.port("echo")) as beside:
            greets(client)
            greets(beside)
            u.reload()
            equal(pool_of(u, "wild"), pool_of(u, "echo"))
            greets(client)
            greets(beside)
            equal(talk(wild, b"new"), b"new")
        wait_for(lambda: len(u.workers()) == 2, "the old workers to end")
        poke(wild, b"X")  # forgotten: this is the first again
        u.wait_log(r"wild\[\d+\]: fail pool=(?!own)\w+")
        equal(talk(wild, b"new"), b"new")
        equal(pool_of(u, "wild"), pool_of(u, "echo"))
        forget_reports(u)


@test
def a_reload_that_fails_leaves_the_moved_row_where_it_is():
    with Usherd(ROWS) as u:
        move(u)
        u.table(ROWS + "nonsense")
        equal(u.ctl("reload", check=False).returncode, 1)
        u.table(ROWS + 'bad: { plugin = "open_fails"; listen = "tcp://:0"; };')
        equal(u.ctl("reload", check=False).returncode, 3)
        equal(pool_of(u, "wild"), "own-wild")
        equal(talk(u.port("wild"), b"on"), b"on")
        equal(talk(u.port("echo"), b"on"), b"on")
        forget_reports(u)


def connect_to_each(workers, port, count):
    """Connections that are spread over all workers: the others sleep while one accepts."""
    clients = []
    for awake in workers:
        asleep = [pid for pid in workers if pid != awake]
        for pid in asleep:
            os.kill(pid, signal.SIGSTOP)
        try:
            for _ in range(count):
                clients.append(connect(port))
                greets(clients[-1])
        finally:
            for pid in asleep:
                os.kill(pid, signal.SIGCONT)
    return clients


@test
def a_move_cuts_no_connection_of_others_in_living_workers():
    with Usherd(TOGETHER, 'workers = 3; hang_timeout = "1m";') as u:  # nobody wakes who sleeps
        echo, wild = u.port("echo"), u.port("wild")
        pool, workers = pool_of(u, "echo"), u.workers()
        clients = connect_to_each(workers, echo, 4)
        for _ in range(2):
            poke(wild, b"X")
        wait_for(lambda: pool_of(u, "wild") == "own-wild", "wild to be moved")
        dead = len(set(re.findall(r"end pool=%s pid=(\d+) (?:signal|exit=1)" % pool, u.log())))
        equal(dead, 2)
        kept = 0
        for client in clients:
            with contextlib.suppress(AssertionError, OSError):
                greets(client)
                kept += 1
        # the second may have been the first one's successor, who served nobody else
        equal(kept, 4 * sum(is_alive(pid) for pid in workers))
        assert kept > 0
        for _ in range(3):
            poke(wild, b"X")
        again = 0
        for client in clients:
            with contextlib.suppress(AssertionError, OSError):
                greets(client)
                again += 1
            client.close()
        equal(again, kept)
        forget_reports(u)


@test
def a_row_alone_in_its_pool_is_held_where_it_is():
    rows = ROWS + 'alone: { plugin = "wild"; listen = "tcp://:0"; pool = "alone"; };'
    with Usherd(rows) as u:
        port = u.port("alone")
        for _ in range(3):
            poke(port, b"X")
        u.wait_log(r"hold pool=alone for_ms=100")
        equal(pool_of(u, "alone"), "alone")
        equal(talk(port, b"back"), b"back")
        forget_reports(u)


@test
def two_rows_to_blame_get_a_pool_each():
    rows = ROWS + 'savage: { plugin = "wild"; listen = "tcp://:0"; };'
    with Usherd(rows) as u:
        for _ in range(2):
            for name in ("wild", "savage"):
                poke(u.port(name), b"X")
        wait_for(lambda: (pool_of(u, "wild"), pool_of(u, "savage")) == ("own-wild", "own-savage"),
                 "both to be moved")
        for name in ("echo", "wild", "savage"):
            equal(talk(u.port(name), b"on"), b"on")
        forget_reports(u)


@test
def who_can_make_a_worker_fall_can_stop_neither_start_nor_reload():
    stop, port = threading.Event(), free_port()
    rows = ROWS.replace('plugin = "wild"; listen = [ "tcp://:0"', 'plugin = "wild"; listen = [ "tcp://:%d"' % port)

    def attack():
        while not stop.is_set():
            poke(port, b"X")

    def end_attack():
        stop.set()
        for attacker in attackers:
            attacker.join()

    attackers = [threading.Thread(target=attack) for _ in range(2)]
    for attacker in attackers:
        attacker.start()
    try:
        with Usherd(rows) as u:
            for number in range(12):
                u.table(rows.replace("echo: { ", "echo: { max_connections = %d; " % (500 + number)))
                u.ctl("reload")
                equal(talk(u.port("apart"), b"on"), b"on")
            wait_for(lambda: pool_of(u, "wild") == "own-wild", "the row to be moved")
            equal(talk(u.port("echo"), b"on"), b"on")
            end_attack()
            forget_reports(u)
    finally:
        end_attack()


@test
def callers_lose_nothing_while_a_row_is_moved_and_reloaded_again_and_again():
    failures, stop = [], threading.Event()

    def load(port):
        while not stop.is_set():
            try:
                equal(talk(port, b"load"), b"load")
            except Exception as problem:  # any is a finding
                failures.append(repr(problem))

    with Usherd(ROWS) as u:
        threads = [threading.Thread(target=load, args=(u.port("apart"),)) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(6):
                for _ in range(3):
                    poke(u.port("wild"), b"X")
                u.signal(signal.SIGHUP)
                poke(u.port("wild"), b"X")
                equal(talk(u.port("echo"), b"on"), b"on")
                u.reload()
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        equal(failures, [])
        equal(talk(u.port("wild"), b"on"), b"on")
        forget_reports(u)


@test
def it_ends_well_while_a_row_is_held():
    with Usherd(ROWS) as u:
        move(u)
        for _ in range(3):
            poke(u.port("wild"), b"X")
        forget_reports(u)


@test
def a_moved_row_is_still_reached_through_tcpmux():
    rows = """
        mux: { plugin = "tcpmux"; listen = "tcp://:0"; };
        echo: { plugin = "echo"; listen = "tcp://:0"; };
        wild: { plugin = "wild"; listen = "tcp://:0"; tcpmux = true; };
    """
    with Usherd(rows) as u:
        move(u)

        def reach():
            said = poke(u.port("mux"), b"wild\r\nhello")
            return said is not None and said.startswith(b"+") and said.endswith(b"hello")

        wait_for(reach, "the moved row behind tcpmux")
        forget_reports(u)


# ---- counts, channels, children ----------------------------------------------------------

@test
def b10_sessions_that_all_crash_leave_no_count_behind():
    rows = ROWS + """
        forked: { plugin = "wild"; mode = "fork"; listen = "tcp://:0"; max_connections = 20; };
        once: { exec = [ "/bin/sh", "-c", "kill -SEGV $$" ]; listen = "tcp://:0"; max_connections = 20; %s };
    """ % WHO
    sessions = 100 if IS_SANITIZED else 500
    with Usherd(rows) as u:
        def crash_many(name):
            for _ in range(sessions):
                poke(u.port_known[name], b"X")

        u.port_known = {name: u.port(name) for name in ("forked", "once")}
        threads = [threading.Thread(target=crash_many, args=(name,)) for name in u.port_known]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for name in u.port_known:
            wait_for(lambda: u.count(name, "ACTIVE") == 0, "no session of %s" % name)
            equal(u.count(name, "ACCEPTED"), sessions)
        for _ in range(3):
            poke(u.port("wild"), b"X")
        wait_for(lambda: u.count("wild", "ACTIVE") == 0, "no connection of wild")
        equal(talk(u.port("echo"), b"on"), b"on")
        forget_reports(u)


@test
def c8_c9_c10_a_lying_worker_changes_nothing_in_the_master():
    with Usherd(ROWS) as u:
        listed = u.list()
        wait_rest(u.pid)
        before = len(descriptors_of(u.pid)) if IS_ROOT else 0
        port = u.port("wild")
        with connect(u.port("apart")) as other:
            for _ in range(5):
                poke(port, b"G")
                greets(other)
                equal(talk(u.port("echo"), b"beside"), b"beside")
        u.wait_log(r"deny pool=\w+ pid=\d+ reason=.* left_out=\d+")
        rows = [[row[key] for key in ("SERVICE", "ENDPOINT", "POOL", "WAY")] for row in u.list()]
        equal(rows, [[row[key] for key in ("SERVICE", "ENDPOINT", "POOL", "WAY")] for row in listed])
        wait_rest(u.pid)
        if IS_ROOT:
            assert len(descriptors_of(u.pid)) <= before, (before, descriptors_of(u.pid))
        u.reload()
        equal(talk(port, b"itself"), b"itself")


@test
def b22_c9_a_worker_that_floods_the_log_is_cut_short():
    with Usherd(ROWS) as u:
        started = time.monotonic()
        for _ in range(10):
            poke(u.port("wild"), b"V")
            equal(talk(u.port("apart"), b"apart"), b"apart")
        wait_rest(u.pid)
        seconds = time.monotonic() - started
        lines = u.log().count(": flood")
        assert 0 < lines < 300 * (seconds + 1), "%d lines in %.1f s" % (lines, seconds)
        wait_for(lambda: poke(u.port("wild"), b"V") is not None
                 and re.search(r'deny pool=\w+ pid=\d+ reason="too many lines for the log" left_out=\d{3}', u.log()),
                 "it to be said")


@test
def a_worker_that_somebody_stopped_goes_on_and_nobody_is_blamed():
    with Usherd(TOGETHER, 'hang_timeout = "500ms";') as u:
        worker = u.workers()[0]
        equal(talk(u.port("echo"), b"on"), b"on")
        for is_at_rest in (False, True):
            if is_at_rest:  # and would not be looked at
                wait_for(lambda: "rests" in u.ctl("status").stdout, "it to rest")
            os.kill(worker, signal.SIGSTOP)
            equal(talk(u.port("echo"), b"on"), b"on")
        equal(u.log().count("continue pool="), 2)
        equal(u.workers(), [worker])
        equal(pool_of(u, "wild"), pool_of(u, "echo"))
        assert "fail" not in u.log(), u.log()


class Freezer:
    """A control group of its own, of either version; for whom it is made is frozen in it."""

    def __init__(self):
        for top, file, words in (("/sys/fs/cgroup/freezer", "freezer.state", ("FROZEN", "THAWED")),
                                 ("/sys/fs/cgroup", "cgroup.freeze", ("1", "0"))):
            self.top, self.words = top, words
            self.place = os.path.join(top, "usher-test-%d" % os.getpid())
            self.file = os.path.join(self.place, file)
            with contextlib.suppress(OSError):
                os.mkdir(self.place)
                if os.path.exists(self.file):
                    return
                os.rmdir(self.place)
        raise Skip("nobody can be frozen here")

    def move(self, folder, pids):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                with open(os.path.join(folder, "cgroup.procs"), "w") as file:
                    file.write(str(pid))

    def freeze(self, on):
        with open(self.file, "w") as file:
            file.write(self.words[0 if on else 1])

    def end(self):
        self.freeze(False)
        with open(os.path.join(self.place, "cgroup.procs")) as file:
            self.move(self.top, [int(line) for line in file])
        os.rmdir(self.place)


@test
def after_a_freeze_nobody_is_blamed_for_the_time():
    freezer = Freezer()
    with Usherd(TOGETHER) as u, connect(u.port("wild")) as client:
        def is_met():
            client.sendall(b"W")
            if "wild, " in u.ctl("status").stdout:
                return True
            equal(read_exactly(client, 1), b"W")  # it was faster than we are
            return False

        pids = [u.pid, *u.workers()]
        try:
            freezer.move(freezer.place, pids)
            wait_for(is_met, "it to be in a callback")
            freezer.freeze(True)
            time.sleep(3.5)  # longer than hang_timeout and a look
            freezer.freeze(False)
            equal(read_exactly(client, 1), b"W")
            equal([u.pid, *u.workers()], pids)
        finally:
            freezer.end()


@test
def f6_children_that_exit_together_leave_no_zombie():
    rows = 'many: { exec = [ "/bin/cat" ]; listen = "tcp://:0"; max_connections = 300; %s };' % WHO
    count = 60 if IS_SANITIZED else 200
    with Usherd(rows) as u:
        worker = u.workers()[0]
        clients = [connect(u.port("many")) for _ in range(count)]
        wait_for(lambda: len(children_of(worker)) == count, "all children")
        children = children_of(worker)
        for pid in children[::10]:
            os.kill(pid, signal.SIGSTOP)
        for pid in children[::10]:
            os.kill(pid, signal.SIGCONT)
        for client in clients:
            client.shutdown(socket.SHUT_RDWR)
        for client in clients:
            client.close()
        wait_for(lambda: not children_of(worker), "no child and no zombie")
        wait_for(lambda: u.count("many", "ACTIVE") == 0, "no slot to be taken")
        equal(u.workers(), [worker])


@test
def f6_a_stranger_that_becomes_our_child_is_reaped():
    """A program in the background is left to the master, which started nothing of that pid."""
    rows = ('back: { exec = [ "/bin/sh", "-c", "sleep 0.2 >/dev/null 2>&1 </dev/null & echo $!" ];'
            ' listen = "tcp://:0"; %s };' % WHO)
    with Usherd(rows) as u:
        strangers = [int(talk(u.port("back"), half_close=False)) for _ in range(5)]
        wait_for(lambda: not [pid for pid in strangers if status_of(pid)], "no zombie")
        equal(len(u.workers()), 1)


# ---- programs ----------------------------------------------------------------------------

@test
def r5_a_program_that_dies_at_once_costs_its_caller():
    rows = ROWS + 'dies: { exec = "/bin/false"; listen = "tcp://:0"; %s };' % WHO
    with Usherd(rows) as u:
        workers = u.workers()
        for _ in range(100):
            poke(u.port("dies"), b"")
        equal(talk(u.port("echo"), b"beside"), b"beside")
        equal(u.workers(), workers)
        wait_for(lambda: u.count("dies", "ACTIVE") == 0, "its children to be gone")


@test
def r5_a_program_that_ignores_term_is_killed():
    rows = """
        deaf: { exec = [ "/bin/sh", "-c", "trap '' TERM; echo $$; while :; do sleep 1; done" ];
                listen = "tcp://:0"; total_timeout = "200ms"; %s };
    """ % WHO
    with Usherd(rows) as u, contextlib.ExitStack() as stack:
        def deaf():  # TERM may come before it has its trap
            return stack.enter_context(connect(u.port("deaf"))).makefile().readline()

        pid = int(wait_for(deaf, "one to say who it is"))
        assert is_alive(pid)
        wait_for(lambda: not is_alive(pid), "the child to be killed")
        wait_for(lambda: u.count("deaf", "ACTIVE") == 0, "its place to be free")


@test
def r5_a_program_that_fills_stderr_slows_nobody():
    rows = ROWS + 'loud: { exec = [ "/bin/sh", "-c", "yes >&2" ]; listen = "tcp://:0"; %s };' % WHO
    with Usherd(rows) as u:
        with connect(u.port("loud")):
            wait_for(lambda: u.count("loud", "ACTIVE") == 1, "the program")
            for _ in range(50):
                equal(talk(u.port("echo"), b"beside"), b"beside")
            assert os.path.getsize(u.log_path) < 8 << 20, os.path.getsize(u.log_path)
            child = wait_for(lambda: [pid for pid in descendants_of(u.pid) if status_of(pid).get("Name") == "yes"],
                             "the program that it runs")[0]
            os.kill(child, signal.SIGKILL)
        wait_for(lambda: u.count("loud", "ACTIVE") == 0, "the program to end")


@test
def children_of_a_killed_worker_go_on_and_end_with_the_daemon():
    rows = 'cat: { exec = "/bin/cat"; listen = "tcp://:0"; %s };' % WHO
    u = Usherd(rows, 'drain_timeout = "300ms";')
    try:
        clients = [connect(u.port("cat")) for _ in range(3)]
        for client in clients:
            greets(client)
        worker = u.workers()[0]
        children = children_of(worker)
        equal(len(children), 3)
        os.kill(worker, signal.SIGKILL)
        u.wait_log(r"hold pool=exec-\w+ orphans=3")
        for client in clients:
            greets(client)
        clients[0].close()
        wait_for(lambda: len([pid for pid in children if status_of(pid)]) == 2, "one to end by itself")
        equal(talk(u.port("cat"), b"new"), b"new")
        u.stop()
        equal([pid for pid in children if is_alive(pid)], [])
    finally:
        u.clean()


@test
def children_of_a_killed_worker_end_with_their_row():
    rows = 'cat: { exec = "/bin/cat"; listen = "tcp://:0"; %s };' % WHO
    with Usherd(rows + ROWS, 'drain_timeout = "300ms";') as u, connect(u.port("cat")) as client:
        greets(client)
        worker = [pid for pid in u.workers() if children_of(pid)][0]
        child = children_of(worker)[0]
        os.kill(worker, signal.SIGKILL)
        u.wait_log(r"orphans=1")
        u.reload()
        greets(client)
        u.table(ROWS)
        u.reload()
        wait_for(lambda: not status_of(child), "the child to end with its row")
        assert is_lost(client)


run()
