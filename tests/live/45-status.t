#!/usr/bin/env python3
"""usherctl looking: what status tells is true, and asking holds nobody up, however often or badly."""
import collections
import concurrent.futures
import contextlib
import grp
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from usher_live import *  # noqa: F403 - the test vocabulary

ROWS = """
    echo: { plugin = "echo"; listen = [ "tcp://:0", "udp://:0" ]; };
    crash: { plugin = "crash_on_data"; listen = "tcp://:0"; pool = "wild"; };
    hang: { plugin = "hang_on_data"; listen = "tcp://:0"; pool = "stuck"; };
    later: { plugin = "echo"; listen = "tcp://:0"; enabled = false; };
"""
ECHO = 'echo: { plugin = "echo"; listen = "tcp://:0"; %s };'
SLOW = 'slow: { plugin = "hang_in_constructor"; listen = "tcp://:0"; };'
PLACES = 64  # CONTROL_SESSIONS in master/control.h
STALL = 5  # seconds, STALL_MS in master/session.c
ROWS_OF_MANY = 150


def status(u):
    return json.loads(u.ctl("status", "--json").stdout)


def by_name(found, name):
    return [one for one in found if one["name"] == name][0]


def service(u, name):
    return by_name(status(u)["services"], name)


def section(text, head):
    """The lines of status from the one that begins so, to the next empty one."""
    lines = text.splitlines()
    start = [i for i, line in enumerate(lines) if line.startswith(head)][0]
    return lines[start:(lines + [""]).index("", start)]


