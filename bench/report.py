"""The table: a row's costs and ratios, whether it met its goal, and what went wrong."""

import statistics

import rounds

LINE = "{:16} {:>22} {:>22} {:>20} {:>6} {:>4} {:>9} {:>9}"


def head(bench):
    names = [side.name for side in bench.sides]
    unit = "microseconds of server time per operation"
    print(f"{unit}, median (first-third quartile); idle: bytes")
    print(LINE.format("row", *names, "ratio", "goal", "met", "verified", ""), flush=True)


def quartiles(values):
    if len(values) == 1:
        return values * 3
    return statistics.quantiles(values, n=4, method="inclusive")


def span(values, digits=2):
    first, median, third = quartiles(values)
    return f"{median:.{digits}f} ({first:.{digits}f}-{third:.{digits}f})"


def pair_ratios(theirs, ours):
    """Of neighbouring windows: both lists are in the order of the turns."""
    return [b / a if a > 0 else float("inf") for a, b in zip(theirs, ours)]


def goal(bench, row):
    return row.goal if row.is_memory or bench.goal is None else bench.goal


def verdict(bench, row, theirs, ours):
    """Met: within the goal, or within the other side's own spread in this run: what it
    took in its dearest round."""
    median = statistics.median(ours.costs())
    if row.is_memory:
        return median <= row.goal
    dearest = max(statistics.median(sample.cost for sample in windows)
                  for windows in theirs.rounds)
    ratio = statistics.median(pair_ratios(theirs.costs(), ours.costs()))
    return ratio <= goal(bench, row) or median <= dearest


def describe_failures(taken):
    texts = []
    for kind in rounds.FAILURES + ("late",):
        count = sum(int(sample.counts[kind]) for sample in taken.samples())
        if count:
            texts.append(f"{kind} {count}")
    return ", ".join(texts) or "only while warming up"


def print_p99(theirs, ours):
    p99 = [[float(sample.counts.get("p99_us", 0)) for sample in side.samples()]
           for side in (theirs, ours)]
    print(f"    p99 us: {theirs.name} {span(p99[0], 0)}, {ours.name} {span(p99[1], 0)}, "
          f"ratio {span(pair_ratios(*p99))}", flush=True)


def print_row(bench, row, theirs, ours):
    """Print the row; give the median ratio and how many operations failed."""
    ratios = pair_ratios(theirs.costs(), ours.costs())
    print(LINE.format(row.name, span(theirs.costs()), span(ours.costs()),
                      "-" if row.is_memory else span(ratios, 3), goal(bench, row),
                      "yes" if verdict(bench, row, theirs, ours) else "no",
                      *(sum(sample.ops for sample in side.samples())
                        for side in (theirs, ours))), flush=True)
    for side in (theirs, ours):
        if side.failed():
            print(f"    {side.name}: {describe_failures(side)}", flush=True)
    if row.load.startswith("ping-pong"):
        print_p99(theirs, ours)
    return 0 if row.is_memory else statistics.median(ratios), \
        theirs.failed() + ours.failed()
