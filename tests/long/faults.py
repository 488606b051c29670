#!/usr/bin/env python3
"""Every system call of tests/live/usher_faults.py fails, with every error, at many of its occurrences.

usage: tests/long/faults.py [-j PARALLEL] [-n OCCURRENCES] [-w WHO] [CALL...]
top_builddir and top_srcdir say where usherd is. The last line is "N faults, N not reached, N bad".
"""
import argparse
import concurrent.futures
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "live"))
import usher_faults as faults  # noqa: E402 - the path comes first

WHO = ("master", "all", "workers", "reload")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-j", "--parallel", type=int, default=2)
    parser.add_argument("-n", "--occurrences", type=int, default=6)
    parser.add_argument("-w", "--who", action="append", choices=WHO)
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("-e", "--error", action="append", help="only these")
    parser.add_argument("calls", nargs="*")
    return parser.parse_args()


def show(fault, outcome, verbose):
    injected, seconds, problem, log = outcome
    if problem:
        print("BAD %s: %s" % (" ".join(map(str, fault)), problem))
        for line in log.splitlines()[-12:]:
            print("    " + line)
    elif verbose:
        print("good %s %.1f s%s" % (" ".join(map(str, fault)), seconds, "" if injected else ", not reached"))
        for line in log.splitlines()[-4:] if verbose else ():
            print("    " + line)
    sys.stdout.flush()


def main():
    options = arguments()
    faults.need_strace()
    started, total, missed, bad = time.monotonic(), 0, 0, 0
    for who in options.who or WHO:
        try:
            chosen, rights = faults.all_faults(who, options.occurrences)
        except faults.Skip as reason:
            print("%s: left out, %s" % (who, reason))
            continue
        chosen = [f for f in chosen if not options.calls or f.call in options.calls]
        chosen = [f for f in chosen if not options.error or f.error in options.error]
        print("%s: %d faults in %d calls" % (who, len(chosen), len({f.call for f in chosen})), flush=True)
        with concurrent.futures.ProcessPoolExecutor(options.parallel) as pool:
            running = {pool.submit(faults.try_fault, fault, rights): fault for fault in chosen}
            for done in concurrent.futures.as_completed(running):
                outcome = done.result()
                total += 1
                missed += not outcome[0]
                bad += bool(outcome[2])
                show(running[done], outcome, options.verbose)
    print("%d faults, %d not reached, %d bad, %.0f s" % (total, missed, bad, time.monotonic() - started))
    sys.exit(1 if bad else 0)


main()