def dial(u):
    """The control socket itself, as a client that does as it likes."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client.connect(u.control)  # waits where the kernel's queue is full
    client.settimeout(DEADLINE * 2)
    return client


def answer_of(client):
    """All records until the end, or what there is when usherd closes."""
    records = []
    while True:
        try:
            record = client.recv(1 << 17)
        except ConnectionResetError:
            return records
        if record:
            records.append(record.decode())
        if not record or record.split(b" ")[0] == b"end":
            return records


# ---- what it tells --------------------------------------------------------------------------

@test
def status_tells_the_daemon_the_services_and_the_workers_as_they_are():
    with Usherd(ROWS, loop="poll") as u:
        told, rows = status(u), u.list()
        daemon = told["usherd"]
        equal((daemon["pid"], daemon["state"], daemon["reload"]), (u.pid, "ready", "idle"))
        equal((daemon["loop"], daemon["generation"], daemon["log_lines_dropped"]), ("poll", 1, 0))
        assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", daemon["since"]), daemon
        assert 0 <= daemon["up_ms"] < 60000, daemon
        equal(sorted(worker["pid"] for worker in told["workers"]), u.workers())
        equal([one["name"] for one in told["services"]], ["echo", "crash", "hang", "later"])
        for one in told["services"]:
            mine = [row for row in rows if row["SERVICE"] == one["name"]]
            equal(one["endpoints"], [row["ENDPOINT"] for row in mine if row["ENDPOINT"] != "-"])
            equal((one["state"], one["way"]), (mine[0]["STATE"], mine[0]["WAY"]))
            equal(one["pool"] or "-", mine[0]["POOL"])
        equal(by_name(told["services"], "later")["state"], "off")
        equal({worker["pool"] for worker in told["workers"]}, {pool["name"] for pool in told["pools"]})
        assert all(worker["state"] == "ready" for worker in told["workers"]), told["workers"]
        if IS_ROOT:
            assert abs(daemon["descriptors"] - len(descriptors_of(u.pid))) <= 1, daemon


@test
def the_names_in_json_stay():
    names = {
        "usherd": "version pid state since up_ms generation loop reload log_lines_dropped descriptors"
                  " descriptors_limit",
        "services": "name row way state held_ms pool generation workers draining_workers blames moved"
                    " active accepted failed refused replied dropped bytes_in bytes_out refused_by"
                    " dropped_by endpoints",
        "pools": "name generation state services workers sandbox",
        "workers": "pid pool generation state held_ms up_ms now",
    }
    with Usherd(ROWS) as u:
        told = status(u)
        equal(list(told), list(names))
        for part, want in names.items():
            for one in told[part] if isinstance(told[part], list) else [told[part]]:
                equal(list(one), want.split())
        equal(json.loads(u.ctl("--json", "list").stdout)["services"][0]["name"], "echo")
        with open(os.path.join(SOURCE, "man", "usherctl.8")) as page:
            manual = page.read()
        for name in {word for words in names.values() for word in words.split()} | set(names):
            assert re.search(r"\b%s\b" % name, manual), "%s is not in usherctl(8)" % name


@test
def counts_are_those_of_the_callers():
    with Usherd(ROWS) as u, connect(u.port("echo")) as held:
        held.sendall(b"12345")
        equal(read_exactly(held, 5), b"12345")
        equal(ask(u.port("echo", "udp"), b"678"), b"678")
        echo = wait_for(lambda: (lambda told: told["replied"] == 1 and told["bytes_out"] >= 8 and told)(
            service(u, "echo")), "the reply to be counted")
        equal((echo["active"], echo["accepted"]), (1, 2))
        equal((echo["bytes_in"], echo["bytes_out"]), (8, 8))
        equal((echo["refused"], sum(echo["refused_by"].values())), (0, 0))
        equal((echo["dropped"], sum(echo["dropped_by"].values())), (0, 0))
        held.close()
        wait_for(lambda: service(u, "echo")["active"] == 0, "the connection to be gone")


@test
def the_text_has_80_columns_and_ends_with_the_trouble():
    with Usherd(ROWS) as u:
        text = u.ctl("status").stdout
        for line in text.splitlines():
            assert len(line) <= 80 and line == line.rstrip(), line
        equal(text.splitlines()[-1].split(":")[0], "no trouble")
        assert text.startswith("usherd %s, ready, pid %d, " % (
            status(u)["usherd"]["version"], u.pid)), text
        assert section(text, "SERVICE")[1].split()[0] == "echo", text
        equal(section(text, "SERVICE")[-1].split(), ["off:", "later"])
        listens = " ".join(" ".join(section(text, "LISTENS")).split())
        for protocol in ("tcp", "udp"):
            places = [e[6:] for e in u.endpoints("echo") if e.startswith(protocol)]
            assert " %s %s" % (protocol, " ".join(places)) in listens, listens
        assert listens.startswith("LISTENS echo dispatch "), listens
        equal(len(section(text, "POOL")), 1 + len(u.workers()))


@test
def a_hold_stands_under_trouble_and_passes():
    with Usherd(ROWS) as u:
        def is_held():
            with contextlib.suppress(OSError), connect(u.port("crash")) as client:
                client.sendall(b"X")
                read_all(client)
            return service(u, "crash")["state"] == "held"

        def is_shown():
            return is_held() and re.search(r"(?m)^crash .*held, the next try is in [\d.]+s",
                                           u.ctl("status").stdout)

        wait_for(is_shown, "a hold under TROUBLE", DEADLINE * 2)
        equal(service(u, "echo")["state"], "ready")
        wait_for(lambda: service(u, "crash")["state"] == "ready", "the hold's end", DEADLINE * 2)
        open(u.log_path, "w").close()  # the sanitizers' reports were asked for


@test
def a_worker_tells_whom_it_serves_and_since_when():
    with Usherd(ROWS, 'hang_timeout = "none";') as u, connect(u.port("hang")) as client:
        client.sendall(b"H")
        busy = wait_for(lambda: [worker for worker in status(u)["workers"] if worker["now"]],
                        "a busy worker")
        equal(len(busy), 1)
        now = busy[0]["now"]
        equal((now["service"], now["peer"]), ("hang", "127.0.0.1:%d" % client.getsockname()[1]))
        wait_for(lambda: [worker["now"]["for_ms"] for worker in status(u)["workers"]
                          if worker["now"]][0] >= 150, "time to pass")
        line = [line for line in section(u.ctl("status").stdout, "POOL") if "stuck" in line][0]
        assert re.search(r"hang, 127\.0\.0\.1:%d, \d+\.\ds$" % client.getsockname()[1], line), line
        os.kill(busy[0]["pid"], signal.SIGKILL)
        wait_for(lambda: service(u, "hang")["state"] == "ready", "a new worker")


@test
def e12_nothing_that_is_shown_reaches_the_terminal_as_it_is():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        odd = folder + "/\u00e9 \u009b2J'"
        with Usherd('echo: { plugin = "echo"; listen = "unix://%s"; };' % odd) as u:
            for words in (("list",), ("status",), ("status", "--json")):
                text = u.ctl(*words).stdout
                assert all(c == "\n" or " " <= c <= "~" for c in text), (words, text)
            equal(service(u, "echo")["endpoints"], ["unix://%s/\\xc3\\xa9 \\xc2\\x9b2J'" % folder])


@test
def a_draining_generation_is_told_beside_the_new_one():
    with Usherd(ECHO % "") as u, connect(u.port("echo")) as held:
        held.sendall(b"1")
        equal(read_exactly(held, 1), b"1")
        u.table(ECHO % 'idle_timeout = "1h";', 'drain_timeout = "1m";')
        u.reload()
        told = status(u)
        equal(sorted(pool["state"] for pool in told["pools"]), ["draining", "running"])
        equal(sorted(worker["state"] for worker in told["workers"]), ["draining", "ready"])
        equal(by_name(told["services"], "echo")["draining_workers"], 1)
        equal(by_name(told["services"], "echo")["active"], 1)
        held.close()
        wait_for(lambda: len(status(u)["pools"]) == 1, "the old generation to end")


@test
def what_no_program_takes_is_told_by_reason():
    who = 'user = "nobody"; group = "nogroup";' if IS_ROOT else ""
    rows = """stream: { exec = "/bin/true"; wait = true; listen = "tcp://:0"; %s };
              packet: { exec = "/bin/true"; wait = true; listen = "udp://:0"; %s };""" % (who, who)
    with Usherd(rows) as u, connect(u.port("stream")), udp() as client:
        client.sendto(b"x", ("127.0.0.1", u.port("packet", "udp")))
        wait_for(lambda: service(u, "stream")["refused"] == 1, "the caller to be dropped")
        wait_for(lambda: service(u, "packet")["dropped"] == 1, "the datagram to be dropped")
        equal(service(u, "stream")["refused_by"]["waited"], 1)
        equal(service(u, "packet")["dropped_by"]["unwanted"], 1)
        u.wait_log(r"ended without taking what waits; dropped it\" left_out=0")


@test
def refusals_and_drops_are_told_by_reason():
    rows = """shut: { plugin = "echo"; listen = "tcp://:0"; deny = "127.0.0.0/8"; };
              small: { plugin = "daytime"; listen = "udp://:0"; };"""
    with Usherd(rows) as u:
        for _ in range(3):
            talk(u.port("shut"))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"short", ("127.0.0.1", u.port("small", "udp")))
            wait_for(lambda: service(u, "small")["dropped_by"]["longer"] == 1, "the drop")
        wait_for(lambda: service(u, "shut")["refused_by"]["denied"] == 3, "the refusals")
        for name in ("shut", "small"):
            one = service(u, name)
            equal((one["refused"], one["dropped"]),
                  (sum(one["refused_by"].values()), sum(one["dropped_by"].values())))
        text = u.ctl("status").stdout
        equal([" ".join(line.split()) for line in section(text, "TROUBLE")],
              ["TROUBLE", "shut refused 3 (denied 3)", "small dropped 1 (longer 1)"])


@test
def blames_and_moves_are_told():
    rows = """echo: { plugin = "echo"; listen = "tcp://:0"; };
              crash: { plugin = "crash_on_data"; listen = "tcp://:0"; };"""
    with Usherd(rows, allow_errors=True) as u:
        def crash():
            with contextlib.suppress(OSError), connect(u.port("crash")) as client:
                client.sendall(b"X")
                read_all(client)
            return service(u, "crash")["moved"]

        wait_for(crash, "the row to be moved")
        told = status(u)
        crash, echo = by_name(told["services"], "crash"), by_name(told["services"], "echo")
        assert crash["blames"] >= 2 and crash["pool"] != echo["pool"], (crash, echo)
        equal((echo["blames"], echo["moved"]), (0, False))
        assert "so it has a pool of its own" in " ".join(u.ctl("status").stdout.split())
        open(u.log_path, "w").close()  # the sanitizers' reports were asked for


# ---- explain ----------------------------------------------------------------------------------

RULES = """
    some: { plugin = "echo"; listen = [ "tcp://:0", "udp://:0" ]; allow = "10.0.0.0/8";
            deny = "10.9.0.0/16"; };
    home: { plugin = "echo"; listen = "tcp://*:0"; allow = "local"; };
    path: { plugin = "echo"; listen = "unix://@usher-explain-%d"; allow = "uid:1"; };
    off: { plugin = "echo"; listen = "tcp://:0"; enabled = false; };
