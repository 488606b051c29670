#!/usr/bin/env python3
"""Starting: exit codes, messages, files, the background, the service manager."""
import json
import os
import re
import signal
import socket
import subprocess
import tempfile

from usher_live import *  # noqa: F403 - the test vocabulary

ECHO = 'echo: { plugin = "echo"; listen = "tcp://:0"; };'


@test
def a_port_in_use_fails_the_start_with_file_line_and_reason():
    with socket.socket() as thief:
        thief.bind(("127.0.0.1", 0))
        thief.listen()
        port = thief.getsockname()[1]
        code, said = refused(ECHO + '\nlate: { plugin = "echo"; listen = "tcp://127.0.0.1:%d"; };'
                             % port)
        equal(code, 3)
        assert re.search(r"usher.conf:\d+: listen: .*:%d.*Address already in use" % port, said), said


@test
def mistakes_in_the_table_exit_with_1_and_are_all_named():
    cases = {
        'x: { plugin = "nosuch"; listen = "tcp://:0"; };': r"usher.conf:\d+: plugin: .*nosuch",
        'x: { plugin = "old_abi"; listen = "tcp://:0"; };': r"interface",
        'x: { plugin = "no_symbol"; listen = "tcp://:0"; };': r"usher_service",
        'x: { plugin = "crash_in_constructor"; listen = "tcp://:0"; };': r"crashed|signal=|exit=",
        'x: { plugin = "check_refuses"; listen = "tcp://:0"; };': r"usher.conf:\d+",
        'x: { plugin = "blocking_run"; listen = "tcp://:0"; };': r'mode = "fork"',
        'x: { exec = "/nonexistent"; listen = "tcp://:0"; user = "nobody"; };': r"/nonexistent",
        'x: { exec = "/etc/passwd"; listen = "tcp://:0"; user = "nobody"; };': r"/etc/passwd",
        'x: { plugin = "echo"; listen = "tcp://:0"; user = "no-such-user"; };': r"no-such-user",
        'x: { plugin = "echo"; listen = "tcp://:0"; rate = "5/d"; };': r"is not a rate",
        'x: { plugin = "echo"; listen = "tcp://:0"; max_conections = 5; };':
            r'did you mean "max_connections"',
    }
    for row, pattern in cases.items():
        code, said = refused(row)
        equal((row, code), (row, 1))
        assert re.search(pattern, said), (row, said)


@test
def wrong_usage_exits_with_2():
    for args in (["--nosuch"], ["-t", "-T"], ["-o", "x"], ["stray"], ["--ready-fd", "no"]):
        done = subprocess.run([USHERD, *args], capture_output=True, text=True, timeout=DEADLINE)
        equal((args, done.returncode), (args, 2))
        assert "usherd:" in done.stderr


@test
def check_and_table_change_nothing():
    u = Usherd(ECHO, start=False)
    try:
        done = subprocess.run(u.command("--check"), capture_output=True, text=True,
                              timeout=DEADLINE)
        equal(done.returncode, 0)
        done = subprocess.run(u.command("--table"), capture_output=True, text=True,
                              timeout=DEADLINE)
        equal(done.returncode, 0)
        assert re.search(r"(?m)^NAME +PORT +PROTOCOL +WAY +USER +STATE$", done.stdout), done.stdout
        assert re.search(r"(?m)^echo +127.0.0.1:0 +tcp +dispatch +\w+ +on$", done.stdout)
        assert not os.path.exists(u.control)
        u.table('echo: { plugin = "echo"; listen = "tcp://:70000"; };')
        done = subprocess.run(u.command("-t"), capture_output=True, text=True, timeout=DEADLINE)
        equal(done.returncode, 1)
        assert "70000 is above 65535" in done.stderr, done.stderr
    finally:
        u.clean()


@test
def what_cannot_be_printed_is_no_success():
    if not os.path.exists("/dev/full"):
        raise Skip("there is no /dev/full")
    u = Usherd(ECHO, start=False)
    try:
        for word in ("--check", "--table", "--help", "--version"):
            with open("/dev/full", "w") as full:
                done = subprocess.run(u.command(word), stdout=full, stderr=subprocess.PIPE, text=True,
                                      timeout=DEADLINE)
            equal((word, done.returncode, done.stderr),
                  (word, 3, "usherd: standard output: No space left on device\n"))
    finally:
        u.clean()


@test
def port_offset_and_loop_can_be_set_on_the_command_line():
    base, port = 7, free_port()
    with Usherd('echo: { plugin = "echo"; listen = "tcp://:%d"; };' % base,
                args=["-o", "port_offset=%d" % (port - base), "-o", "loop=poll"]) as u:
        equal(u.port("echo"), port)
        equal(talk(port, b"shifted"), b"shifted")
        assert " start version=" in u.log() and " loop=poll " in u.log(), u.log()
    code, said = refused(ECHO, args=["-o", "nosuch=1"])
    equal(code, 1)
    assert "nosuch" in said, said


