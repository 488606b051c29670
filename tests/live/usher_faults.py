"""One system call fails once, somewhere in a fixed life of usherd: strace --inject.

The life: start, echo over TCP and UDP, a program, a forked child, a reload that adds a row, list, a look
at everybody's rights, TERM. Who is hit: "master" (it alone), "all" (whoever is born, each with a count of his own),
"workers" (those that are there once it is ready, and their children) or "reload" (the master once it is
ready, and whoever is born from then on). An error that begins with SIG is a signal that comes at that call.

A fault is good when usherd ends in time with a word about it and a right exit code, or serves on: every
probe works again within PATIENCE, everybody has the rights he has without faults, nobody spins, and it ends
when told to.
"""
import collections
import contextlib
import re
import select
import shutil
import signal
import subprocess
import time

from usher_live import *  # noqa: F403 - the test vocabulary

ROWS = """
    echo: { plugin = "echo"; listen = [ "tcp://:0", "udp://:0" ]; };
    forked: { plugin = "echo"; mode = "fork"; listen = "tcp://:0"; };
    cat: { exec = [ "/bin/cat" ]; user = "nobody"; listen = "tcp://:0"; };
"""
MORE = ROWS + 'more: { plugin = "daytime"; listen = "tcp://:0"; };'
SETTINGS = 'drain_timeout = "500ms";'
PATIENCE = 5.0 if IS_LONG else 10.0  # for a start, for being served again, for an end
FAULT_SECONDS = 1.0  # what goes wrong again and again may do so for so long
TRY = 1.5  # one try of a client
RIGHTS = ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")

# Left out, because strace would do what no kernel does: close() that fails and leaves the descriptor open,
# wait4() that fails with ECHILD while there are children, brk() that answers with an error and no address.
MEMORY, FILES = ("ENOMEM",), ("EMFILE", "ENFILE")
INPUT = ("EINTR", "EAGAIN", "EIO", "ENOMEM")
OUTPUT = ("EINTR", "EAGAIN", "EPIPE", "ENOBUFS", "ENOSPC")
WAIT = ("EINTR", "EINVAL", "EBADF", "ENOMEM")
DENIED = ("EPERM", "EAGAIN")
ERRORS = {
    "accept4": (*FILES, "ENOMEM", "ENOBUFS", "ECONNABORTED", "EINTR", "EAGAIN", "EPERM", "EINVAL"),
    "read": INPUT, "readv": INPUT, "recvfrom": INPUT, "recvmsg": INPUT, "recvmmsg": INPUT,
    "pread64": ("EIO",), "getdents64": ("EIO", "ENOENT"),
    "write": OUTPUT, "writev": OUTPUT, "sendto": OUTPUT, "sendmsg": OUTPUT, "sendmmsg": OUTPUT,
    "epoll_ctl": ("ENOMEM", "ENOSPC", "EPERM"), "epoll_wait": WAIT, "epoll_pwait": WAIT,
    "epoll_pwait2": WAIT, "epoll_create1": (*FILES, "ENOMEM"), "poll": ("EINTR", "ENOMEM"),
    "socket": (*FILES, "ENOBUFS", "EACCES"), "socketpair": (*FILES, "ENOBUFS"), "pipe2": FILES,
    "bind": ("EADDRINUSE", "EACCES", "ENOMEM"), "listen": ("EADDRINUSE",), "connect": ("EAGAIN", "ENOENT"),
    "setsockopt": ("ENOMEM", "ENOPROTOOPT", "EPERM"), "getsockopt": ("ENOBUFS",),
    "getsockname": ("ENOBUFS",), "getpeername": ("ENOTCONN",), "shutdown": ("ENOTCONN",),
    "openat": (*FILES, "EACCES", "ENOENT", "EIO"), "fstat": ("EIO",), "newfstatat": ("EIO", "EACCES"),
    "stat": ("EACCES",), "lstat": ("EACCES",), "mmap": MEMORY, "mprotect": MEMORY,
    "munmap": MEMORY, "mremap": MEMORY, "ftruncate": ("ENOSPC",), "memfd_create": FILES,
    "clone": ("EAGAIN", "ENOMEM"), "clone3": ("EAGAIN", "ENOMEM"), "vfork": ("EAGAIN", "ENOMEM"),
    "fork": ("EAGAIN", "ENOMEM"), "execve": ("ENOENT", "EACCES", "ENOMEM"), "wait4": ("EINTR",), "waitid": ("EINTR",), "pidfd_open": ("EMFILE", "ENOMEM", "ENOSYS"),
    "pidfd_send_signal": ("EPERM", "ESRCH"), "kill": ("EPERM",), "setresuid": DENIED, "setresgid": DENIED,
    "setgroups": DENIED, "setuid": DENIED, "setgid": DENIED, "setfsuid": ("EPERM",),
    "prctl": ("EPERM", "EINVAL"), "capset": ("EPERM",), "capget": ("EPERM",),
    "seccomp": ("EINVAL", "EACCES"), "landlock_create_ruleset": ("ENOMEM", "EPERM"),
    "landlock_add_rule": ("ENOMEM",), "landlock_restrict_self": ("EPERM",), "unshare": ("EPERM", "ENOSPC"),
    "chroot": ("EPERM",), "pivot_root": ("EPERM",), "mount": ("EPERM",), "chdir": ("EACCES",),
    "setsid": ("EPERM",), "setpgid": ("EPERM",), "close_range": ("ENOSYS", "EINVAL"),
    "timerfd_create": FILES, "timerfd_settime": ("EINVAL",), "signalfd4": (*FILES, "ENOMEM"),
    "rt_sigprocmask": ("EINVAL",), "eventfd2": FILES, "unlink": ("EACCES", "EROFS"),
    "unlinkat": ("EACCES",), "rename": ("EACCES", "ENOSPC"), "chmod": ("EPERM",), "fchmod": ("EPERM",),
    "chown": ("EPERM",), "fchown": ("EPERM",), "lchown": ("EPERM",), "mkdir": ("EACCES",), "fcntl": ("EINVAL", "EMFILE"),
    "dup": ("EMFILE",), "dup2": ("EBUSY",), "dup3": ("EBUSY",),
    "prlimit64": ("EPERM",), "setrlimit": ("EPERM",), "getrandom": ("EAGAIN",), "ioctl": ("EINVAL",),
    "sysinfo": ("EPERM",), "sched_getaffinity": ("EPERM",), "flock": ("ENOLCK",), "fsync": ("EIO",),
}