""" % os.getpid()


@test
def explain_says_what_would_happen_and_which_rule_decides():
    with Usherd(RULES) as u:
        for words, access, verdict in (
                (("some", "10.1.2.3"), "allow 10.0.0.0/8", "served"),
                (("some", "10.1.2.3:77"), "allow 10.0.0.0/8", "served"),
                (("some", "::ffff:10.1.2.3"), "allow 10.0.0.0/8", "served"),
                (("some", "10.9.2.3"), "deny 10.9.0.0/16", "refused (denied)"),
                (("some", "192.0.2.1"), "not in allow", "refused (denied)"),
                (("home", "127.0.0.1"), "allow local", "served"),
                (("home", "192.0.2.1"), "not in allow", "refused (denied)"),
                (("home", "192.0.2.1", "192.0.2.1"), "allow local", "served"),
                (("home", "192.0.2.1", "192.0.2.2"), "not in allow", "refused (denied)"),
                (("path", "unix:1"), "allow uid:1", "served"),
                (("path", "unix:2:1"), "not in allow", "refused (denied)")):
            told = json.loads(u.ctl("explain", *words, "--json").stdout)["connections"]
            assert told["access"].startswith(access), (words, told)
            equal((words, told["verdict"]), (words, verdict))
            text = u.ctl("explain", *words).stdout
            assert re.search(r"(?m)^  verdict +%s$" % re.escape(verdict), text), text
        told = json.loads(u.ctl("explain", "some", "10.9.2.3", "--json").stdout)
        equal(told["datagrams"]["verdict"], "dropped (denied)")
        equal(json.loads(u.ctl("explain", "home", "::1", "--json").stdout)["datagrams"], None)
        equal(json.loads(u.ctl("explain", "off", "::1", "--json").stdout)["connections"]["verdict"],
              "refused (off)")


@test
def explain_says_what_a_real_caller_finds():
    with Usherd(RULES + 'one: { plugin = "echo"; listen = "tcp://:0"; max_connections = 1; };') as u:
        with connect(u.port("one")) as held:
            held.sendall(b"1")
            equal(read_exactly(held, 1), b"1")
            told = json.loads(u.ctl("explain", "one", "127.0.0.1", "--json").stdout)["connections"]
            equal(told["slots"], "1 of 1 taken")
            assert told["verdict"].startswith("waits (max_connections)"), told
        equal(talk(u.port("some")), b"")
        told = json.loads(u.ctl("explain", "some", "127.0.0.1", "--json").stdout)["connections"]
        equal(told["verdict"], "refused (denied)")


@test
def explain_names_what_it_cannot_answer():
    with Usherd(RULES) as u:
        for words, want in ((("nosuch", "::1"), 'there is no service "nosuch"'),
                            (("no\x1b[2Jsuch", "::1"), r'there is no service "no\x1b[2Jsuch"'),
                            (("some", "example.org"), '"example.org" is not a numeric address'),
                            (("some", "10.1.2"), '"10.1.2" is not a numeric address'),
                            (("some", "10.1.2.3", "here"), '"here" is not a numeric address'),
                            (("some", "unix"), "some has no endpoint for such a caller"),
                            (("path", "::1"), "path has no endpoint for such a caller"),
                            (("path", "unix:root"), 'a caller of a UNIX socket is "unix"'),
                            (("path", "unix:1:2:3"), 'a caller of a UNIX socket is "unix"'),
                            (("path", "unix:4294967295"), 'a caller of a UNIX socket is "unix"'),
                            (("some",), "explain needs a service and an address"),
                            (("some", "::1", "::1", "::1"), "too many words")):
            done = u.ctl("explain", *words, check=False)
            equal((words, done.returncode, done.stdout), (words, 2, ""))
            assert done.stderr.startswith("usherctl: " + want), (words, done.stderr)


# ---- who asks ---------------------------------------------------------------------------------

def ctl_as(u, uid, gid, *words):
    """usherctl as somebody else."""
    return subprocess.run([USHERCTL, "-s", u.control, *words], capture_output=True, text=True,
                          user=uid, group=gid, extra_groups=[], timeout=DEADLINE * 3).returncode


@test
def groups_may_look_or_act_and_others_nothing():
    if not IS_ROOT:
        raise Skip("only root can ask as somebody else")
    if not {"games", "staff"} <= {group.gr_name for group in grp.getgrall()}:
        raise Skip("there is no group games, or staff")
    with Usherd(ECHO % "", 'control_read = "games"; control_operate = "staff";') as u:
        games, staff = (grp.getgrnam(name).gr_gid for name in ("games", "staff"))
        for gid, word, want in ((games, "status", 0), (games, "list", 0), (games, "reload", 3),
                                (staff, "status", 0), (staff, "reload", 0), (65534, "status", 3),
                                (65534, "list", 3), (65534, "help", 0)):
            equal((gid, word, ctl_as(u, 65534, gid, word)), (gid, word, want))


@test
def without_roots_rights_no_group_may_look_unless_the_table_says_so():
    if not IS_ROOT:
        raise Skip("only root can ask as somebody else")
    if shutil.which("setpriv") is None:
        raise Skip("setpriv is not installed")
    for settings, want in (("", (0, 3, 3)), ('control_read = "nogroup";', (0, 0, 3)),
                           ('control_operate = "nogroup";', (0, 0, 0))):
        u = Usherd(ECHO % "", settings, start=False, prefix=(
            "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"))
        os.chown(u.dir, 65534, 65534)
        u.start()
        try:
            told = tuple(ctl_as(u, uid, 65534, word)
                         for uid, word in ((65534, "reload"), (65533, "status"), (65533, "reload")))
            equal((settings, told), (settings, want))
            u.stop()
        finally:
            u.clean()


def told_by(path, record):
    """What usherctl says to a usherd that has only this record."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
        door.bind(path)
        door.listen()
        asking = subprocess.Popen([USHERCTL, "-s", path, "list"], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE)
        door.settimeout(DEADLINE)
        caller, _ = door.accept()
        with caller:
            caller.recv(4096)
            caller.send(record)
            return asking.communicate(timeout=DEADLINE)


