#!/usr/bin/env python3
"""The master at awkward moments: told to end while it starts or reloads, orphans, lost callers."""
import os
import re
import signal
import stat
import subprocess
import threading
import time

from usher_live import *  # noqa: F403 - the test vocabulary

ECHO = 'echo: { plugin = "echo"; listen = "tcp://:0"; };'
SLOW = 'slow: { plugin = "hang_in_constructor"; listen = "tcp://:0"; };'
# Accepts for ever, says its pid, and does not care for SIGTERM.
STUBBORN = """#!/usr/bin/env python3
import os, signal, socket
signal.signal(signal.SIGTERM, signal.SIG_IGN)
s = socket.socket(fileno=os.dup(0))
while True:
    c, _ = s.accept()
    c.sendall(b"%d" % os.getpid())
    c.close()
"""


def at_once(seconds):
    """Beside other tests only who hangs is found."""
    return seconds if IS_LONG and not IS_SANITIZED else 3 * DEADLINE


def start_usherctl(u, *words):
    return subprocess.Popen([USHERCTL, "-s", u.control, *words], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def reader_runs(u):
    """Its pid, and its catalogue's: a child's child. Workers have none here. One look, since what hangs in the
    catalogue does so for three seconds."""
    known = families()
    for pid in known.get(u.pid, []):
        if pid in known:
            return [pid, *known[pid]]
    return []


def ends_well(u, left):
    """Told to end while the reader hangs: at once, and the reader too."""
    started = time.monotonic()
    u.signal(signal.SIGTERM)
    equal(u.process.wait(3 * DEADLINE), 0)
    assert time.monotonic() - started < at_once(2)
    wait_for(lambda: not any(is_alive(pid) for pid in left), "the reader to end")
    u.stop()


@test
def told_to_end_while_it_starts_it_ends_well():
    u = Usherd(SLOW, start=False)
    try:
        u.start(wait=False)
        ends_well(u, wait_for(lambda: reader_runs(u), "the reader"))
        assert "told to end before it was ready" in u.log(), u.log()
    finally:
        u.clean()


@test
def told_to_end_in_a_reload_it_ends_and_says_so_to_who_asked():
    with Usherd(ECHO) as u:
        u.table(ECHO + SLOW)
        asking = start_usherctl(u, "reload")
        ends_well(u, wait_for(lambda: reader_runs(u), "the reader"))
        said = asking.communicate(timeout=DEADLINE)[1]
        equal(asking.returncode, 3)
        assert "usherd is ending" in said, said


@test
def a_drain_refuses_reloads():
    u = Usherd(ECHO, 'drain_timeout = "1m";')
    try:
        with connect(u.port("echo")) as held:
            held.sendall(b"1")
            equal(read_exactly(held, 1), b"1")
            u.signal(signal.SIGTERM)
            u.wait_log("drain timeout_ms")
            done = u.ctl("reload", check=False)
            equal(done.returncode, 3)
            assert "usherd is ending" in done.stderr, done.stderr
            held.sendall(b"2")
            equal(read_exactly(held, 1), b"2")
        u.stop()
    finally:
        u.clean()


@test
def the_second_term_ends_it_at_once():
    u = Usherd(ECHO, 'drain_timeout = "1m";')
    try:
        with connect(u.port("echo")) as held:
            held.sendall(b"1")
            equal(read_exactly(held, 1), b"1")
            u.signal(signal.SIGTERM)
            u.wait_log("drain timeout_ms")
            started = time.monotonic()
            u.stop()
            assert time.monotonic() - started < at_once(3)
    finally:
        u.clean()


@test
def reloads_in_a_reload_are_all_answered():
    with Usherd(ECHO) as u:
        asking = [start_usherctl(u, "reload") for _ in range(8)]
        for one in asking:
            said = one.communicate(timeout=DEADLINE * 3)
            equal((one.returncode, said), (0, ("reloaded\n", "")))
        equal(talk(u.port("echo"), b"on"), b"on")


@test
def who_asked_and_left_disturbs_nobody():
    with Usherd(ECHO) as u:
        u.table(ECHO + SLOW)
        for command in ("reload", "check", "reload"):
            asking = start_usherctl(u, command)
            wait_for(lambda: reader_runs(u), "the reader")
            asking.kill()
            asking.communicate()
        u.table(ECHO)
        u.reload()
        equal(talk(u.port("echo"), b"on"), b"on")


@test
def a_stubborn_orphan_is_ended_with_the_daemon():
    u = Usherd(start=False)
    program_path = os.path.join(u.dir, "stubborn")
    with open(program_path, "w") as file:
        file.write(STUBBORN)
    os.chmod(program_path, stat.S_IRWXU | 0o55)
    who = 'user = "nobody"; group = "nogroup";' if IS_ROOT else ""
    u.table('w: { exec = "%s"; wait = true; listen = "tcp://:0"; %s };' % (program_path, who),
            'drain_timeout = "100ms";')
    try:
        u.start()
        port = u.port("w")
        child = int(talk(port, half_close=False))
        worker = int(status_of(child)["PPid"])
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: status_of(child).get("PPid") == str(u.pid), "the child to be an orphan")
        u.wait_log(r"hold pool=w orphan=%d" % child)
        equal(int(talk(port, half_close=False)), child)
        u.signal(signal.SIGTERM)
        wait_for(lambda: u.process.poll() is not None, "usherd to end")
        equal(u.process.returncode, 0)
        assert not is_alive(child)
    finally:
        u.clean()


