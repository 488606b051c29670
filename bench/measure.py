"""What a tree of processes has used: processor time and private memory.

Two meters with the same methods. A control group counts in nanoseconds and cannot lose
anybody; /proc counts in clock ticks, but needs no rights.
"""

import os
import time

TICK_US = 1e6 / os.sysconf("SC_CLK_TCK")
SETTLED_US = 200  # less than this in SETTLE_STEP: the server is at rest
SETTLE_STEP = 0.03
SETTLE_STEPS = 60


def read(path):
    with open(path) as file:
        return file.read()


def settle(meter):
    """Wait until the tree has finished what it was asked, and give its time so far."""
    before = meter.cpu_us()
    for _ in range(SETTLE_STEPS):
        time.sleep(SETTLE_STEP)
        now = meter.cpu_us()
        if now - before < SETTLED_US:
            return now
        before = now
    return before


def private_bytes(pids):
    """The memory that these processes share with nobody."""
    total = 0
    for pid in pids:
        for line in read(f"/proc/{pid}/smaps_rollup").splitlines():
            if line.startswith(("Private_Clean:", "Private_Dirty:")):
                total += int(line.split()[1]) * 1024
    return total


def stat_fields(pid):
    """/proc/PID/stat from the third field on; a name may hold spaces and brackets."""
    return read(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()


def tree(root):
    """The process and its living descendants."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                parent = int(stat_fields(name)[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(name))
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children.get(pid, [])
    return found


class ProcMeter:
    """Sums own and waited-for time over the tree: whoever ended is in the time of the one
    who collected it, and that one is in the tree as well."""

    name = "/proc/PID/stat, children and waited-for children included"
    window = 1  # seconds of work, so that a tick is little of them

    def join(self):
        pass

    def start(self, pid):
        self.root = pid

    def pids(self):
        return tree(self.root)

    def cpu_us(self):
        ticks = 0
        for pid in self.pids():
            try:
                ticks += sum(int(field) for field in stat_fields(pid)[11:15])
            except (OSError, IndexError):
                pass  # ended meanwhile; its time turns up at its parent
        return ticks * TICK_US

    def close(self):
        pass


class GroupMeter:
    """A control group of its own for the server."""

    window = 0.3
    serial = 0

    def __init__(self, version, parent):
        GroupMeter.serial += 1
        self.version = version
        self.path = f"{parent}/usher-bench-{os.getpid()}-{GroupMeter.serial}"
        os.mkdir(self.path)

    def join(self):
        """In the child, before it becomes the server."""
        with open(self.path + "/cgroup.procs", "w") as file:
            file.write("0")

    def start(self, pid):
        pass

    def pids(self):
        return [int(pid) for pid in read(self.path + "/cgroup.procs").split()]

    def cpu_us(self):
        if self.version == 1:
            return int(read(self.path + "/cpuacct.usage")) / 1000
        for line in read(self.path + "/cpu.stat").splitlines():
            if line.startswith("usage_usec"):
                return float(line.split()[1])
        raise OSError("no usage_usec in cpu.stat")

    def close(self):
        for _ in range(100):
            try:
                os.rmdir(self.path)
                return
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(0.02)  # the last process is still being taken apart


def groups():
    """(version, our own group's directory), the ones that are mounted."""
    own = {}
    for line in read("/proc/self/cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            own[controller] = path
    for line in read("/proc/mounts").splitlines():
        mount, kind, options = line.split()[1:4]
        if kind == "cgroup" and "cpuacct" in options.split(",") and "cpuacct" in own:
            yield 1, mount + own["cpuacct"].rstrip("/")
        elif kind == "cgroup2" and "" in own:
            yield 2, mount + own[""].rstrip("/")


def usable_group():
    """The first group in which we may make another, enter it and read it; or None."""
    for version, parent in groups():
        try:
            meter = GroupMeter(version, parent)
        except OSError:
            continue
        try:
            pid = os.fork()
            if pid == 0:
                try:
                    meter.join()
                    os._exit(0)
                except OSError:
                    os._exit(1)
            if os.waitpid(pid, 0)[1] == 0 and meter.cpu_us() >= 0:
                return version, parent
        except OSError:
            pass
        finally:
            meter.close()
    return None


def choose(kind):
    """What makes a meter, its name, and the seconds it needs; kind is "auto", "group" or
    "proc"."""
    group = usable_group() if kind != "proc" else None
    if kind == "group" and group is None:
        raise SystemExit("bench: no control group can be made here; use --meter proc")
    if group is None:
        return ProcMeter, ProcMeter.name, ProcMeter.window
    name = f"control group, version {group[0]}"
    return lambda: GroupMeter(*group), name, GroupMeter.window