for _call in ("accept4", "read", "recvmsg", "write", "sendmsg", "sendto", "epoll_ctl", "epoll_wait", "clone", "bind",
              "listen", "socketpair", "pipe2", "setsockopt", "wait4", "unlink", "chmod", "prctl", "setresuid"):
    ERRORS[_call] += ("SIGKILL", "SIGTERM")

Fault = collections.namedtuple("Fault", "who call error nth")


class Bad(AssertionError):
    """A fault that usherd did not stand."""


def need_strace():
    tool = program("strace")
    if IS_SANITIZED:
        raise Skip("the leak check does not work under strace")
    done = subprocess.run([tool, "-f", "-o", "/dev/null", "-e", "inject=sysinfo:error=EPERM", "/bin/true"],
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise Skip("strace cannot trace here: " + done.stderr.strip().splitlines()[-1])
    return tool


# ---- the tracer ---------------------------------------------------------------------------

def _expressions(fault):
    if fault is None:
        return ["-e", "trace=" + ",".join("?" + call for call in sorted(ERRORS))]
    what = "signal" if fault.error.startswith("SIG") else "error"
    return ["-e", "trace=" + fault.call, "-e",
            "inject=%s:%s=%s:when=%s" % (fault.call, what, fault.error, fault.nth)]


class Traced(Usherd):
    """usherd under strace. fault None: only counted; who is as in Fault."""

    def __init__(self, who, fault=None):
        self.who, self.fault, self.tracer, self.is_calm = who, fault, None, False
        super().__init__(ROWS, SETTINGS, start=False, allow_errors=True)
        self.trace_path = os.path.join(self.dir, "trace")
        self.trace = ["strace", "-qq", "-I2", "-o", self.trace_path, "-e", "signal=none", *_expressions(fault)]
        if who in ("master", "all"):
            self.prefix = [*self.trace, "-D", *(["-f"] if who == "all" else [])]
        else:
            self.trace.append("-f")

    def start(self, wait=True):
        """True: ready. False: it ended, and self.code says how."""
        ready, ready_end = os.pipe()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command("--ready-fd", str(ready_end)), stdout=log,
                                            stdin=subprocess.DEVNULL, stderr=log, pass_fds=(ready_end,))
        os.close(ready_end)
        self.pid = self.process.pid
        try:
            until = time.monotonic() + PATIENCE + 3
            while time.monotonic() < until:
                if select.select([ready], [], [], 0.02)[0] and os.read(ready, 1) == b"\n":
                    return True
                if self.has_ended():
                    return False
        finally:
            os.close(ready)
        raise Bad("neither ready nor ended after %.0f s" % (PATIENCE + 3))

    def has_ended(self):
        return self.process.poll() is not None

    def attach(self):
        pids = [str(pid) for pid in (self.workers() if self.who == "workers" else [self.pid])]
        words = [word for pid in pids for word in ("-p", pid)]
        self.tracer = subprocess.Popen(self.trace + words, stderr=subprocess.DEVNULL)
        wait_for(lambda: self.tracer.poll() is not None or all(
            status_of(int(pid)).get("TracerPid", "0") != "0" or not is_alive(int(pid)) for pid in pids),
            "strace to attach")
        if self.tracer.poll() is not None and not IS_ROOT:
            raise Skip("strace may not trace a worker here")

    def calm(self):
        """The fault is over: strace lets everybody go."""
        if self.fault is None or self.is_calm:
            return
        self.is_calm = True
        pids = [self.pid, *descendants_of(self.pid)]
        tracers = {int(status_of(pid).get("TracerPid", "0")) for pid in pids} - {0}
        for tracer in tracers:
            with contextlib.suppress(OSError):
                os.kill(tracer, signal.SIGTERM)
        wait_for(lambda: not any(is_alive(pid) for pid in tracers), "strace to end")

    def family(self):
        """All that are usherd with this table, whoever their parent is now."""
        found = []
        for pid in (int(entry) for entry in os.listdir("/proc") if entry.isdigit()):
            with contextlib.suppress(OSError), open("/proc/%d/cmdline" % pid) as file:
                if status_of(pid).get("Name") == "usherd" and self.conf in file.read() and is_alive(pid):
                    found.append(pid)
        return found

    def traced(self):
        with contextlib.suppress(OSError), open(self.trace_path, errors="replace") as file:
            return file.read()
        return ""

    def was_injected(self):
        if not self.fault.error.startswith("SIG"):
            return "(INJECTED)" in self.traced()
        made = collections.Counter(line.split("(")[0] for line in self.traced().splitlines())
        return any(count >= self.fault.nth for count in made.values())

    def end(self):
        """Whatever is left is killed; what it was, is told."""
        left = [*(descendants_of(self.pid) if not self.has_ended() else []), *self.family()]
        if not self.has_ended():
            self.process.kill()
            self.process.wait()
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if self.tracer is not None:
            self.tracer.terminate()
            self.tracer.wait()
        self.clean()