@test
def e12_what_a_refusal_says_cannot_steer_a_terminal():
    with tempfile.TemporaryDirectory() as folder:
        said = told_by(os.path.join(folder, "door"),
                                 rb"end status=system text=no\x20\x1b[31m\x07\x9b1m\x0abad")
    equal(said[0], b"")
    assert said[1].startswith(b"usherctl: no ") and said[1].endswith(b"bad\n"), said
    assert all(32 <= byte < 127 for byte in said[1][:-1]), said


@test
def wrong_usage_is_2():
    with Usherd(ECHO % "") as u:
        for words in ((), ("status", "more"), ("--nosuch", "status"), ("check", "--json"),
                      ("no such",), ("nosuch",), ("-s",), ("",)):
            done = subprocess.run([USHERCTL, "-s", u.control, *words], capture_output=True,
                                  text=True, timeout=DEADLINE)
            equal((words, done.returncode, done.stdout), (words, 2, ""))
            assert done.stderr.startswith("usherctl: "), done.stderr


# ---- nobody is held up ------------------------------------------------------------------------

@test
def it_answers_while_a_reload_runs():
    with Usherd(ECHO % "") as u:
        u.table(ECHO % "" + SLOW)
        asking = subprocess.Popen([USHERCTL, "-s", u.control, "reload"], stderr=subprocess.DEVNULL)
        wait_for(lambda: status(u)["usherd"]["reload"] == "reading", "the reader")
        started = time.monotonic()
        for _ in range(10):
            equal(service(u, "echo")["state"], "ready")
        if IS_LONG:  # elsewhere the reader may be through by now
            assert asking.poll() is None and time.monotonic() - started < 2
        asking.wait(DEADLINE * 3)
        equal(asking.returncode, 1)


