#!/usr/bin/env python3
"""Wait rows: one child per listener, which owns the socket until it ends."""
import contextlib
import os
import re
import signal
import socket
import stat
import threading

from usher_live import *  # noqa: F403 - the test vocabulary

# Answers three datagrams on descriptor 0, says its pid each time, then ends.
UDP_SERVER = """#!/usr/bin/env python3
import os, socket
s = socket.socket(fileno=0)
for _ in range(3):
    data, peer = s.recvfrom(2000)
    s.sendto(b"%d " % os.getpid() + data, peer)
"""
# Accepts until somebody says "end".
TCP_SERVER = """#!/usr/bin/env python3
import os, socket
s = socket.socket(fileno=os.dup(0))
assert s.getblocking() and s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
while True:
    c, _ = s.accept()
    word = c.recv(100)
    c.sendall(b"%d" % os.getpid())
    c.close()
    if word == b"end":
        break
"""
LISTENERS = """#!/usr/bin/env python3
import os, socket
names = os.environ["LISTEN_FDNAMES"].split(":")
assert int(os.environ["LISTEN_PID"]) == os.getpid()
found = [socket.socket(fileno=3 + n) for n in range(int(os.environ["LISTEN_FDS"]))]
kinds = " ".join("%s/%d" % (n, f.type) for n, f in zip(names, found))
s = [f for f in found if f.type == socket.SOCK_STREAM][0]
c, _ = s.accept()
c.sendall(kinds.encode())
c.close()
"""
# Answers once, then shuts the socket down for all who share it.
SHUTS = """#!/usr/bin/env python3
import os, socket, time
s = socket.socket(fileno=os.dup(0))
if s.type == socket.SOCK_STREAM:
    c, _ = s.accept()
    c.sendall(b"%d" % os.getpid())
    c.close()
else:
    data, peer = s.recvfrom(2000)
    s.sendto(b"%d" % os.getpid(), peer)
try:
    s.shutdown(socket.SHUT_RDWR if s.type == socket.SOCK_STREAM else socket.SHUT_RD)
except OSError:
    pass
"""
# Accepts one, answers it, and ends a little later: meanwhile others have come.
ONE_SERVER = """#!/usr/bin/env python3
import os, select, socket
s = socket.socket(fileno=os.dup(0))
c, _ = s.accept()
c.sendall(b"%d" % os.getpid())
c.close()
select.select([s], [], [], 1)
"""


def who():
    return 'user = "nobody"; group = "nogroup";' if IS_ROOT else ""


class Waiters(Usherd):
    def __init__(self, rows, start=True, **more):
        super().__init__(start=False, **more)
        for name, text in (("udp", UDP_SERVER), ("tcp", TCP_SERVER), ("fds", LISTENERS), ("shuts", SHUTS),
                           ("one", ONE_SERVER),
                           ("nothing", "#!/bin/sh\nexit 0\n")):
            with open(os.path.join(self.dir, name), "w") as file:
                file.write(text)
            os.chmod(os.path.join(self.dir, name), stat.S_IRWXU | 0o55)
        self.rows(rows)
        if start:
            self.start()

    def rows(self, rows):
        self.table(rows.replace("{dir}", self.dir).replace("{who}", who()))


def at_a_free_port(rows, **more):
    """(usherd, port): until its port is nobody else's before."""
    for tries in range(5, 0, -1):
        port = free_port()
        u = Waiters(rows % port, start=False, **more)
        try:
            return u.start(), port
        except AssertionError:
            is_taken = "Address already in use" in u.log()
            u.clean()
            if tries == 1 or not is_taken:
                raise


UDP = 'w: { exec = "{dir}/udp"; wait = true; listen = "udp://:0"; {who} };'
TCP = 'w: { exec = "{dir}/tcp"; wait = true; listen = "tcp://:0"; {who} };'


@test
def one_child_answers_many_datagrams_and_the_next_child_takes_over():
    with Waiters(UDP) as u:
        port = u.port("w", "udp")
        pids = [ask(port, b"x").split()[0] for _ in range(6)]
        equal(len(set(pids[:3])), 1)
        equal(len(set(pids)), 2)


@test
def one_child_owns_the_tcp_listener_until_it_ends():
    with Waiters(TCP) as u:
        port = u.port("w")
        first = talk(port, b"hi", half_close=False)
        equal(talk(port, b"again", half_close=False), first)
        equal(talk(port, b"end", half_close=False), first)
        assert talk(port, b"hi", half_close=False) != first


