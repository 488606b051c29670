#!/usr/bin/env python3
"""What no service may: each process has given up what its work does not need, and says so."""
import datetime
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import zoneinfo

from usher_live import *  # noqa: F403 - the test vocabulary

ROWS = """
    echo: { plugin = "echo"; listen = [ "tcp://:0", "udp://:0" ]; };
    hostile: { plugin = "hostile"; listen = "tcp://:0"; pool = "wild"; };
    reader: { plugin = "hostile_reader"; listen = "tcp://:0"; };
    forked: { plugin = "hostile"; mode = "fork"; listen = "tcp://:0"; };
"""
WHO = 'user = "nobody";' if IS_ROOT else 'user = "%d";' % os.getuid()
NOTHING = "0" * 16
KILLED = b""


def told(port, deed):
    """What the plugin says of a deed; b"" where it did not live to say it."""
    try:
        with connect(port) as client:
            client.sendall(deed.encode() + b"\n")
            return client.recv(256)
    except ConnectionResetError:
        return KILLED


def is_relaxed(u):
    return "RELAXED" in u.log()


def has(u, *parts):
    """Whether the kernel has these doors, and we may close them."""
    return all(re.search(r"sandbox .*\b%s=(yes|[1-9])" % part, u.log()) for part in parts)


def need_sandbox(u, *parts):
    """Skips where the build leaves doors open for its tools, or the kernel has no such door."""
    if is_relaxed(u):
        raise Skip("the build has a relaxed sandbox")
    for part in parts:
        if not has(u, part):
            raise Skip("this kernel has no " + part)


def need_root():
    if not IS_ROOT:
        raise Skip("only root has something to give up")


def worker_of(u, pool):
    """The pid of a pool's worker. The log of the start is not that chatty: one is replaced."""
    end_all(u.workers())
    return int(u.wait_log(r"worker\[(\d+)\]: start pool=%s " % pool).group(1))


def sandbox_of(u, pool):
    """What the worker that came after the first one told of itself."""
    worker_of(u, pool)
    text = re.findall(r'start pool=%s .*sandbox="([^"]*)"' % pool, u.log())[-1]
    return dict(part.split("=", 1) for part in text.split() if "=" in part)


# ---- what they are --------------------------------------------------------------------------------

@test
def r22_every_worker_of_the_shipped_table_holds_nothing():
    need_root()
    with shipped() as u:
        workers = u.workers()
        assert workers
        for pid in workers:
            status = status_of(pid)
            equal(status["Uid"].split(), ["65534"] * 4)
            equal(status["Gid"].split(), ["65534"] * 4)
            equal(status["Groups"].split(), [])
            for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                equal((name, status[name]), (name, NOTHING))
            equal((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))
            # 32 and 33 are the C library's own, its posix_spawn() (make) leaves them ignored
            equal(int(status["SigIgn"], 16) & ~(3 << 31), 0)
        for pid in workers if has(u, "net") else ():
            assert os.stat("/proc/%d/ns/net" % pid).st_ino != os.stat("/proc/self/ns/net").st_ino
        if not is_relaxed(u) and has(u, "root"):  # http alone needs files
            rooms = sorted(len(os.listdir("/proc/%d/root/" % pid)) for pid in workers)
            equal((rooms[0], len(rooms) - rooms.count(0)), (0, 1))


@test
def the_start_says_what_the_kernel_has_and_workers_what_they_have():
    with Usherd(ROWS, 'log: { level = "debug"; };') as u:
        u.wait_log(r"sandbox landlock=\d+ seccomp=\w+ nnp=\w+ net=\w+ root=\w+ ids=\w+")
        for pid in u.workers():
            equal(status_of(pid)["Seccomp"], "2")
        said = sandbox_of(u, "wild")
        equal(said["caps"], "none")
        equal(said["nnp"], "yes")
        equal(said["needs"], "none")
        if IS_ROOT:
            equal((said["uid"], said["gid"], said["bounds"]), ("65534", "65534", "none"))
        if not is_relaxed(u):
            equal(said["seccomp"], "allow")
        if IS_ROOT and not is_relaxed(u) and has(u, "root", "net"):
            equal((said["root"], said["net"]), ("empty", "own"))