# ---- the life -----------------------------------------------------------------------------

def _exchange(port, request):
    with connect(port, seconds=TRY) as client:
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        equal(read_all(client), request)


def _datagram(port):
    with udp(seconds=0.5) as client:
        client.connect(("127.0.0.1", port))
        client.send(b"datagram")
        equal(client.recv(100), b"datagram")


def _control(u, word):
    done = subprocess.run([USHERCTL, "-s", u.control, word], timeout=PATIENCE, capture_output=True, text=True)
    assert done.returncode == 0, "usherctl %s: %s" % (word, done.stdout + done.stderr)
    return done.stdout


def _ports(u):
    ports = {}
    for line in _control(u, "list").splitlines()[1:]:
        for word in line.split()[1:]:
            kind, colon, rest = word.partition("://")
            if colon:
                ports[line.split()[0], kind] = int(rest.rsplit(":", 1)[1])
    return ports


def _again(u, what, probe):
    """Until it works. Who ended well meanwhile raises Ended. Every new child makes its first calls: with -f
    the fault would never be over, so it is ended after a second."""
    started, problem = time.monotonic(), None
    while time.monotonic() - started < PATIENCE + FAULT_SECONDS:
        if u.has_ended():
            raise Ended()
        if time.monotonic() - started > FAULT_SECONDS:
            u.calm()
        try:
            return probe()
        except (OSError, AssertionError, subprocess.TimeoutExpired, LookupError) as last:
            problem = last
            select.select([], [], [], 0.02)
    raise Bad("%s does not work again: %r" % (what, problem))


