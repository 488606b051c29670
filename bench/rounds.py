"""Rounds: both servers fresh, alive together, and asked by turns in short windows.

What disturbs a machine for longer than a window disturbs both windows of a pair, so it
is not in their ratio. What a start decides for good (where memory lies) differs from
round to round.
"""

import contextlib

import measure
import programs

WARM_UP = 0.3  # seconds
FAILURES = ("refused", "reset", "early_eof", "timed_out", "wrong", "lost", "other")


class Sample:
    """One window: microseconds per operation, or bytes per connection."""

    def __init__(self, cost, counts):
        self.cost, self.counts = cost, counts
        self.failed = sum(int(counts[kind]) for kind in FAILURES)
        self.ops = int(counts["ops"])


class Taken:
    """All that was measured of one side in a row of the table."""

    def __init__(self, side):
        self.name, self.rounds, self.warm_ups = side.name, [], []

    def samples(self):
        return [sample for windows in self.rounds for sample in windows]

    def costs(self):
        return [sample.cost for sample in self.samples()]

    def failed(self):
        return sum(sample.failed for sample in self.samples() + self.warm_ups)


def window(bench, server, row, load, seconds):
    """One run of the generator. At its end the server has heard it hang up: that must not
    be the other one's time."""
    loader = programs.Loader(bench, load, server.port, seconds)
    try:
        loader.hear()
        time = measure.settle(server.meter)
        memory = measure.private_bytes(server.meter.pids()) if row.is_memory else 0
        loader.go()
        counts = loader.counts()
        cost = measure.settle(server.meter) - time
        if row.is_memory:
            cost = measure.private_bytes(server.meter.pids()) - memory
        return Sample(cost / max(1, int(counts["ops"])), counts)
    finally:
        loader.close()
        measure.settle(server.meter)


def one_round(bench, row, number, taken):
    """Fresh servers, a warm-up that counts only its failures, the windows by turns."""
    order = bench.sides if number % 2 == 0 else bench.sides[::-1]
    with contextlib.ExitStack() as running:
        live = {}
        for side in order:
            live[side] = side.start(row)
            running.callback(live[side].close)
        for side in order:
            taken[side].warm_ups.append(
                window(bench, live[side], row, row.warm_up or row.load, WARM_UP))
            taken[side].rounds.append([])
        for turn in range(min(bench.turns, row.most_turns)):
            # A B, B A, A B: neither is always the one that comes after the other
            for side in order if turn % 2 == 0 else order[::-1]:
                taken[side].rounds[-1].append(
                    window(bench, live[side], row, row.load, bench.seconds * row.stretch))


def measure_row(bench, row):
    """What was measured of the other side, and of ours."""
    taken = {side: Taken(side) for side in bench.sides}
    for number in range(bench.rounds):
        one_round(bench, row, number, taken)
    return [taken[side] for side in bench.sides]
