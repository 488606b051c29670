"""What bench/run compiles, and the generator in step: ready, go, counts, end."""

import os
import subprocess

import rows
import servers

HERE = os.path.dirname(os.path.abspath(__file__))
LOADER_PATIENCE = 60


def compile_all(tmp):
    """The same compiler and flags for everything we compare with; $CC or cc."""
    compiler = [os.environ.get("CC", "cc"), "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall"]
    loader = sorted(name for name in os.listdir(HERE)
                    if name.startswith("load") and name.endswith(".c"))
    programs = {"load": loader, "tiny": ["tiny.c", "-static"]}
    for row in rows.ROWS:
        programs[row.reference] = [row.reference + ".c", "ref.c"]
    for name, parts in programs.items():
        sources = [f"{HERE}/{part}" if part.endswith(".c") else part for part in parts]
        subprocess.run(compiler + ["-o", f"{tmp}/{name}"] + sources, check=True)


class Loader:
    """One run of the generator, step by step: ready, go, counts, end."""

    def __init__(self, bench, load, port, seconds):
        self.process = subprocess.Popen(
            [bench.tmp + "/load", "--in-step", "--port", str(port),
             "--seconds", str(seconds)] + load.split(),
            preexec_fn=lambda: os.sched_setaffinity(0, {bench.load_cpu}),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def hear(self):
        return servers.read_line(self.process.stdout.fileno(), "load")

    def go(self):
        self.process.stdin.write(b"go\n")
        self.process.stdin.flush()

    def counts(self):
        return dict(pair.split("=") for pair in self.hear().split())

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(LOADER_PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
