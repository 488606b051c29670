#!/usr/bin/env python3
"""Programs the way inetd started them: descriptors, environment, signals, identity, ends."""
import os
import re
import signal
import socket
import stat

from usher_live import *  # noqa: F403 - the test vocabulary

# Says everything about itself that a child inherits.
AUDIT = r"""#!/bin/sh
echo "fds:"
ls -x /proc/$$/fd
while IFS= read -r line; do # not by grep: the shell blocks signals while it starts another program
    case $line in Uid:*|Gid:*|Groups:*|SigBlk:*|SigIgn:*|NoNewPrivs:*|Umask:*) echo "$line";; esac
done </proc/$$/status
echo "session: $(cut -d' ' -f6 /proc/$$/stat) pid: $$ tty: $(cut -d' ' -f7 /proc/$$/stat)"
echo "cwd: $(pwd)"
tr '\0' '\n' </proc/$$/environ
"""
THREE = r"fds:\n0 +1 +(10 +)?2\n"  # 10 is dash's, for the script


def who():
    return 'user = "nobody"; group = "nogroup";' if IS_ROOT else ""


class Programs(Usherd):
    """Rows may name {dir}/NAME; each script is written there."""

    def __init__(self, rows, scripts, **more):
        super().__init__(start=False, **more)
        for name, text in scripts.items():
            path = os.path.join(self.dir, name)
            with open(path, "w") as file:
                file.write(text)
            os.chmod(path, 0o755)
        self.table(rows.replace("{dir}", self.dir).replace("{who}", who()))
        self.start()


@test
def cat_echoes_through_a_child():
    with Programs('cat: { exec = "/bin/cat"; listen = "tcp://:0"; {who} };', {}) as u:
        equal(talk(u.port("cat"), b"through cat"), b"through cat")
        equal(talk(u.port("cat"), b"x" * 300000), b"x" * 300000)
        wait_for(lambda: u.count("cat", "ACTIVE") == 0, "the children to be counted out")


@test
def c6_c14_c16_c19_c20_r23_a_child_gets_nothing_but_what_the_row_says():
    strange = dict(os.environ, LD_BIND_NOW="1", SECRET="x", IFS="!", BASH_ENV="/x",
                   **{"STRANGE_%d" % n: "y" for n in range(200)})
    with Programs('audit: { exec = "{dir}/audit"; listen = "tcp://:0"; {who} };',
                  {"audit": AUDIT}, env=strange,
                  prefix=["sh", "-c", 'trap "" PIPE HUP; umask 0; exec "$@"', "sh"]) as u:
        with connect(u.port("audit")) as client:
            mine = client.getsockname()[1]
            text = read_all(client).decode()
        assert re.search(THREE, text), text
        names = re.findall(r"(?m)^([A-Za-z_]+)=", text)
        assert set(names) <= {"PATH", "LANG", "TZ", "PROTO", "TCPLOCALIP", "TCPLOCALPORT",
                              "TCPREMOTEIP", "TCPREMOTEPORT", "PWD"}, names
        assert "TCPREMOTEIP=127.0.0.1\n" in text and "TCPREMOTEPORT=%d\n" % mine in text, text
        assert "PROTO=TCP\n" in text, text
        # SigIgn: 32 and 33 are the C library's own, its posix_spawn() (make) leaves them ignored
        assert re.search(r"SigBlk:\t0{16}\n", text), text
        assert re.search(r"SigIgn:\t0{7}[01][08]0{7}\n", text), text
        assert "NoNewPrivs:\t1" in text and "Umask:\t0022" in text, text
        session, pid, tty = re.search(r"session: (\d+) pid: (\d+) tty: (\d+)", text).groups()
        equal((session, tty), (pid, "0"))
        if IS_ROOT:
            assert re.search(r"Uid:\t65534\t65534\t65534\t65534", text), text
            assert re.search(r"Groups:\t *(65534 *)?\n", text), text


