#!/usr/bin/env python3
"""What workers leave behind when they die: whose it is, what ends it, and what it can still touch."""
import contextlib
import ctypes
import json
import os
import re
import select
import signal

from usher_live import *  # noqa: F403 - the test vocabulary

WHO = 'user = "nobody"; group = "nogroup";' if IS_ROOT else ""
# Says the pid of what it leaves running, in a session of its own.
LEAVES = """leaves: { exec = [ "/bin/sh", "-c", "setsid sleep 300 <&- >&- 2>&- & echo $!" ];
                      listen = "tcp://:0"; %s };""" % WHO
FORKED = 'forked: { plugin = "echo"; mode = "fork"; listen = "tcp://:0"; };'
ECHO = 'echo: { plugin = "echo"; listen = "tcp://:0"; };'


def greets(client, count=10):
    client.sendall(b"x" * count)
    equal(len(read_exactly(client, count)), count)


def leave(u):
    """A daemon that a program of the row `leaves` became."""
    left = int(talk(u.port("leaves")))
    wait_for(lambda: os.getsid(left) == left, "a session of its own")
    return left


def worker_of(u, child):
    """Who started it, or has it since its starter ended: the worker, as long as that lives."""
    def parent():
        pid = int(status_of(child)["PPid"])
        return pid if pid in u.workers() else None

    return wait_for(parent, "its parent to be a worker")


def forked_child(u):
    """A connection of the row `forked`, its child and the child's worker."""
    client = connect(u.port("forked"))
    greets(client)
    return (client, *[(child, worker) for worker in u.workers() for child in children_of(worker)
                      if status_of(child).get("Name") == "usherd"][-1])


@test
def what_a_program_left_is_no_other_rows():
    with Usherd(LEAVES + FORKED + ECHO, 'drain_timeout = "300ms";') as u:
        left = leave(u)
        client, child, worker = forked_child(u)
        os.kill(worker, signal.SIGKILL)
        u.wait_log(r"hold pool=\w+-fork orphans=1\b")
        u.table(LEAVES + ECHO)
        u.reload()
        wait_for(lambda: not is_alive(child), "the child to end with its row")
        client.close()
        assert is_alive(left)
        u.stop()
        wait_for(lambda: not is_alive(left), "what is left to end with the daemon")


@test
def what_a_program_left_ends_with_its_row():
    with Usherd(LEAVES + ECHO, 'drain_timeout = "300ms";') as u:
        left = leave(u)
        u.table(LEAVES)
        u.reload()
        assert is_alive(left)
        os.kill(worker_of(u, left), signal.SIGKILL)
        u.wait_log(r"hold pool=exec-\w+ orphans=1\b")
        u.table(ECHO)
        u.reload()
        wait_for(lambda: not is_alive(left), "what is left to end with its row")


@test
def total_timeout_holds_for_the_children_of_a_dead_worker():
    row = FORKED.replace("listen =", 'total_timeout = "3s"; listen =')
    with Usherd(row + ECHO) as u:
        client, child, worker = forked_child(u)
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: not is_alive(child), "the child to be ended")
        equal(client.recv(10), b"")
        client.close()


@test
def what_an_orphan_leaves_is_an_orphan():
    rows = """leaves: { exec = [ "/bin/sh", "-c", "setsid sleep 300 <&- >&- 2>&- & echo $!; read x" ];
                        listen = "tcp://:0"; %s };""" % WHO
    with Usherd(rows + ECHO, 'drain_timeout = "300ms";') as u, connect(u.port("leaves")) as client:
        left = int(client.makefile().readline())
        os.kill(worker_of(u, int(status_of(left)["PPid"])), signal.SIGKILL)
        u.wait_log(r"hold pool=exec-\w+ orphans=1\b")
        client.sendall(b"\n")
        wait_for(lambda: len(re.findall(r"hold pool=exec-\w+ orphans=1\b", u.log())) == 2, "the second")
        u.table(ECHO)
        u.reload()
        wait_for(lambda: not is_alive(left), "what is left to end with its row")


@test
def of_those_who_die_together_nobody_takes_anothers():
    with Usherd(LEAVES + FORKED + ECHO, 'drain_timeout = "1ms";') as u:
        left = leave(u)
        client, _, worker = forked_child(u)
        workers = [worker, worker_of(u, left)]
        u.signal(signal.SIGSTOP)
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not any(is_alive(pid) for pid in workers), "both to be dead")
        u.signal(signal.SIGCONT)
        u.wait_log(r"hold pool=\S+ orphans=2\b")
        u.table(LEAVES + ECHO)
        u.reload()
        u.table(FORKED + ECHO)
        u.reload()
        u.reload()  # who had 1 ms is gone by now
        assert is_alive(left)
        client.close()
        u.stop()
        wait_for(lambda: not is_alive(left), "what is left to end with the daemon")


def slots_of(pid):
    """Where in the workers' pages the process can write."""
    with open("/proc/%d/maps" % pid) as file:
        return {line.split()[2] for line in file
                if "memfd:usher-pages" in line and line.split()[1].startswith("rw")}


def age_of(u, worker):
    told = json.loads(u.ctl("status", "--json").stdout)
    return [one["up_ms"] for one in told["workers"] if one["pid"] == worker][0]