def ask_often(u, count, parallel, words):
    with concurrent.futures.ThreadPoolExecutor(parallel) as pool:
        return collections.Counter(pool.map(
            lambda n: (lambda done: (done.returncode, done.stderr))(
                u.ctl(*words[n % len(words)], check=False)), range(count)))


@test
def three_hundred_calls_while_it_reloads_are_all_answered():
    stop, reloads = threading.Event(), []

    def reload_on():
        while not stop.is_set():
            u.table(ECHO % ("idle_timeout = \"%dm\";" % (len(reloads) % 7 + 1)))
            reloads.append(u.ctl("reload", check=False).returncode)

    with Usherd(ECHO % "") as u:
        thread = threading.Thread(target=reload_on)
        thread.start()
        try:
            said = ask_often(u, 300, 4, [("list",), ("status",), ("status", "--json")])
        finally:
            stop.set()
            thread.join()
        equal((said, set(reloads)), ({(0, ""): 300}, {0}))


@test
def more_callers_than_places_wait_for_their_turn():
    with Usherd(ECHO % "") as u:
        equal(ask_often(u, 150, 50, [("list",)]), {(0, ""): 150})
        held = [dial(u) for _ in range(PLACES)]
        waiting = subprocess.Popen([USHERCTL, "-s", u.control, "list"], stdout=subprocess.PIPE)
        try:
            waiting.wait(0.3)
            raise AssertionError("there was a place more than there is")
        except subprocess.TimeoutExpired:
            held.pop().close()
        assert b"echo" in waiting.communicate(timeout=DEADLINE)[0]
        equal(waiting.returncode, 0)
        for one in held:
            one.close()
        equal(ask_often(u, 10, 2, [("status",)]), {(0, ""): 10})