@test
def environment_styles_are_what_the_manual_says():
    rows = "".join("""%s: { exec = "{dir}/audit"; listen = "tcp://:0"; env_style = "%s";
                      env = [ "EXTRA=1 2" ]; pass_env = [ "PASSED" ]; {who} };""" % (s, s)
                   for s in ("ucspi", "xinetd", "systemd", "none"))
    want = {"ucspi": "TCPREMOTEIP=127.0.0.1", "xinetd": "REMOTE_HOST=127.0.0.1",
            "systemd": "REMOTE_ADDR=127.0.0.1", "none": "EXTRA=1 2"}
    with Programs(rows, {"audit": AUDIT}, env=dict(os.environ, PASSED="through")) as u:
        for style, line in want.items():
            text = talk(u.port(style)).decode()
            assert line + "\n" in text and "EXTRA=1 2\n" in text, text
            assert "PASSED=through\n" in text, text
            equal("REMOTE" in text, style != "none")


@test
def c12_arguments_are_the_tables_and_nothing_else():
    script = '#!/bin/sh\nfor a in "$0" "$@"; do printf "<%s>" "$a"; done\n'
    with Programs('args: { exec = [ "{dir}/args", "-a", "two words", "$HOME;`id`" ];'
                  ' listen = "tcp://:0"; {who} };', {"args": script}) as u:
        equal(talk(u.port("args")).decode(),
              "<%s/args><-a><two words><$HOME;`id`>" % u.dir)


@test
def argv0_can_be_set():
    with Programs('self: { exec = [ "/bin/sh", "-c", "echo $0" ]; argv0 = "in.selfd";'
                  ' listen = "tcp://:0"; {who} };', {}) as u:
        equal(talk(u.port("self")), b"in.selfd\n")


@test
def stderr_goes_to_the_log_or_to_the_peer():
    script = "#!/bin/sh\necho to-the-peer\nprintf 'complaint \\033[31m \"red\\n' >&2\n"
    with Programs('quiet: { exec = "{dir}/noisy"; listen = "tcp://:0"; {who} };'
                  'loud: { exec = "{dir}/noisy"; listen = "tcp://:0"; stderr = "peer"; {who} };',
                  {"noisy": script}) as u:
        equal(talk(u.port("quiet")), b"to-the-peer\n")
        u.wait_log(r'quiet.*line="complaint \\x1b\[31m \\x22red"')
        assert b"complaint" in talk(u.port("loud"))


@test
def the_childs_socket_blocks_and_is_the_connection_itself():
    script = ("#!/bin/sh\nreadlink /proc/$$/fd/0 /proc/$$/fd/1\n"
              "grep flags /proc/$$/fdinfo/0\n")
    with Programs('fd: { exec = "{dir}/fd"; listen = "tcp://:0"; {who} };', {"fd": script}) as u:
        text = talk(u.port("fd")).decode()
        first, second, flags = text.split("\n")[:3]
        assert first == second and first.startswith("socket:"), text
        assert int(flags.split()[1], 8) & os.O_NONBLOCK == 0, text


@test
def limits_are_set_in_the_child():
    with Programs('limited: { exec = [ "/bin/sh", "-c", "ulimit -n; ulimit -c" ];'
                  ' listen = "tcp://:0"; limits = { nofile = 77; core = 0; }; {who} };', {}) as u:
        equal(talk(u.port("limited")), b"77\n0\n")


@test
def limits_nobody_may_raise_are_refused_before_the_first_caller():
    row = 'l: { exec = "/bin/true"; listen = "tcp://:0"; limits = { nofile = 900; }; %s };' % who()
    code, said = refused(row, prefix=[program("prlimit"), "--nofile=800:800"])
    equal(code, 3)
    assert "limits: 900 is above the hard limit usherd has, 800" in said, said
    rows = 'l: { exec = [ "/bin/sh", "-c", "ulimit -n" ]; listen = "tcp://:0"; {who}' \
           ' limits = { nofile = "unlimited"; }; };'
    with Programs(rows, {}, prefix=[program("prlimit"), "--nofile=800:800"]) as u:
        equal(talk(u.port("l")), b"800\n")


@test
def c13_only_a_row_with_privileges_may_regain_any():
    if not IS_ROOT:
        raise Skip("only root has privileges to pass on")
    text = 'exec = [ "/bin/grep", "-E", "CapBnd|NoNewPrivs", "/proc/self/status" ];'
    rows = "".join("%s: { %s listen = \"tcp://:0\"; privileges = %s; {who} };" % (n, text, n)
                   for n in ("true", "false")).replace("true: {", "yes: {").replace("false: {", "no: {")
    with Programs(rows, {}) as u:
        bounds = {n: re.findall(r"\t(\w+)", talk(u.port(n)).decode()) for n in ("yes", "no")}
        assert int(bounds["yes"][0], 16) != 0 and bounds["yes"][1] == "0", bounds
        equal((int(bounds["no"][0], 16), bounds["no"][1]), (0, "1"))