class Ended(Exception):
    pass


def _check_end(u):
    code, log, error = u.process.returncode, u.log(), u.fault.error if u.fault else ""
    if code == -signal.SIGKILL and error == "SIGKILL":
        _check_next(u)
        return
    if code == 0:
        if u.told_to_end or error == "SIGTERM":
            return
        raise Bad("it ended by itself with 0")
    if code not in (1, 3):
        raise Bad("it ended with %d" % code)
    if not re.search(r"(?m)(^| )error |^usherd?: |out of memory", log):
        raise Bad("it ended with %d and said nothing" % code)


def _check_next(u):
    """The master was killed: its workers leave, and the next one starts and serves."""
    try:
        wait_for(lambda: not u.family(), "the workers to leave", PATIENCE)
    except AssertionError as problem:
        raise Bad(str(problem))
    u.prefix, u.fault, u.told_to_end = [], None, False
    if not u.start():
        raise Bad("the next one does not start")
    _again(u, "echo of the next one", lambda: _exchange(_ports(u)["echo", "tcp"], b"next"))
    _stop(u)


def _place(pid, what):
    with contextlib.suppress(OSError):
        return os.readlink("/proc/%d/%s" % (pid, what))
    return ""


def rights_of(pid, master):
    """What its status says, and whether it has the real root and the master's network."""
    status = status_of(pid)
    return (*(" ".join(status.get(name, "").split()) for name in RIGHTS), _place(pid, "root") == "/",
            _place(pid, "ns/net") == _place(master, "ns/net"))


def _held(port):
    client = connect(port, seconds=TRY)
    client.sendall(b"x")
    equal(client.recv(1), b"x")
    return client


def everybodys_rights(u, ports):
    """{rights} of all who serve, while a forked child and a program are there."""
    with _held(ports["forked", "tcp"]), _held(ports["cat", "tcp"]):
        return {pid: rights_of(pid, u.pid) for pid in descendants_of(u.pid)}


# What the log may say the kernel lacks, and where that shows in rights_of(): weaker, but not in silence.
LACKS = {"seccomp": RIGHTS.index("Seccomp"), "chroot": len(RIGHTS), "network-namespaces": len(RIGHTS) + 1}


def _check_rights(u, ports, want):
    """Twice: who was just born has not become what he will be."""
    said = {LACKS.get(word) for word in re.findall(r'sandbox lacks="([a-z-]+)"', u.log())}

    def without(rights):
        return tuple(right for place, right in enumerate(rights) if place not in said)

    def strange():
        wanted = {without(rights) for rights in want}
        return {pid: rights for pid, rights in everybodys_rights(u, ports).items()
                if without(rights) not in wanted and is_alive(pid)}

    first = strange()
    if first:
        select.select([], [], [], 0.3)
        second = strange()
        both = set(first) & set(second)
        if both:
            raise Bad("unprotected: %s" % {pid: second[pid] for pid in both})


def _check_rest(u, window=0.25):
    """Spinning is using more than half of a processor when nothing is to do."""
    def used():
        total = 0.0
        for pid in [u.pid, *descendants_of(u.pid)]:
            with contextlib.suppress(OSError):
                total += cpu_seconds(pid)
        return total

    for _ in range(3):
        before = used()
        select.select([], [], [], window)
        if used() - before < window / 2:
            return
        window *= 2
    raise Bad("it spins")


