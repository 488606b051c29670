"""Starting and ending what is measured: a reference loop, or usherd with a table.

A side (Loops, Build) is one of the two that are compared: it starts a server for each
round, in a folder of its own, because no two usherds share a control socket.
"""

import ctypes
import os
import pwd
import random
import select
import signal
import socket
import subprocess

PATIENCE = 15  # seconds for a server to be ready, and to end
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)

TABLE = """
bind = [ "127.0.0.1" ];
control = "{folder}/control";
user = "{user}";
drain_timeout = "2s";
services: {{
    echo: {{
        plugin = "echo";
        listen = "tcp://127.0.0.1:{echo}";
        max_connections = {most};
    }};
    echo-udp: {{
        plugin = "echo";
        listen = "udp://127.0.0.1:{echo}";
        receive_buffer = 1048576;
    }};
    daytime: {{
        plugin = "daytime";
        listen = "tcp://127.0.0.1:{daytime}";
    }};
    tiny: {{
        exec = [ "{tiny}" ];
        listen = "tcp://127.0.0.1:{tiny_port}";
        user = "{user}";
    }};
}};
"""


class Failed(Exception):
    """A server did not start; the text says why."""


def read_line(fd, what):
    """One line from a server that is starting."""
    line = b""
    while not line.endswith(b"\n"):
        ready = select.select([fd], [], [], PATIENCE)[0]
        got = os.read(fd, 256) if ready else b""
        if not got:
            raise Failed(f"{what}: {'ended' if ready else 'nothing'} before it was ready")
        line += got
    return line.decode()


def free_ports(count):
    """Ports that nobody has, below the kernel's range for clients: no client of ours can
    get one of them as its own, and usher answers no datagram from a port it serves."""
    held = []
    for port in random.sample(range(20000, 32000), 200):
        tcp, udp = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
        try:
            tcp.bind(("127.0.0.1", port))
            udp.bind(("127.0.0.1", port))
            held.append((port, tcp, udp))
        except OSError:
            tcp.close()
            udp.close()
        if len(held) == count:
            break
    for _, tcp, udp in held:
        tcp.close()
        udp.close()
    return [port for port, _, _ in held]


def kill(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


class Server:
    """A running server on its processor, with its meter."""

    def __init__(self, argv, side, **more):
        self.meter = side.bench.new_meter()
        self.log = open(side.folder + "/server.log", "wb")

        def enter():
            os.setsid()  # as usherd's workers do: the kernel shares time out by session
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            os.sched_setaffinity(0, {side.bench.server_cpu})
            self.meter.join()

        try:
            self.process = subprocess.Popen(
                argv, preexec_fn=enter, stdin=subprocess.DEVNULL, stderr=self.log, **more)
        except (OSError, subprocess.SubprocessError) as error:
            self.log.close()
            self.meter.close()
            raise Failed(f"{argv[0]}: {error}")
        self.meter.start(self.process.pid)

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            kill(self.meter.pids())
            self.process.wait()
        kill(set(self.meter.pids()) - {self.process.pid})
        self.log.close()
        self.meter.close()


class Reference(Server):
    def __init__(self, argv, side):
        super().__init__(argv, side, stdout=subprocess.PIPE)
        try:
            self.port = int(read_line(self.process.stdout.fileno(), argv[0]).split()[1])
        except Failed:
            self.close()
            raise

    def close(self):
        super().close()
        self.process.stdout.close()


class Usher(Server):
    def __init__(self, service, side):
        ports = dict(zip(("echo", "daytime", "tiny"), free_ports(3)))
        self.port = ports[service]
        ready, told = os.pipe()
        try:
            super().__init__(
                [side.usherd, "-c", write_table(side, ports), "--plugin-dir",
                 side.plugin_dir, "--ready-fd", str(told)],
                side, stdout=subprocess.DEVNULL, pass_fds=(told,))
        finally:
            os.close(told)
        try:
            read_line(ready, side.usherd)
        except Failed as failed:
            self.close()
            with open(side.folder + "/server.log", errors="replace") as log:
                raise Failed(f"{failed}\n{log.read()}")
        finally:
            os.close(ready)


def write_table(side, ports):
    path = side.folder + "/usher.conf"
    os.makedirs(side.folder + "/services.d", exist_ok=True)
    with open(path, "w") as file:
        file.write(TABLE.format(
            folder=side.folder, tiny=side.bench.tmp + "/tiny",
            most=side.bench.most_connections,
            user="nobody" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name,
            echo=ports["echo"], daytime=ports["daytime"], tiny_port=ports["tiny"]))
    return path


class Side:
    def __init__(self, name, bench):
        self.name, self.bench = name, bench
        self.folder = f"{bench.tmp}/{name.replace(' ', '-')}"
        os.mkdir(self.folder)


class Loops(Side):
    """The bare loops, a program for each kind of row."""

    def start(self, row):
        argv = [f"{self.bench.tmp}/{row.reference}"]
        if row.service == "tiny":
            argv.append(self.bench.tmp + "/tiny")
        return Reference(argv, self)


class Build(Side):
    """The usherd of a build directory, with the plugins that were built there."""

    def __init__(self, name, build, bench):
        super().__init__(name, bench)
        self.usherd = find_usherd(build)
        self.plugin_dir = os.path.abspath(build + "/services/.libs")

    def start(self, row):
        return Usher(row.service, self)


def find_usherd(build):
    for path in ("src/usherd", "usherd"):
        found = os.path.abspath(os.path.join(build, path))
        if os.access(found, os.X_OK):
            return found
    raise SystemExit(f"bench: no usherd in {build}: build first, or try --self")