@test
def strangers_cannot_take_every_place():
    if not IS_ROOT:
        raise Skip("only root can ask as somebody else")
    with Usherd(ECHO % "", 'control_read = "games";') as u:
        ready, ready_end = os.pipe()
        stranger = os.fork()
        if stranger == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            held = [dial(u) for _ in range(2 * PLACES)]
            os.write(ready_end, b"%d" % len(held))
            signal.pause()
        try:
            equal(os.read(ready, 16), b"%d" % (2 * PLACES))
            equal(ask_often(u, 20, 4, [("status",)]), {(0, ""): 20})
        finally:
            os.kill(stranger, signal.SIGKILL)
            os.waitpid(stranger, 0)
            os.close(ready)
            os.close(ready_end)


def large_table(test):
    """300 KiB of an answer: more than a socket holds."""
    return "".join('r%d: { plugin = "echo"; listen = [ %s ]; };\n' % (row, ", ".join(
        '"unix://@usher-%s-%d-%d-%d-%s"' % (test, os.getpid(), row, number, "x" * 70) for number in range(20)))
        for row in range(ROWS_OF_MANY))


@test
def who_does_not_read_holds_nobody_up_and_is_dropped():
    with Usherd(large_table("lazy")) as u:
        def beside_a_lazy_one():
            lazy = dial(u)
            lazy.send(b"status")
            started = time.monotonic()
            rows = json.loads(u.ctl("status", "--json").stdout)["services"]
            equal((len(rows), {len(row["endpoints"]) for row in rows}), (ROWS_OF_MANY, {20}))
            return lazy if time.monotonic() - started < STALL else lazy.close()

        lazy = wait_for(beside_a_lazy_one, "an answer that does not wait for the lazy one's end", STALL * 4)
        left = select.poll()
        left.register(lazy, 0)
        wait_for(lambda: left.poll(0) == [(lazy.fileno(), select.POLLHUP)], "the lazy one to be dropped", STALL + 10)
        records = answer_of(lazy)
        assert not records[-1].startswith("end ") and len(records) < 2 * ROWS_OF_MANY, records[-1]


@test
def an_answer_in_pieces_begins_again_when_the_table_changes():
    rows = large_table("slow")
    with Usherd(rows) as u:
        for only in ("one", "two", "three", "four"):
            started = time.monotonic()
            slow = dial(u)
            slow.send(b"list")
            first = slow.recv(1 << 17).decode()
            assert first.startswith("service name="), first
            u.table('%s: { plugin = "echo"; listen = "tcp://:0"; };' % only + rows)
            u.reload()
            records = answer_of(slow)
            if time.monotonic() - started < STALL:  # or else it may have been dropped
                break
        assert "again" in records, records[-3:]
        told = records[records.index("again") + 1:]
        equal([r.split()[1] for r in told if r.startswith("service ")],
              ["name=" + only] + ["name=r%d" % row for row in range(ROWS_OF_MANY)])
        equal(records[-1], "end status=ok")


@test
def who_leaves_before_the_answer_gives_its_place_back():
    with Usherd(ECHO % "") as u:
        u.table(ECHO % "" + SLOW)
        for _ in range(2 * PLACES):
            with dial(u) as client:
                client.send(b"reload")
        equal(ask_often(u, 4, 2, [("status",)]), {(0, ""): 4})
        wait_for(lambda: status(u)["usherd"]["reload"] == "idle", "the reload's end", 30)


run()