@test
def an_ordinary_user_has_what_needs_no_root():
    need_root()
    nobody = shutil.which("setpriv")
    if nobody is None:
        raise Skip("setpriv is not installed")
    u = Usherd('x: { plugin = "hostile"; listen = "tcp://:0"; };', start=False,
              prefix=[nobody, "--reuid=65534", "--regid=65534", "--clear-groups"])
    try:
        for folder, _, _ in os.walk(u.dir):
            os.chown(folder, 65534, 65534)
        u.table('x: { plugin = "hostile"; listen = "tcp://:0"; };', 'user = "nobody"; group = "nogroup";')
        u.start()
        status = status_of(u.workers()[0])
        equal((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))
        if not is_relaxed(u):
            for deed in ("open", "write", "list", "socket"):
                equal((deed, told(u.port("x"), deed)), (deed, b"Permission denied\n"))
        u.stop()
    finally:
        u.clean()


@test
def the_master_keeps_what_it_uses_and_is_not_looked_into():
    need_root()
    with Usherd(ROWS) as u:
        status = status_of(u.pid)
        used = {0, 1, 2, 3, 5, 6, 7, 8, 10, 12, 13, 18, 21, 23, 24}
        for name in ("CapPrm", "CapEff"):
            held = int(status[name], 16)
            equal([bit for bit in range(64) if held >> bit & 1 and bit not in used], [])
        equal((status["CapInh"], status["CapAmb"]), (NOTHING, NOTHING))


# ---- what they try ----------------------------------------------------------------------------------

@test
def c7_a_plugin_cannot_open_make_or_reach_anything():
    with Usherd(ROWS) as u:
        need_sandbox(u, "seccomp")
        for service in ("hostile", "forked"):
            for deed in ("open", "write", "list", "make", "socket"):
                equal((service, deed, told(u.port(service), deed)),
                      (service, deed, b"Permission denied\n"))
        for deed in ("kill", "killall", "root", "group", "dump"):
            equal((deed, told(u.port("hostile"), deed)), (deed, b"Operation not permitted\n"))
        equal(talk(u.port("echo"), b"still here"), b"still here")


@test
def c5_a_forked_child_cannot_signal_or_become_anybody_else():
    need_root()
    with Usherd(ROWS) as u:
        need_sandbox(u, "seccomp")
        for deed in ("kill", "root", "group", "dump"):
            equal((deed, told(u.port("forked"), deed)), (deed, b"Operation not permitted\n"))
        equal(told(u.port("forked"), "clone"), b"done\n")
        assert is_alive(u.pid)


@test
def no_child_signals_its_worker_and_nobody_stops_himself():
    with Usherd(ROWS) as u:
        need_sandbox(u, "seccomp")
        with connect(u.port("forked")) as other:
            other.sendall(b"frames\n")
            before = other.recv(64)
            for deed in ("tgkill", "tgabort", "kill -1", "killall", "stop self", "pidfd", "starve"):
                equal((deed, told(u.port("forked"), deed)), (deed, b"Operation not permitted\n"))
            for deed in ("tgkill", "tgabort", "stop self", "pidfd"):
                equal((deed, told(u.port("hostile"), deed)), (deed, b"Function not implemented\n"))
            other.sendall(b"frames\n")
            equal(other.recv(64), before)
        assert "signal=" not in u.log(), u.log()


@test
def what_only_an_attacker_asks_for_ends_the_process():
    with Usherd(ROWS) as u:
        need_sandbox(u, "seccomp")
        with connect(u.port("echo")) as held:
            held.sendall(b"1")
            equal(read_exactly(held, 1), b"1")
            for deed in ("exec", "ptrace", "mount", "unshare", "chroot"):
                equal((deed, told(u.port("forked"), deed)), (deed, KILLED))
            u.wait_log(r"forked.*signal=31")
            equal(told(u.port("hostile"), "exec"), KILLED)
            u.wait_log(r"pool=wild .*signal=31")
            u.wait_log(r"hostile\[\d+\]: fail pool=wild pid=\d+ peer=127.0.0.1:\d+ .*signal=31")
            held.sendall(b"2")  # the others' worker did not notice
            equal(read_exactly(held, 1), b"2")
        equal(wait_for(lambda: told(u.port("hostile"), "kill"), "the pool to be back"),
              b"Operation not permitted\n")