@test
def a_bad_exit_is_counted_and_named_in_the_log():
    with Programs('bad: { exec = [ "/bin/sh", "-c", "exit 3" ]; listen = "tcp://:0"; {who} };'
                  'killed: { exec = [ "/bin/sh", "-c", "kill -9 $$" ]; listen = "tcp://:0";'
                  ' {who} };', {}) as u:
        talk(u.port("bad"))
        talk(u.port("killed"))
        u.wait_log(r"bad.*exit=3")
        u.wait_log(r"killed.*signal=9")


@test
def total_timeout_ends_the_childs_whole_session():
    script = "#!/bin/sh\nsleep infinity &\necho $!\nwait\n"
    with Programs('slow: { exec = "{dir}/slow"; listen = "tcp://:0"; total_timeout = "500ms";'
                  ' {who} };', {"slow": script}) as u:
        def helper_of_one():
            with connect(u.port("slow")) as client:
                said = client.recv(100)  # nothing, if its time was over before
                equal(read_all(client), b"")
                return said

        helper = int(wait_for(helper_of_one, "a child that is in time", DEADLINE * 3))
        wait_for(lambda: not is_alive(helper), "the helper of the child to end")
        wait_for(lambda: u.count("slow", "ACTIVE") == 0, "the child to be counted out")


@test
def max_connections_queues_callers_and_loses_none():
    with Programs('few: { exec = "/bin/cat"; listen = "tcp://:0"; max_connections = 2; {who} };',
                  {}) as u:
        port = u.port("few")
        clients = [connect(port) for _ in range(5)]
        for client in clients:
            client.sendall(b"me")
        wait_for(lambda: u.count("few", "ACTIVE") == 2, "two to be served")
        for client in clients:
            equal(read_exactly(client, 2), b"me")
            client.close()
        wait_for(lambda: u.count("few", "ACTIVE") == 0, "none to be left")
        equal(u.count("few", "ACCEPTED"), 5)


@test
def a_program_serves_unix_sockets_too():
    with Programs('cat: { exec = "/bin/cat"; listen = "unix://{dir}/cat"; socket_mode = "0600";'
                  ' {who} };', {}) as u:
        path = os.path.join(u.dir, "cat")
        equal(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(DEADLINE)
            client.connect(path)
            client.sendall(b"unix")
            client.shutdown(socket.SHUT_WR)
            equal(read_all(client), b"unix")


@test
def a_shell_script_is_a_service_in_six_lines():
    with Programs("", {"hello": '#!/bin/sh\nread name\necho "Hello, $name"\n'}) as u:
        u.write("hello.conf", 'hello: {\n    exec = "%s/hello";\n    listen = "tcp://:0";\n    %s\n'
                '    description_free = true;\n};\n' % (u.dir, who()))
        done = u.ctl("reload", check=False)
        equal(done.returncode, 1)
        assert "services.d/hello.conf:5: description_free: unknown key" in done.stderr, done.stderr
        u.write("hello.conf", 'hello: {\n    exec = "%s/hello";\n    listen = "tcp://:0";\n    %s\n};\n'
                % (u.dir, who()))
        u.reload()
        equal(talk(u.port("hello"), b"world\n"), b"Hello, world\n")


@test
def c16_r23_no_descriptor_of_another_connection_leaks_into_a_child():
    with Programs('audit: { exec = "{dir}/audit"; listen = "tcp://:0"; {who} };'
                  'cat: { exec = "/bin/cat"; listen = "tcp://:0"; {who} };'
                  'echo: { plugin = "echo"; listen = "tcp://:0"; };', {"audit": AUDIT}) as u:
        held = [connect(u.port(name)) for name in ("cat", "echo", "cat")]
        wait_for(lambda: u.count("cat", "ACTIVE") == 2, "the held ones")
        text = talk(u.port("audit")).decode()
        assert re.search(THREE, text), text
        for client in held:
            client.close()


run()
