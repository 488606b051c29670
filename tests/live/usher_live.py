"""What every live test needs: a real usherd on loopback, clients with deadlines, TAP.

A test is a function with the decorator @test; run() at the end of the file runs them all in order.
Ports are the kernel's (port 0), learnt from `usherctl list`. Nothing here sleeps for luck: wait_for()
asks again until its deadline. Each test is killed by an alarm after TEST_SECONDS.
"""
import contextlib
import fcntl
import json
import os
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import time
import traceback

BUILD = os.environ.get("top_builddir") or os.getcwd()
SOURCE = os.environ.get("top_srcdir") or os.getcwd()
USHERD = os.path.join(BUILD, "usherd")
USHERCTL = os.path.join(BUILD, "usherctl")
TEST_SECONDS = 120  # only who hangs is found
DEADLINE = 10.0  # for one thing that must happen
FAREWELL_SECONDS = 2.0  # as src/flow/farewell.h has it
POLL = 0.01  # seconds between two looks of wait_for()
IS_ROOT = os.geteuid() == 0
LOOPS = ("epoll", "poll", "select")
IS_LONG = bool(os.environ.get("USHER_TEST_LONG"))  # script/test-long, where nothing else runs
try:
    with open(USHERD, "rb") as _file:
        IS_SANITIZED = b"__asan_init" in _file.read()
except OSError:
    IS_SANITIZED = False


def soon(seconds):
    """A bound for what takes no time worth speaking of. Beside other tests, or with a sanitizer, anybody may wait
    longer than that for a processor: there only who hangs is found."""
    return seconds if IS_LONG and not IS_SANITIZED else max(3.0, seconds)


class Skip(Exception):
    """The reason why this machine cannot run a test."""


_tests = []


def test(function):
    _tests.append(function)
    return function


def run():
    """Runs the tests of the file; arguments name a choice of them."""
    chosen = [t for t in _tests if len(sys.argv) < 2 or t.__name__ in sys.argv[1:]]
    print("1..%d" % len(chosen), flush=True)
    bad = 0
    for number, function in enumerate(chosen, 1):
        name = function.__name__.replace("_", " ")
        signal.signal(signal.SIGALRM, _too_long)
        signal.alarm(TEST_SECONDS)
        try:
            function()
            print("ok %d - %s" % (number, name), flush=True)
        except Skip as reason:
            print("ok %d - %s # SKIP %s" % (number, name, reason), flush=True)
        except BaseException as problem:  # the alarm is one too
            bad += 1
            print("not ok %d - %s" % (number, name))
            for line in traceback.format_exc().splitlines():
                print("# " + line)
            sys.stdout.flush()
            if isinstance(problem, KeyboardInterrupt):
                raise
        finally:
            signal.alarm(0)
    sys.exit(1 if bad else 0)


def _too_long(_signal, _frame):
    raise TimeoutError("the test took longer than %d s" % TEST_SECONDS)


def wait_for(condition, what="it", seconds=DEADLINE):
    """Asks until condition() is true, and yields what it said."""
    until = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > until:
            raise AssertionError("waited %.0f s for %s" % (seconds, what))
        time.sleep(POLL)


def equal(got, want):
    assert got == want, "got %r, want %r" % (_short(got), _short(want))


def _short(value):
    text = value
    if isinstance(value, (bytes, str)) and len(value) > 300:
        text = value[:150] + value[-150:]
    return text


# ---- processes ---------------------------------------------------------------------------

def status_of(pid):
    """/proc/PID/status as a dictionary; {} when it is gone."""
    try:
        with open("/proc/%d/status" % pid, errors="replace") as file:
            return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    except OSError:
        return {}