@test
def calls_that_nobody_knows_are_not_there_and_clone3_is_one_of_them():
    with Usherd(ROWS) as u:
        need_sandbox(u, "seccomp")
        for service in ("hostile", "forked", "reader"):
            for deed in ("unknown", "clone3", "widen"):
                equal((service, deed, told(u.port(service), deed)),
                      (service, deed, b"Function not implemented\n"))
        equal(told(u.port("hostile"), "clone"), b"Operation not permitted\n")
        equal(told(u.port("hostile"), "code"), b"Function not implemented\n")


@test
def what_was_inherited_cannot_be_shut_changed_or_copied():
    rows = """
        hostile: { plugin = "hostile"; listen = "tcp://:0"; pool = "wild"; };
        reader: { plugin = "hostile_reader"; listen = "tcp://:0"; pool = "tame"; };
        echo: { plugin = "echo"; listen = [ "tcp://:0", "udp://:0" ]; pool = "wild"; };
    """
    with Usherd(rows) as u:
        need_sandbox(u, "seccomp")
        for service in ("hostile", "reader"):
            for deed in ("shut", "shut datagrams", "shut by halves", "shut channel", "unblock",
                         "unblock so", "linger", "copy", "dup", "fast open"):
                if (service, deed) != ("reader", "shut datagrams"):  # it has none
                    equal((service, deed, told(u.port(service), deed)),
                          (service, deed, b"Operation not permitted\n"))
        equal(talk(u.port("echo"), b"still here"), b"still here")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(DEADLINE)
            client.sendto(b"here", ("127.0.0.1", u.port("echo", "udp")))
            equal(client.recv(64), b"here")


@test
def no_plugin_reaches_beyond_itself_while_it_opens():
    with Usherd(ROWS) as u:
        need_sandbox(u, "seccomp")  # or they would reach everybody of their user
    row = '%s: { plugin = "hostile"; listen = "tcp://:0"; %s options: { open = "%s"; }; };'
    inherited = ("shut", "shut by halves", "shut channel", "unblock", "unblock so", "linger", "copy",
                 "dup", "fast open")
    others = ("kill", "killall", "kill -1", "tgkill", "tgabort", "stop self", "pidfd", "starve")
    rows = [row % ("r%d" % i, "", deed) for i, deed in enumerate(inherited + others)]
    rows += [row % ("f%d" % i, 'mode = "fork";', deed) for i, deed in enumerate(inherited)]
    with Usherd("".join(rows)) as u:
        def said():
            return sorted(re.findall(r"warning r?f?\d+\[\d+\]: (.*)", u.log()))

        wait_for(lambda: len(said()) >= len(rows), "all to be heard of")
        equal(said(), sorted("%s: Operation not permitted" % deed
                             for deed in inherited + others + inherited))
        for service in ("r0", "f0"):
            equal(told(u.port(service), "frames")[-1:], b"\n")


@test
def what_a_worker_or_its_child_opens_has_a_number_above_the_inherited_ones():
    listeners = ", ".join('"tcp://:0"' for _ in range(20))
    row = '%s: { plugin = "hostile"; mode = "%s"; listen = [ ' + listeners + ' ]; };'
    with Usherd(row % ("looped", "dispatch") + row % ("forked", "fork")) as u:
        for service in ("looped", "forked"):
            number = int(told(u.port(service), "number"))
            assert number > 3 + 20, "%s: %d" % (service, number)


@test
def who_asks_for_files_may_read_and_no_more():
    with Usherd(ROWS) as u:
        need_sandbox(u, "seccomp", "landlock")
        for deed in ("open", "list"):
            equal((deed, told(u.port("reader"), deed)), (deed, b"done\n"))
        for deed in ("write", "make", "socket"):
            answer = told(u.port("reader"), deed)
            assert answer in (b"Permission denied\n", b"Function not implemented\n"), (deed, answer)
        equal(told(u.port("reader"), "exec"), KILLED)
        assert not os.path.exists("/tmp/usher-hostile")


@test
def c23_the_first_code_of_a_plugin_runs_without_rights():
    need_root()
    with Usherd(ROWS) as u:
        equal(told(u.port("hostile"), "born"), b"uid=65534 gid=65534 nnp=1 regain=0\n")


@test
def no_process_is_started_before_the_filter_comes():
    with Usherd(ROWS) as u:
        need_sandbox(u, "seccomp")  # before anything is started that nobody would end
    row = 'x: { plugin = "hostile"; listen = "tcp://:0"; %s options: { open = "%s"; }; };'
    with Usherd(row % ("", "child")) as u:
        u.wait_log("no process: Resource temporarily unavailable")
        equal(children_of(u.workers()[0]), [])
    for deed in ("child", "grandchild"):
        code, said = refused(row % ('mode = "fork";', deed))
        equal(code, 3)
        assert "a plugin started a process in open()" in said, said