# A shell with jobs that becomes usherd. The last job's own child is usherd's a moment later.
JOBS = """sleep 301 & echo $!; setsid sleep 302 & echo $!
(sleep 303 & echo $!; read line) < %s & exec "$@" """


@test
def children_that_were_there_before_it_are_left_alone():
    who = 'user = "nobody"; group = "nogroup";' if IS_ROOT else ""
    u = Usherd('p: { exec = [ "/bin/sleep", "300" ]; listen = "tcp://:0"; %s };' % who, start=False)
    door = os.path.join(u.dir, "door")
    os.mkfifo(door)
    u.prefix = ["/bin/sh", "-c", JOBS % door, "sh"]
    strangers = []
    try:
        u.start()
        open(door, "w").close()
        wait_for(lambda: len(re.findall(r"(?m)^\d+$", u.log())) == 3, "the jobs")
        strangers = [int(word) for word in re.findall(r"(?m)^\d+$", u.log())]
        wait_for(lambda: set(strangers) <= set(children_of(u.pid)), "the job's child to be ours")

        def others():
            return [pid for pid in u.workers() if pid not in strangers]

        wait_for(lambda: len(others()) == 1, "the shell between them to be collected")
        worker, = others()
        with connect(u.port("p")):
            left, = wait_for(lambda: [pid for pid in children_of(worker) if status_of(pid).get("Name") == "sleep"],
                             "the program")
            os.kill(worker, signal.SIGKILL)
            u.wait_log("hold pool=\\S+ orphans=1")
        u.signal(signal.SIGTERM)
        equal(u.process.wait(DEADLINE), 0)
        assert not is_alive(left)
        assert all(is_alive(pid) for pid in strangers), strangers
    finally:
        for pid in strangers:
            os.kill(pid, signal.SIGKILL)
        u.stop()
        u.clean()


@test
def a_row_becomes_a_wait_row_and_back():
    who = 'user = "nobody"; group = "nogroup";' if IS_ROOT else ""
    cat = 'w: { exec = "/bin/cat"; listen = "tcp://:0"; %s };' % who
    once = ('w: { exec = [ "/usr/bin/python3", "-c", "import socket; s = socket.socket(fileno=0);'
            ' c = s.accept()[0]; c.sendall(b\'waited\')" ];'
            ' wait = true; listen = "tcp://:0"; %s };' % who)
    with Usherd(cat) as u:
        port = u.port("w")
        for _ in range(3):
            u.table(once)
            u.reload()
            equal(talk(port, half_close=False), b"waited")
            u.table(cat)
            u.reload()
            equal(talk(port, b"at once"), b"at once")


@test
def no_caller_is_lost_over_reloads_that_fail_late():
    """One pool is ready, and may have callers, when another one fails."""
    failures, stop = [], threading.Event()

    def load(port):
        while not stop.is_set():
            try:
                equal(talk(port, b"during"), b"during")
            except Exception as problem:
                failures.append(repr(problem))

    with Usherd(ECHO) as u:
        port = u.port("echo")
        threads = [threading.Thread(target=load, args=(port,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            for number in range(15):
                u.table(ECHO.replace("};", 'idle_timeout = "%dm"; };' % (2 + number))
                        + 'bad: { plugin = "open_fails"; listen = "tcp://:0"; pool = "b"; };')
                equal(u.ctl("reload", check=False).returncode, 3)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        equal(failures, [])
        wait_for(lambda: len(u.workers()) == 1, "the given up workers to end")


@test
def names_of_rows_never_run_out():
    def table(start):
        return "".join('n%d: { plugin = "echo"; listen = "unix://@usher-%d-%d"; };\n'
                       % (n, os.getpid(), n) for n in range(start, start + 400))

    with Usherd(table(0)) as u:
        for start in range(400, 2000, 400):
            u.table(table(start))
            u.reload()
        equal(len(u.list()), 400)


@test
def a_background_daemon_needs_a_log_of_its_own():
    code, said = refused(ECHO, args=["-d"])
    equal(code, 1)
    assert "log.to" in said, said


@test
def a_log_that_cannot_be_opened_is_refused():
    settings = 'log = { to = "/nosuchdir/log"; };\n'
    for args in ((), ("-d",)):
        code, said = refused(ECHO, settings=settings, args=args)
        equal((args, code), (args, 3))
        assert "open log /nosuchdir/log: No such file or directory" in said, said
    with Usherd(ECHO) as u:
        u.table(ECHO, settings)
        done = u.ctl("reload", check=False)
        equal(done.returncode, 3)
        assert "open log /nosuchdir/log" in done.stderr, done.stderr
        equal(talk(u.port("echo"), b"goes on"), b"goes on")


@test
def no_reload_takes_the_log_from_a_background_daemon():
    u = Usherd(ECHO, start=False)
    pid_file = os.path.join(u.dir, "pid")
    u.table(ECHO, 'log: { to = "%s/file.log"; };' % u.dir)
    try:
        equal(subprocess.run(u.command("-d", "--pid-file", pid_file)).returncode, 0)
        pid = int(open(pid_file).read())
        try:
            u.table(ECHO, "")
            done = u.ctl("reload", check=False)
            equal(done.returncode, 1)
            assert "log.to" in done.stdout + done.stderr, done
        finally:
            os.kill(pid, signal.SIGTERM)
            wait_for(lambda: not is_alive(pid), "the daemon to end")
    finally:
        u.clean()


run()