@test
def one_that_has_no_children_dies_beside():
    with Usherd(LEAVES + ECHO, 'drain_timeout = "300ms";') as u:
        left = leave(u)
        dead = [worker_of(u, left)]
        dead += [pid for pid in u.workers() if pid != dead[0]]
        u.signal(signal.SIGSTOP)
        for pid in dead:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not any(is_alive(pid) for pid in dead), "all to be dead")
        u.signal(signal.SIGCONT)
        u.wait_log(r"hold pool=exec-\w+ orphans=1\b")
        u.table(ECHO)
        u.reload()
        wait_for(lambda: not is_alive(left), "what is left to end with its row")


@test
def an_orphan_counts_for_nobody():
    with Usherd(FORKED) as u:
        client, child, worker = forked_child(u)
        equal(u.counts("forked")["bytes_in"], 10)
        os.kill(worker, signal.SIGKILL)
        u.wait_log(r"start pool=\w+-fork pid=")
        greets(client, 1000)
        equal((u.counts("forked")["bytes_in"], u.counts("forked")["active"]), (0, 0))
        if IS_ROOT:
            for pid in u.workers():
                assert pid == child or not slots_of(child) & slots_of(pid), (child, pid)
        client.close()
        wait_for(lambda: not is_alive(child), "the orphan to end")


@test
def the_slot_of_the_dead_is_given_again_when_its_children_are_gone():
    if not IS_ROOT:
        raise Skip("who maps what is shown to root only")
    with Usherd(FORKED) as u:
        client, child, worker = forked_child(u)
        held = slots_of(child)
        os.kill(worker, signal.SIGKILL)
        u.wait_log(r"start pool=\w+-fork pid=")
        client.close()
        wait_for(lambda: not status_of(child), "the orphan to end")
        u.table(FORKED + ECHO)
        u.reload()
        assert held in [slots_of(pid) for pid in u.workers()], held


@test
def children_of_many_dead_workers_do_not_take_all_slots():
    with Usherd(FORKED, allow_errors=True) as u:
        clients, dead = [], 9
        for count in range(dead):
            client, _, worker = forked_child(u)
            clients.append(client)
            wait_for(lambda: age_of(u, worker) > 100, "it to be old enough to start again at once")
            os.kill(worker, signal.SIGKILL)
            wait_for(lambda: len(re.findall(r"start pool=\w+-fork pid=", u.log())) > count, "another one")
        for client in clients:
            equal(client.recv(1), b"")
            client.close()
        forked_child(u)[0].close()


def sleeps(pid, seconds=0.2):
    """Nothing wakes it: who has something left to tell tries every 20 ms, or waits for a processor."""
    before = status_of(pid)["voluntary_ctxt_switches"]
    select.select([], [], [], seconds)
    now = status_of(pid)
    return now["voluntary_ctxt_switches"] == before and now["State"][0] == "S"


# Each datagram is a child's; one of them makes it stay.
STAYS = """stays: { exec = [ "/bin/sh", "-c",
                            "test $(dd bs=9 count=1 2>/dev/null) = go || exec sleep 300" ];
                     wait = true; listen = "udp://:0"; %s };""" % WHO


@test
def a_wait_child_is_known_though_the_master_was_busy():
    """Two reports a child are more than a socket holds."""
    with Usherd(STAYS) as u, udp() as client:
        client.connect(("127.0.0.1", u.port("stays", "udp")))
        worker, = u.workers()
        u.signal(signal.SIGSTOP)
        for _ in range(200):
            client.send(b"go")

        def stays():
            client.send(b"stay")  # again: the queue may have been full
            return [pid for pid in children_of(worker) if status_of(pid).get("Name") == "sleep"]

        child, = wait_for(stays, "the last child", 3 * DEADLINE)
        u.signal(signal.SIGCONT)
        wait_for(lambda: sleeps(worker), "the worker to have told of it")
        os.kill(worker, signal.SIGKILL)
        u.wait_log(r"hold pool=stays orphan=%d\b" % child)


PTRACE_SEIZE, WALL = 0x4206, 0x40000000


@contextlib.contextmanager
def undead(pid):
    """What a process looks like that is in a system call which nothing interrupts: killed, and not to be
    waited for. Here its tracer has the first word."""
    if ctypes.CDLL(None, use_errno=True).ptrace(PTRACE_SEIZE, pid, None, None) != 0:
        raise Skip("processes cannot be traced: %s" % os.strerror(ctypes.get_errno()))
    try:
        yield
    finally:
        os.waitpid(pid, WALL)


def ends_without(u, pid):
    """The second SIGTERM is for who cannot wait."""
    u.signal(signal.SIGTERM)
    u.wait_log(r"drain timeout_ms")
    u.signal(signal.SIGTERM)
    u.wait_log(r"=%d reason=\"killed, and did not end" % pid)
    equal(u.process.wait(DEADLINE), 0)


@test
def a_worker_that_does_not_end_does_not_hold_the_daemon():
    with Usherd(ECHO) as u:
        worker = u.workers()[0]
        with undead(worker):
            ends_without(u, worker)


@test
def an_orphan_that_does_not_end_does_not_hold_the_daemon():
    with Usherd(FORKED) as u:
        client, child, worker = forked_child(u)
        os.kill(worker, signal.SIGKILL)
        u.wait_log(r"hold pool=\w+-fork orphans=1\b")
        with undead(child):
            ends_without(u, child)
        client.close()


run()