@test
def a_child_a_caller_loses_none_of_those_who_come_meanwhile():
    """There are always two, so the queue is as long after each child as it was before."""
    answers = []

    def come_again_and_again(port):
        for _ in range(6):
            answers.append(talk(port, half_close=False))

    with Waiters('w: { exec = "{dir}/one"; wait = true; listen = "tcp://:0"; {who} };') as u:
        assert talk(u.port("w"), half_close=False).isdigit()
        wait_for(lambda: u.count("w", "ACCEPTED") == 1 and u.count("w", "ACTIVE") == 0,
                 "the program to be seen to have served")
        callers = [threading.Thread(target=come_again_and_again, args=(u.port("w"),)) for _ in range(3)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        assert len(answers) == 18 and all(answer.isdigit() for answer in answers), answers
        equal(u.counts("w")["refused"], 0)


@test
def f21_wait_rows_work_on_every_loop():
    for loop in LOOPS:
        with Waiters(UDP + TCP.replace("w:", "t:"), loop=loop) as u:
            assert ask(u.port("w", "udp"), b"x").endswith(b" x")
            assert talk(u.port("t"), b"end", half_close=False).isdigit()


@test
def systemd_style_gives_all_listeners_from_three_on():
    with Waiters('w: { exec = "{dir}/fds"; wait = true; env_style = "systemd";'
                 ' listen = [ "tcp://:0", "udp://:0" ]; {who} };') as u:
        text = talk(u.port("w"), half_close=False).decode()
        kinds = sorted(part.split("/")[1] for part in text.split())
        assert set(kinds) == {"1", "2"}, text


@test
def a8_r18_a_child_that_reads_nothing_cannot_make_it_spin():
    with Waiters('w: { exec = "{dir}/nothing"; wait = true; listen = "udp://:0"; {who} };'
                 'echo: { plugin = "echo"; listen = "tcp://:0"; };') as u:
        workers = u.workers()
        started = sum(cpu_seconds(pid) for pid in workers)
        with udp() as client:
            client.sendto(b"x", ("127.0.0.1", u.port("w", "udp")))
        u.wait_log(r"w.*(drop|discard)")
        equal(talk(u.port("echo"), b"beside"), b"beside")
        starts = u.count("w", "ACCEPTED")
        assert starts <= 4, starts
        used = sum(cpu_seconds(pid) for pid in workers) - started
        assert used < 1.0, used


@test
def a_tcp_listener_that_a_child_shut_down_listens_again():
    # The kernel's own choice of a port would not come back.
    u, port = at_a_free_port('w: { exec = "{dir}/shuts"; wait = true; listen = "tcp://127.0.0.1:%d"; {who} };')
    with u:
        pids = []

        def answers():
            with contextlib.suppress(ConnectionError):  # between its end and the next one's start
                pids.append(talk(port, half_close=False))
                return pids[-1] != b""

        for _ in range(3):
            wait_for(answers, "a child to answer")
        equal(len(set(pids) - {b""}), 3)
        u.wait_log("w.*shut its socket down; listening again")


@test
def a_udp_socket_that_a_child_shut_down_costs_no_child_and_no_time():
    with Waiters('w: { exec = "{dir}/shuts"; wait = true; listen = "udp://:0"; {who} };') as u:
        port = u.port("w", "udp")
        pids = {ask(port, b"x")}
        u.wait_log("w.*shut its socket down; looking")
        wait_rest(*u.workers(), window=2)
        equal(u.count("w", "ACCEPTED"), 1)
        pids.add(ask(port, b"x"))
        equal(len(pids), 2)
        wait_for(lambda: u.count("w", "ACCEPTED") == 2, "the second to be counted")


@test
def a_reload_leaves_the_child_alone_and_the_new_worker_waits_for_its_end():
    with Waiters(TCP) as u:
        port = u.port("w")
        first = int(talk(port, b"hi", half_close=False))
        u.rows(TCP.replace('"tcp://:0"', '"tcp://:0"; nice = 1'))
        u.reload()
        equal(u.port("w"), port)
        equal(int(talk(port, b"still", half_close=False)), first)
        equal(int(talk(port, b"end", half_close=False)), first)
        assert int(talk(port, b"hi", half_close=False)) != first


@test
def a_child_outlives_its_killed_worker_and_keeps_the_listener():
    with Waiters(TCP) as u:
        port = u.port("w")
        child = int(talk(port, b"hi", half_close=False))
        worker = int(status_of(child)["PPid"])
        wait_for(lambda: u.count("w", "ACTIVE") == 1, "the worker to know it")
        wait_rest(worker)  # then it has told the master
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: [w for w in u.workers() if w not in (worker, child)], "a new worker")
        for _ in range(5):
            equal(int(talk(port, b"still", half_close=False)), child)
        equal(int(talk(port, b"end", half_close=False)), child)
        assert int(talk(port, b"hi", half_close=False)) != child


@test
def a_row_that_is_changed_and_then_removed_gives_its_port_back():
    rows = TCP.replace('"tcp://:0"', '"tcp://:%d"')  # the kernel might give its own choice to somebody else
    u, port = at_a_free_port(rows, settings='drain_timeout = "200ms";')
    with u:
        child = int(talk(port, b"hi", half_close=False))
        u.rows((rows % port).replace('wait = true;', 'wait = true; nice = 1;'))
        u.reload()
        assert is_alive(child)
        u.rows("")
        u.reload()
        wait_for(lambda: not is_alive(child), "the child to be ended")
        u.rows('e: { plugin = "echo"; listen = "tcp://127.0.0.1:%d"; };' % port)
        wait_for(lambda: u.ctl("reload", check=False).returncode == 0, "the port to be free")
        equal(talk(port, b"mine"), b"mine")


@test
def a_drain_does_not_wait_for_ever_for_a_wait_child():
    u = Waiters(TCP)
    child = int(talk(u.port("w"), b"hi", half_close=False))
    try:
        u.stop()
        wait_for(lambda: not is_alive(child), "the wait child to end")
    finally:
        u.clean()


run()