@test
def it_goes_to_the_background_once_ready_and_locks_its_pid_file():
    u = Usherd(ECHO, start=False)
    pid_file = os.path.join(u.dir, "pid")
    u.table(ECHO, 'log: { to = "%s/file.log"; };' % u.dir)
    try:
        done = subprocess.run(u.command("-d", "--pid-file", pid_file), timeout=DEADLINE,
                              capture_output=True, text=True)
        equal((done.returncode, done.stderr), (0, done.stderr))
        pid = int(open(pid_file).read())
        try:
            equal(talk(u.port("echo"), b"behind"), b"behind")
            assert os.path.getsize(u.dir + "/file.log") > 0
            os.rename(u.dir + "/file.log", u.dir + "/file.log.1")
            os.kill(pid, signal.SIGUSR1)
            wait_for(lambda: os.path.exists(u.dir + "/file.log"), "the log to be opened again")
            u.control = os.path.join(u.dir, "other")
            u.table(ECHO)
            second = subprocess.run(u.command("--pid-file", pid_file), timeout=DEADLINE,
                                    capture_output=True, text=True)
            equal(second.returncode, 3)
            assert "another usherd" in second.stderr, second.stderr
        finally:
            os.kill(pid, signal.SIGTERM)
            wait_for(lambda: not is_alive(pid), "the daemon to end")
        assert not os.path.exists(pid_file)
    finally:
        u.clean()


@test
def a_second_usherd_on_the_same_control_socket_is_refused():
    with Usherd(ECHO) as u:
        done = subprocess.run(u.command(), timeout=DEADLINE, capture_output=True, text=True)
        equal(done.returncode, 3)
        assert "another usherd" in done.stderr, done.stderr
        equal(talk(u.port("echo"), b"first"), b"first")


@test
def a_stale_control_socket_is_replaced_and_a_file_is_not():
    u = Usherd(ECHO, start=False)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as old:
            old.bind(u.control)
        u.start()
        u.stop()
        with open(u.control, "w") as file:
            file.write("precious")
        done = subprocess.run(u.command(), timeout=DEADLINE, capture_output=True, text=True)
        equal(done.returncode, 3)
        equal(open(u.control).read(), "precious")
    finally:
        u.clean()


@test
def the_service_manager_is_told():
    u = Usherd(ECHO, start=False)
    path = os.path.join(u.dir, "notify")
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            manager.settimeout(DEADLINE)
            # twice a second: the ten that wait for us at the most leave no room for others
            u.env = dict(os.environ, NOTIFY_SOCKET=path, WATCHDOG_USEC="1000000")
            u.start()
            ready = "WATCHDOG=1"
            while ready == "WATCHDOG=1":  # a start may take longer than the interval
                ready = manager.recv(1000).decode()
            assert "READY=1" in ready and "MAINPID=%d" % u.pid in ready, ready
            equal(manager.recv(1000), b"WATCHDOG=1")
            u.signal(signal.SIGHUP)
            seen = []
            while not any("READY=1" in text for text in seen):
                seen.append(manager.recv(1000).decode())
            assert any("RELOADING=1\nMONOTONIC_USEC=" in text for text in seen), seen
            u.signal(signal.SIGTERM)
            while manager.recv(1000) != b"STOPPING=1":
                pass
            u.stop()
    finally:
        u.clean()


@test
def listeners_passed_in_by_name_are_served():
    u = Usherd('passed: { plugin = "echo"; listen = "fd://front"; };', start=False)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        script = ('exec %d<&- ; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=front exec "$@"'
                  % 9)
        u.prefix = ["/bin/sh", "-c", script, "sh"]
        try:
            saved = os.dup(listener.fileno())
            with open(u.log_path, "ab") as log:
                process = subprocess.Popen(
                    u.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    close_fds=False, preexec_fn=lambda: (os.dup2(saved, 3, True),
                                                         os.closerange(4, 60)))
            try:
                wait_for(lambda: "start version" in u.log(), "it to be ready: " + u.log())
                equal(talk(port, b"passed in"), b"passed in")
            finally:
                process.terminate()
                equal(process.wait(DEADLINE), 0)
                os.close(saved)
        finally:
            u.clean()


@test
def c18_it_starts_alike_with_standard_descriptors_closed():
    for closed in ("0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"):
        u = Usherd(ECHO, start=False)
        u.table(ECHO, 'log: { to = "%s/file.log"; };' % u.dir)
        u.prefix = ["/bin/sh", "-c", 'exec "$@" ' + closed, "sh"]
        try:
            u.start()
            equal(talk(u.port("echo"), b"closed"), b"closed")
            for pid in [u.pid] + u.workers():
                kinds = descriptors_of(pid)
                assert all(not kinds[n].startswith("socket") for n in (0, 1, 2)), kinds
            u.stop()
        finally:
            u.clean()


@test
def an_ordinary_user_runs_it_without_identity_changes():
    if not IS_ROOT:
        raise Skip("the rest of the suite does so already")
    u = Usherd(ECHO, start=False)
    make_ordinary(u)
    try:
        u.start()
        equal(talk(u.port("echo"), b"rootless"), b"rootless")
        equal({status_of(pid)["Uid"].split()[0] for pid in u.workers()}, {"65534"})
        u.stop()
        with open(u.conf, "w") as file:
            file.write('control = "%s"; services: { e: { plugin = "echo"; listen = "tcp://:0";'
                       ' user = "root"; }; };' % u.control)
        done = subprocess.run(u.command(), capture_output=True, text=True, timeout=DEADLINE)
        equal(done.returncode, 1)
        assert "user" in done.stderr, done.stderr
    finally:
        u.clean()


@test
def an_ordinary_user_runs_the_shipped_table():
    if not IS_ROOT:
        raise Skip("the rest of the suite does so already")
    with shipped(prepare=make_ordinary) as u:
        states = {row["name"]: row["state"] for row in
                  json.loads(u.ctl("status", "--json").stdout)["services"]}
        equal({states[name] for name in ("ftp", "telnet", "smtp", "pop3")}, {"off"})
        equal(set(states.values()), {"off", "ready"})
        equal(talk(7 + u.offset, b"rootless"), b"rootless")


run()