def families():
    """{pid: its children}, from one look at /proc."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError), open("/proc/%s/stat" % entry, errors="replace") as file:
                parent = int(file.read().rsplit(")", 1)[1].split()[1])
                found.setdefault(parent, []).append(int(entry))
    return found


def children_of(pid):
    return sorted(families().get(pid, []))


def descendants_of(pid, known=None):
    known = families() if known is None else known
    found = []
    for child in sorted(known.get(pid, [])):
        found += [child] + descendants_of(child, known)
    return found


def is_alive(pid):
    return status_of(pid).get("State", "Z")[0] != "Z"


def descriptors_of(pid):
    """{number: what it is}"""
    folder = "/proc/%d/fd" % pid
    found = {}
    try:
        names = os.listdir(folder)
    except PermissionError:
        raise Skip("a worker shows its descriptors to root only")
    for name in names:
        with contextlib.suppress(OSError):
            found[int(name)] = os.readlink(os.path.join(folder, name))
    return found


def end_all(pids):
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid) as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_kb(pid, name, status_name):
    """Some kernels sum a process's own figure up by and by, off by more with each processor: counted again
    where we may look."""
    with contextlib.suppress(OSError), open("/proc/%d/smaps_rollup" % pid) as file:
        for line in file:
            if line.startswith(name + ":"):
                return int(line.split()[1])
    return int(status_of(pid).get(status_name, "0 kB").split()[0])


def resident_kb(pid):
    """What it has in memory."""
    return _memory_kb(pid, "Rss", "VmRSS")


def allocated_kb(pid):
    """What it allocated. Files it has mapped, and whether others share its pages, do not count: that depends on
    who else runs, and on what it ran for the first time."""
    return _memory_kb(pid, "Anonymous", "RssAnon")


def wait_rest(*pids, window=0.5):
    """Until these processes together pass a window in which they use a tenth of it at the most: whoever
    spins never does."""
    def rests():
        before = sum(cpu_seconds(pid) for pid in pids)
        select.select([], [], [], window)
        return sum(cpu_seconds(pid) for pid in pids) - before < window / 10

    wait_for(rests, "%s to rest" % (pids,))


def wait_taken(client):
    """Until the other side's system has all that was sent: what follows is a segment of its own."""
    def unsent():
        return int.from_bytes(fcntl.ioctl(client, termios.TIOCOUTQ, bytes(4)), sys.byteorder)

    wait_for(lambda: unsent() == 0, "the bytes to be taken")


def free_port(kind=socket.SOCK_STREAM):
    """One that nobody has, and that the kernel gives to nobody who lets it choose."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as file:
        end = max(int(file.read().split()[0]), 12000)
    for _ in range(100):
        port = random.randrange(10000, end)
        with socket.socket(socket.AF_INET, kind) as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            return port
    raise Skip("no port is free")


def listening_at(port):
    """The kernel's words for each socket that listens there: [4] its queues, [9] its inode."""
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(FileNotFoundError), open(table) as file:
            for line in list(file)[1:]:
                words = line.split()
                if int(words[1].rsplit(":", 1)[1], 16) == port and words[3] == "0A":
                    found.append(words)
    return found


def queued_at(port):
    """How many callers nobody has accepted yet."""
    return sum(int(words[4].split(":")[1], 16) for words in listening_at(port))


# ---- the daemon --------------------------------------------------------------------------