def _reload(u):
    u.table(MORE)
    _again(u, "reload", lambda: _control(u, "reload"))
    ports = _again(u, "list", lambda: _ports(u))
    _again(u, "the new row", lambda: talk(ports["more", "tcp"]))


def _serve(u, want):
    _again(u, "list", lambda: _control(u, "list"))
    ports = _again(u, "list", lambda: _ports(u))
    if u.who in ("workers", "reload"):
        u.attach()
    for turn in (b"one", b"two"):
        _again(u, "echo", lambda: _exchange(ports["echo", "tcp"], turn))
        _again(u, "echo by datagrams", lambda: _datagram(ports["echo", "udp"]))
        _again(u, "a program", lambda: _exchange(ports["cat", "tcp"], turn))
        _again(u, "a forked child", lambda: _exchange(ports["forked", "tcp"], turn))
    _reload(u)
    _again(u, "echo after the reload", lambda: _exchange(ports["echo", "tcp"], b"three"))
    if want is None:
        u.rights = set(_again(u, "a look", lambda: everybodys_rights(u, ports)).values())
    else:
        _again(u, "a look", lambda: _check_rights(u, ports, want))
    _check_rest(u)


def _stop(u):
    u.told_to_end = True
    u.signal(signal.SIGTERM)
    left = descendants_of(u.pid)
    try:
        u.process.wait(PATIENCE + 3)
    except subprocess.TimeoutExpired:
        raise Bad("TERM does not end it")
    _check_end(u)
    try:
        wait_for(lambda: not [pid for pid in left if is_alive(pid)], "its processes to end", PATIENCE)
    except AssertionError as problem:
        raise Bad(str(problem))


def live(u, want=None):
    """The whole life. Bad is raised, or all is well."""
    u.told_to_end = False
    if not u.start():
        _check_end(u)
        return
    try:
        _serve(u, want)
        _stop(u)
    except (Ended, ProcessLookupError):
        u.process.wait(PATIENCE)
        _check_end(u)


# ---- many of them -------------------------------------------------------------------------

def try_fault(fault, want):
    """(was it injected?, seconds, what was bad or "", the log)"""
    u = Traced(fault.who, fault)
    started, problem = time.monotonic(), ""
    try:
        live(u, want)
    except Exception as bad:  # whatever it is, the other faults go on
        problem = str(bad) if isinstance(bad, Bad) else repr(bad)
    finally:
        u.fault = fault
        injected, log = u.was_injected(), u.log() if os.path.exists(u.log_path) else ""
        u.end()
    return injected, time.monotonic() - started, problem, log


def count_calls(who):
    """(how often each call is made by the one who makes it most, {rights}): a life without faults. The
    calls of the dynamic loader before main() are left out: (call, how many) to skip, for the master."""
    u = Traced(who)
    try:
        live(u)
        lines = u.traced().splitlines()
    finally:
        u.end()
    counts = collections.defaultdict(collections.Counter)
    skip, in_main = collections.Counter(), False
    for line in lines:
        found = re.match(r"(\d+ +)?(\w+)\((.*)", line)
        if not found:
            continue
        in_main = in_main or (found.group(2) == "fcntl" and found.group(3).startswith("0, F_GETFD"))
        counts[found.group(1)][found.group(2)] += 1
        if not in_main and who in ("master", "all"):
            skip[found.group(2)] += 1
    most = collections.Counter()
    for counter in counts.values():
        for call, count in counter.items():
            most[call] = max(most[call], count)
    return most, skip, u.rights


def choose(count, skip, most=8):
    """Which occurrences: the first ones all, then ever fewer, and the last."""
    first, chosen, step = skip + 1, [], 1
    while first <= count and len(chosen) < most:
        chosen.append(first)
        if len(chosen) >= 4:
            step *= 2
        first += step
    if count > skip and chosen and chosen[-1] != count and len(chosen) == most:
        chosen[-1] = count
    return chosen


def all_faults(who, most=8):
    counts, skip, rights = count_calls(who)
    faults = [Fault(who, call, error, nth) for call in sorted(counts) if call in ERRORS
              for error in ERRORS[call] for nth in choose(counts[call], skip[call], most)]
    return faults, rights