@test
def no_worker_is_ready_by_its_word_alone():
    with Usherd(ROWS) as u:
        need_sandbox(u, "seccomp")
    code, said = refused('x: { plugin = "hostile"; listen = "tcp://:0"; '
                         'options: { open = "forge"; }; };')
    equal(code, 3)
    assert "it said ready, and its filter is not what it must be" in said, said


@test
def the_standard_streams_of_workers_lead_nowhere():
    program = 'p: { exec = [ "/bin/true" ]; listen = "tcp://:0"; %s };' % (
        'user = "nobody"; group = "nogroup";' if IS_ROOT else "")
    with Usherd(ROWS + program) as u:
        need_sandbox(u)
        for pid in u.workers():
            files = descriptors_of(pid)
            equal((pid, [files[fd] for fd in (0, 1, 2)]), (pid, ["/dev/null"] * 3))
        for service in ("hostile", "forked"):
            equal(told(u.port(service), "print"), b"done\n")
        assert "written by" not in u.log(), u.log()


@test
def abort_and_unwinding_work_inside():
    with Usherd(ROWS, allow_errors=True) as u:
        need_sandbox(u, "seccomp")
        assert int(told(u.port("hostile"), "frames")) > 1
        equal(told(u.port("forked"), "abort"), KILLED)
        u.wait_log(r"forked.*signal=6")


# ---- the zone, which is a file ---------------------------------------------------------------------

def berlin():
    return datetime.datetime.now(zoneinfo.ZoneInfo("Europe/Berlin"))


def check_time(port, parse):
    """Right to the minute, whichever of the two it was."""
    said = parse(told(port, "time") if parse is plugins_time else talk(port))
    assert abs((said - berlin().replace(tzinfo=None)).total_seconds()) < 120, said


def plugins_time(text):
    words = text.decode().split()
    assert words[2] in ("CET", "CEST"), words
    return datetime.datetime.strptime(" ".join(words[:2]), "%Y-%m-%d %H:%M")


def daytimes(text):
    return datetime.datetime.strptime(text.decode().strip(), "%a %b %d %H:%M:%S %Y")


def need_zone():
    if not os.path.exists("/usr/share/zoneinfo/Europe/Berlin"):
        raise Skip("there are no time zones here")


@test
def daytime_is_right_in_berlin_by_tz_and_by_its_option():
    need_zone()
    rows = ROWS + """
        plain: { plugin = "daytime"; listen = "tcp://:0"; };
        zoned: { plugin = "daytime"; listen = "tcp://:0"; options: { timezone = "Europe/Berlin"; }; };
        child: { plugin = "daytime"; mode = "fork"; listen = "tcp://:0"; };
    """
    with Usherd(rows, env={**os.environ, "TZ": "Europe/Berlin"}) as u:
        for service in ("plain", "zoned", "child"):
            check_time(u.port(service), daytimes)
        for service in ("hostile", "forked"):
            check_time(u.port(service), plugins_time)
    env = {name: value for name, value in os.environ.items() if name != "TZ"}
    with Usherd(rows, env=env) as u:
        check_time(u.port("zoned"), daytimes)


@test
def the_zone_of_the_machine_is_right_where_tz_is_not_set():
    need_root()
    need_zone()
    if shutil.which("unshare") is None:
        raise Skip("unshare is not installed")
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as script:
        zone = os.path.realpath("/etc/localtime")
        script.write("mount --bind /usr/share/zoneinfo/Europe/Berlin '%s' && exec \"$@\"\n" % zone)
        script.flush()
        prefix = ["unshare", "--mount", "sh", script.name]
        if subprocess.run(prefix + ["true"], capture_output=True).returncode != 0:
            raise Skip("nothing can be mounted here")
        env = {name: value for name, value in os.environ.items() if name != "TZ"}
        with Usherd(ROWS + 'plain: { plugin = "daytime"; listen = "tcp://:0"; };', env=env,
                    prefix=prefix) as u:
            check_time(u.port("plain"), daytimes)
            check_time(u.port("hostile"), plugins_time)


# ---- who needs the network, or the files, still has them ---------------------------------------------