class Usherd:
    """A running usherd with a table of its own, in a folder of its own.

    rows: text of the group `services`; settings: more global settings; files: {name: text} in
    services.d. `with Usherd(rows) as u:` checks at the end that it ends well and leaves nothing.
    """

    def __init__(self, rows="", settings="", files=None, loop=None, args=(), env=None,
                 start=True, allow_errors=False, prefix=(), pass_fds=(), control=True):
        self.dir = tempfile.mkdtemp(prefix="usher-live-")
        os.chmod(self.dir, 0o755)
        self.plugins = os.path.join(self.dir, "plugins")
        os.mkdir(self.plugins)
        os.mkdir(os.path.join(self.dir, "services.d"))
        for folder in ("services/.libs", "tests/plugins/.libs"):
            self._copy_plugins(os.path.join(BUILD, folder))
        self.control = os.path.join(self.dir, "control")
        self.log_path = os.path.join(self.dir, "log")
        self.settings = settings
        self.loop = loop or os.environ.get("USHER_TEST_LOOP")
        self.args = list(args)
        self.env = env
        self.prefix = list(prefix)
        self.pass_fds = tuple(pass_fds)
        self.allow_errors = allow_errors
        self.has_control = control
        self.process = None
        for name, text in (files or {}).items():
            self.write(name, text)
        self.table(rows)
        if start:
            self.start()

    def _copy_plugins(self, folder):
        if os.path.isdir(folder):
            for name in os.listdir(folder):
                if name.endswith(".so"):
                    shutil.copy(os.path.join(folder, name), self.plugins)

    def write(self, name, text):
        """A file of services.d."""
        with open(os.path.join(self.dir, "services.d", name), "w") as file:
            file.write(text)

    def remove(self, name):
        os.unlink(os.path.join(self.dir, "services.d", name))

    def table(self, rows, settings=None):
        """Writes usher.conf."""
        if settings is not None:
            self.settings = settings
        who = 'user = "nobody"; group = "nogroup";\n' if IS_ROOT and "user =" not in (
            self.settings) else ""
        loop = 'loop = "%s";\n' % self.loop if self.loop and "loop =" not in self.settings else ""
        drain = 'drain_timeout = "2s";\n' if "drain_timeout" not in self.settings else ""
        text = '%s%s%scontrol = "%s";\n%s\nservices: {\n%s\n};\n' % (
            who, loop, drain, self.control, self.settings, rows)
        with open(self.conf, "w") as file:
            file.write(text)

    @property
    def conf(self):
        return os.path.join(self.dir, "usher.conf")

    def command(self, *args):
        return [*self.prefix, USHERD, "-c", self.conf, "--plugin-dir", self.plugins, *self.args,
                *args]

    def start(self, wait=True):
        ready, ready_end = os.pipe()
        log = open(self.log_path, "ab")
        self.process = subprocess.Popen(
            self.command("--ready-fd", str(ready_end)), stdin=subprocess.DEVNULL,
            stdout=log, stderr=log, pass_fds=(ready_end, *self.pass_fds), env=self.env)
        log.close()
        os.close(ready_end)
        self.pid = self.process.pid
        try:
            if wait and os.read(ready, 1) != b"\n":
                code = self.process.wait(DEADLINE)
                raise AssertionError("usherd did not become ready, exit %d:\n%s"
                                     % (code, self.log()))
        finally:
            os.close(ready)
        return self

    def log(self):
        with open(self.log_path, errors="replace") as file:
            return file.read()

    def wait_log(self, pattern, seconds=DEADLINE):
        return wait_for(lambda: re.search(pattern, self.log()), "the log to have %r, it has:\n%s"
                        % (pattern, self.log()), seconds)

    def ctl(self, *words, check=True):
        done = subprocess.run([USHERCTL, "-s", self.control, *words], timeout=DEADLINE * 3,
                              capture_output=True, text=True)
        if check:
            assert done.returncode == 0, "usherctl %s: %d\n%s%s\n%s" % (
                words, done.returncode, done.stdout, done.stderr, self.log())
        return done

    def list(self):
        """Rows of `usherctl list` as dictionaries, keys as its heads."""
        lines = self.ctl("list").stdout.splitlines()
        heads = lines[0].split() if lines else []
        return [dict(zip(heads, line.split())) for line in lines[1:]]

    def endpoints(self, service):
        return [row["ENDPOINT"] for row in self.list() if row["SERVICE"] == service]

    def port(self, service, protocol="tcp"):
        """The port of a service's first endpoint of this protocol."""
        for endpoint in self.endpoints(service):
            if endpoint.startswith(protocol + "://"):
                return int(endpoint.rsplit(":", 1)[1])
        raise AssertionError("%s has no %s endpoint: %s" % (service, protocol, self.list()))

    def count(self, service, column):
        return int([row[column] for row in self.list() if row["SERVICE"] == service][0])

    def counts(self, service):
        """All of a service's counts, as `status --json` has them."""
        told = json.loads(self.ctl("status", "--json").stdout)
        return [row for row in told["services"] if row["name"] == service][0]

    def reload(self):
        self.ctl("reload")

    def signal(self, number):
        os.kill(self.pid, number)

    def workers(self):
        return children_of(self.pid)

    def stop(self):
        """Asks it to end, and makes sure that it does, and that nothing is left."""
        if self.process is None:
            return
        left = descendants_of(self.pid)
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            code = self.process.wait(DEADLINE + 10)
        except subprocess.TimeoutExpired:
            end_all([self.pid] + left)
            self.process.wait()
            raise AssertionError("usherd did not end:\n" + self.log())
        self.process = None
        wait_for(lambda: not [pid for pid in left if is_alive(pid)], "its processes to end")
        log = self.log()
        for word in ("AddressSanitizer", "LeakSanitizer", "runtime error:", "panic"):
            assert word not in log, log
        assert code == 0 or self.allow_errors, "exit %d:\n%s" % (code, log)
        assert not os.path.exists(self.control), "the control socket was left behind"

    def clean(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, problem, trace):
        try:
            if kind is None:
                self.stop()
            else:
                print("# log:\n" + re.sub("(?m)^", "# ", self.log()[-6000:]))
                with contextlib.suppress(BaseException):
                    self.stop()
        finally:
            self.clean()


