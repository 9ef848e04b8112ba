"""Compare one training process on all cores with one process on each, in images per second.

    python benchmarks/bench_cores.py

The processes run side by side as data-parallel ones do, but exchange no gradients (a few megabytes a step for
these networks). All ways take turns in each round; "+" is as in bench_train.py. Writes
docs/benchmarks/cpu_cores.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from statistics import median

import report
from bench_train import CASES, Worker
from tqdm import tqdm

STEPS = [case for case in CASES if case != "ohem"]


def measure(case: str, cores: int, args: argparse.Namespace) -> dict[str, list[float]]:
    """Return the images per second of each round, for each way to use the cores."""
    ways = {"1 process, 1 thread": (1, 1), f"1 process, {cores} threads": (1, cores)}
    ways[f"{cores} processes, 1 thread each"] = (cores, 1)
    rates: dict[str, list[float]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as folder:
        teams = {}
        for way, (processes, args.threads) in ways.items():
            teams[way] = [Worker("ours+", case, args, Path(folder)) for _ in range(processes)]
        for number in tqdm(range(args.rounds + 1), desc=case):
            for way, team in teams.items():
                for worker in team:
                    worker.start()
                seconds = max(worker.finish()["seconds"] for worker in team)
                if number > 0:  # the first step warms up
                    rates[way].append(len(team) * args.batch_size / seconds)
        for team in teams.values():
            for worker in team:
                worker.close()
    return rates


def main() -> None:
    """Measure the chosen networks and write the page."""
    parser = report.parser(__doc__, "cpu_cores.md")
    parser.add_argument("--rounds", type=int, default=5, help="timed steps of every way")
    parser.add_argument("--cases", nargs="+", choices=STEPS, default=STEPS)
    parser.add_argument("--size", nargs=2, type=int, default=[1024, 512], metavar=("W", "H"), help="pixels")
    parser.add_argument("--batch_size", type=int, default=2, help="of each process")
    args = parser.parse_args()
    cores = os.cpu_count() or 1
    if cores < 2:
        sys.exit("error: there is one core only, and one way to use it")
    width, height = args.size
    page = [
        "# Threads against processes on a CPU",
        "",
        f"{report.circumstances()}; batch {args.batch_size} of each process, {width}x{height}, "
        f"{args.rounds} rounds in which the ways take turns. `python benchmarks/bench_cores.py`",
        "",
        "| network | way | images/s, median | min to max |",
        "| --- | --- | --- | --- |",
    ]
    for case in args.cases:
        for way, rates in measure(case, cores, args).items():
            page.append(
                f"| {CASES[case]} | {way} | {median(rates):.2f} | {min(rates):.2f} to {max(rates):.2f} |"
            )
    report.save("\n".join([*page, ""]), args.output)


if __name__ == "__main__":
    main()