@test
def datagram_sockets_in_the_file_system_are_answered_from_a_closed_worker():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        row = 'd: { plugin = "echo"; listen = "unix-dgram://%s/echo"; };' % folder
        with Usherd(ROWS + row) as u:
            for name in (folder + "/peer", "\0usher-test-%d" % os.getpid()):
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
                    client.bind(name)
                    if name[0] == "/":
                        os.chmod(name, 0o777)
                    client.settimeout(DEADLINE)
                    client.connect(folder + "/echo")
                    client.send(b"ping")
                    equal(client.recv(64), b"ping")
            if IS_ROOT and not is_relaxed(u) and has(u, "root"):
                equal(os.listdir("/proc/%d/root/" % _pid_of(u, "echo")), [])


def _pid_of(u, service):
    """The worker that listens there: the socket's number is among its descriptors."""
    port = u.port(service)
    with open("/proc/net/tcp") as file:
        socket_ = [line.split()[9] for line in file if line.split()[1].endswith(":%04X" % port)][0]
    for pid in u.workers():
        if "socket:[%s]" % socket_ in descriptors_of(pid).values():
            return pid
    raise AssertionError("nobody listens on %d" % port)


@test
def ident_still_sees_the_machines_connections():
    rows = 'i: { plugin = "ident"; listen = "tcp://:0"; options: { reply = "uid"; }; };' + ROWS
    with Usherd(rows) as u:
        with connect(u.port("echo")) as held, connect(u.port("i")) as client:
            ours, theirs = held.getsockname()[1], held.getpeername()[1]
            client.sendall(b"%d , %d\r\n" % (ours, theirs))
            answer = client.recv(256)
            assert re.search(rb"USERID : (UNIX|OTHER) *: *%d\b" % os.getuid(), answer), answer


# ---- programs ------------------------------------------------------------------------------------------

@test
def programs_cannot_trace_or_mount_unless_they_have_privileges():
    need_root()
    audit = 'exec = [ "/bin/sh", "-c", "grep -E \\"NoNewPrivs|Seccomp:\\" /proc/self/status; mount -t tmpfs none /mnt 2>&1; echo $?" ];'
    rows = "".join("p_%s: { %s listen = \"tcp://:0\"; user = \"%s\"; privileges = %s; };"
                   % (name, audit, user, privileges)
                   for name, user, privileges in (("nobody", "nobody", "false"),
                                                  ("root", "root", "false"),
                                                  ("free", "nobody", "true")))
    with Usherd(rows) as u:
        for name in ("nobody", "root"):
            text = talk(u.port("p_" + name)).decode()
            assert "NoNewPrivs:\t1" in text and "Seccomp:\t2" in text, text
            assert not text.rstrip().endswith("\n0"), text
        text = talk(u.port("p_free")).decode()
        assert "NoNewPrivs:\t0" in text and "Seccomp:\t0" in text, text


@test
def a_program_cannot_take_the_descriptors_of_its_worker():
    starve = ('exec = [ "/bin/sh", "-c", "%s --pid $PPID --nofile=4:4 2>&1; %s --nofile=99:99 echo $?" ];'
              % ((program("prlimit"),) * 2))
    with Usherd("p: { %s listen = \"tcp://:0\"; %s };" % (starve, WHO)) as u:
        for _ in range(2):
            text = talk(u.port("p")).decode()
            assert "Operation not permitted" in text and text.endswith("\n1\n"), text


@test
def a_program_of_root_has_the_masters_capabilities_and_with_privileges_all():
    need_root()
    rows = "".join('p_%s: { exec = [ "/bin/grep", "Cap", "/proc/self/status" ]; listen = "tcp://:0"; '
                   'user = "root"; privileges = %s; };' % (name, name) for name in ("true", "false"))
    with Usherd(rows) as u:
        def held(name):
            text = talk(u.port("p_" + name)).decode()
            return int(re.search(r"CapEff:\t(\w+)", text).group(1), 16)

        equal(held("false"), int(status_of(u.pid)["CapPrm"], 16))
        equal(held("true"), int(status_of(u.pid)["CapBnd"], 16))


def make_root(*programs):
    """A folder that is root's, with these programs and what they load."""
    folder = tempfile.mkdtemp(prefix="usher-root-", dir="/run")
    os.chmod(folder, 0o755)
    for path in programs:
        loaded = subprocess.run(["ldd", path], capture_output=True, text=True).stdout
        for file in [path] + re.findall(r"(/\S+)", loaded):
            os.makedirs(folder + os.path.dirname(file), 0o755, exist_ok=True)
            shutil.copy(file, folder + file)
    return folder