def make_ordinary(daemon):
    """For a test that root runs: before it starts, makes it an ordinary user's."""
    for path in (daemon.dir, *(os.path.join(daemon.dir, name) for name in os.listdir(daemon.dir))):
        os.chown(path, 65534, 65534, follow_symlinks=False)
    with open(daemon.conf) as file:
        text = file.read().replace('user = "nobody"; group = "nogroup";\n', "")
    with open(daemon.conf, "w") as file:
        file.write(text)
    open(daemon.log_path, "w").close()
    daemon.prefix = [program("setpriv"), "--reuid=65534", "--regid=65534", "--clear-groups"]


def shipped(settings="", prepare=lambda daemon: None, **more):
    """The table of etc/ as it is installed, all its ports shifted to where they are free: .offset."""
    folder = os.path.join(SOURCE, "etc", "services.d")
    files = {}
    for name in os.listdir(folder):
        if name.endswith(".conf"):
            with open(os.path.join(folder, name)) as file:
                files[name] = file.read()
    for attempt in range(8):
        offset = random.randrange(2000, 15500)  # with it 50000 is still a port
        daemon = Usherd("", settings + "port_offset = %d;\n" % offset, files, start=False, **more)
        daemon.offset = offset
        prepare(daemon)
        try:
            return daemon.start()
        except AssertionError:
            is_taken = "Address already in use" in daemon.log()
            daemon.clean()
            if attempt == 7 or not is_taken:
                raise


def refused(rows="", settings="", files=None, args=(), prefix=(), env=None):
    """Starts usherd where it must not start: (exit code, what it said)."""
    daemon = Usherd(rows, settings, files, args=args, prefix=prefix, env=env, start=False)
    process = subprocess.Popen(daemon.command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, env=env)
    try:
        said, _ = process.communicate(timeout=DEADLINE * 3)
        return process.returncode, said
    finally:
        if process.poll() is None:  # it has started, or hangs: its workers may hang, too
            end_all([process.pid] + descendants_of(process.pid))
            process.communicate()
        daemon.clean()


# ---- clients -----------------------------------------------------------------------------

def connect(port, host="127.0.0.1", seconds=DEADLINE, source=None):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    client = socket.socket(family, socket.SOCK_STREAM)
    client.settimeout(seconds)
    if source:
        client.bind((source, 0))
    client.connect((host, port))
    return client


def read_all(client):
    """Until end of file."""
    parts = []
    while True:
        part = client.recv(65536)
        if not part:
            return b"".join(parts)
        parts.append(part)


def read_exactly(client, count):
    parts = []
    while count > 0:
        part = client.recv(min(count, 65536))
        assert part, "end of file, %d bytes early" % count
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def talk(port, request=b"", host="127.0.0.1", half_close=True):
    """Sends, closes our side, reads to the end."""
    begun = time.monotonic()
    with connect(port, host) as client:
        try:
            client.sendall(request)
            if half_close:
                client.shutdown(socket.SHUT_WR)
        except OSError:  # who has said all waits so long for the other side's end, and no longer
            if time.monotonic() - begun < FAREWELL_SECONDS:
                raise
        return read_all(client)


def udp(host="127.0.0.1", seconds=DEADLINE, port=0):
    client = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    client.bind((host, port))
    client.settimeout(seconds)
    return client


def ask(port, request, host="127.0.0.1"):
    """One datagram, one answer."""
    with udp(host) as client:
        client.connect((host, port))
        client.send(request)
        return client.recv(65536)


def ask_until_answered(port, request, host="127.0.0.1"):
    """The same where what came before may fill the queue: a datagram that finds no room is lost, so again."""
    with udp(host, seconds=1) as client:
        client.connect((host, port))

        def answer():
            client.send(request)
            with contextlib.suppress(socket.timeout):
                return client.recv(65536)

        return wait_for(answer, "an answer from port %d" % port)


def program(name):
    """The path of a client program, or the test is skipped."""
    path = shutil.which(name)
    if path is None:
        raise Skip(name + " is not installed")
    return path


def told_by(*command, request=b""):
    """What a client says that waits for a datagram only a short while: it asks until there is an answer."""
    return wait_for(lambda: run_client(*command, request=request), "an answer to " + command[0])


def run_client(*command, request=b"", seconds=DEADLINE):
    done = subprocess.run(command, input=request, timeout=seconds, capture_output=True)
    return done.stdout