@test
def a_program_lives_below_its_root_directory():
    need_root()
    folder = make_root("/bin/sh")
    try:
        os.mkdir(folder + "/work", 0o755)
        row = ('r: { exec = [ "/bin/sh", "-c", "pwd; echo /w* /e*" ]; listen = "tcp://:0"; '
               'user = "%s"; root = "%s"; directory = "/work"; };')
        for user in ("nobody", "root"):
            with Usherd(row % (user, folder)) as u:
                equal(talk(u.port("r")), b"/work\n/work /e*\n")
        code, said = refused(row.replace("/bin/sh", "/bin/true") % ("nobody", folder))
        equal(code, 1)
        assert "/bin/true: No such file or directory" in said, said
        os.chmod(folder, 0o777)
        code, said = refused(row % ("nobody", folder))
        equal(code, 1)
        assert re.search(r"root: %s.*may be written by others" % folder, said), said
    finally:
        shutil.rmtree(folder)
    code, said = refused('x: { plugin = "echo"; listen = "tcp://:0"; root = "/"; };')
    equal(code, 1)
    assert re.search(r"root: is for programs \(exec\) only", said), said


# ---- when a door does not close ------------------------------------------------------------------------

def strace():
    """The program, where it may trace at all."""
    path = program("strace")
    done = subprocess.run([path, "-f", "-e", "trace=none", "true"], capture_output=True)
    if done.returncode != 0:
        raise Skip("nothing can be traced here: " + done.stderr.decode().strip())
    return path


# The numbers count in each process by itself.
INJECTED = (
    ("setgroups", "EPERM", (1, 2)), ("setresgid", "EAGAIN", (1,)), ("setresuid", "EAGAIN", (1,)),
    ("capset", "EPERM", (1, 2)), ("prctl", "EPERM", (*range(1, 60, 6), *range(60, 400, 31))),
    ("seccomp", "ENOMEM", (1, 4)), ("landlock_create_ruleset", "ENOMEM", (1, 2)),
    ("landlock_restrict_self", "E2BIG", (1,)), ("chroot", "EPERM", (1,)), ("unshare", "ENOMEM", (1,)),
    ("fchdir", "EACCES", (1,)), ("fork,vfork,clone,clone3", "EAGAIN", (1, 2)),
)


@test
def c5_no_step_that_fails_leaves_anybody_unprotected():
    need_root()
    tracer = strace()
    with Usherd("echo: { plugin = \"echo\"; listen = \"tcp://:0\"; };") as u:
        need_sandbox(u, "seccomp", "landlock", "net", "root")
    port = free_port()
    row = 'echo: { plugin = "echo"; listen = "tcp://127.0.0.1:%d"; };' % port
    for call, code, numbers in INJECTED:
        failed = 0
        for number in numbers:
            u = Usherd(row, start=False, prefix=[
                tracer, "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + call, "-e",
                "inject=%s:error=%s:when=%d" % (call, code, number)])
            try:
                failed += not _try(u, port)
            finally:
                u.clean()
        assert failed > 0, "%s never mattered" % call


def _try(u, port):
    """Starts it. Either it says why it does not, and nobody was served; or all doors are closed."""
    ready, ready_end = os.pipe()
    with open(u.log_path, "ab") as log:
        process = subprocess.Popen(u.command("--ready-fd", str(ready_end)), stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=log, pass_fds=(ready_end,))
    os.close(ready_end)
    try:
        is_ready = os.read(ready, 1) == b"\n"
        if is_ready:
            master = children_of(process.pid)[0]
            for pid in children_of(master):
                status = status_of(pid)
                equal((status["Uid"].split()[0], status["CapPrm"], status["CapBnd"],
                       status["NoNewPrivs"], status["Seccomp"]),
                      ("65534", NOTHING, NOTHING, "1", "2"))
                equal(os.listdir("/proc/%d/root/" % pid), [])
            equal(talk(port, b"safe"), b"safe")
            os.kill(master, signal.SIGTERM)
            process.wait(DEADLINE)
            return True
        process.wait(DEADLINE)
        assert re.search(r"error|fail", u.log()), u.log()
        return False
    finally:
        os.close(ready)


run()
