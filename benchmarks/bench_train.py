"""Time training beside PaddleSeg: the OHEM loss alone, and whole steps of three networks, on the CPU.

    python benchmarks/bench_train.py --peer ../PaddleSeg --peer_python ../PaddleSeg/.venv/bin/python

Every measurement is a process of its own, in which either library builds its own network and loss with the
same weights, data and optimizer (paddle.optimizer.Momentum). The processes of a case take turns: in each
round each makes one step while the others wait, so that a slow moment of the machine hits them all. Reported
are the median and the spread of the rounds, and the peak of resident memory.

"+" marks what our command-line tools set for their process and PaddleSeg's do not: freed memory is kept, and
MKL_DEBUG_CPU_TYPE is 5 (our tools: on AMD CPUs only). Both libraries are measured with and without.
PaddleSeg is needed as a checkout at its repository's head, with a Python in which it runs, with Paddle of the
same version as ours. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import report
from report import ROOT
from tqdm import tqdm

CASES = {
    "ohem": "OHEM, forward and backward",
    "lpsnet_m": "LPSNet-M, step",
    "lraspp_os32": "LRASPP os32, step",
    "lraspp_os8": "LRASPP os8, step",
}
SIDES = ("ours+", "ours", "PaddleSeg+", "PaddleSeg")
BEFORE = "before+"  # with --before


@dataclass
class Result:
    """One side of one case: seconds of each round, the first loss, peak bytes, the loss's gradient."""

    seconds: list[float]
    loss: float
    peak: int
    gradient: np.ndarray | None


class Worker:
    """A measuring process (train_worker.py); it waits until it is asked for a step."""

    def __init__(self, side: str, case: str, args: argparse.Namespace, folder: Path) -> None:
        peer = side.startswith("PaddleSeg")
        home = args.before.resolve() if side == BEFORE else ROOT
        environment = {**os.environ, "OMP_NUM_THREADS": str(args.threads)}
        environment["PYTHONPATH"] = str(args.peer.resolve() if peer else home)
        environment.pop("MKL_DEBUG_CPU_TYPE", None)
        python = args.peer_python if peer else sys.executable
        command: list[str | Path] = [python, home / "benchmarks" / "train_worker.py"]
        command += ["--library", "peer" if peer else "ours", "--case", case]
        command += ["--size", *map(str, args.size), "--batch_size", str(args.batch_size)]
        if side.endswith("+"):
            environment["MKL_DEBUG_CPU_TYPE"] = "5"
            command.append("--keep_freed_memory")
        self.gradient = folder / f"{side}.npy"
        if case == "ohem":
            command += ["--gradient", self.gradient]
        self.process = subprocess.Popen(
            command, env=environment, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self) -> None:
        """Have a step begun."""
        self.process.stdin.write("step\n")
        self.process.stdin.flush()

    def finish(self) -> dict[str, Any]:
        """Wait for the step; return its seconds, the loss and the peak of memory in bytes."""
        for line in self.process.stdout:
            if line.startswith("@"):  # the libraries print, too
                return json.loads(line[1:])
        sys.exit("error: a measuring process ended before its time; its message is above")

    def step(self) -> dict[str, Any]:
        """Have a step made; return what `finish` does."""
        self.start()
        return self.finish()

    def close(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait()


def measure(case: str, args: argparse.Namespace) -> dict[str, Result]:
    """Run one case: all sides start, warm up by one step each, then take turns for `args.rounds` rounds."""
    sides = (*SIDES, BEFORE) if args.before else SIDES
    with tempfile.TemporaryDirectory() as temporary:
        workers = {side: Worker(side, case, args, Path(temporary)) for side in sides}
        first = {side: worker.step() for side, worker in workers.items()}
        rounds: list[dict[str, dict]] = []
        for _ in tqdm(range(args.rounds), desc=case):
            rounds.append({side: worker.step() for side, worker in workers.items()})
        for worker in workers.values():
            worker.close()
        gradients = {side: np.load(worker.gradient) for side, worker in workers.items() if case == "ohem"}
    return {
        side: Result(
            seconds=[answers[side]["seconds"] for answers in rounds],
            loss=first[side]["loss"],
            peak=rounds[-1][side]["peak"],
            gradient=gradients.get(side),
        )
        for side in sides
    }


def table(results: dict[str, dict[str, Result]]) -> str:
    """Return the Markdown table: a row for each case and side, ratios against PaddleSeg as it is."""
    rows = [
        "| case | side | median, s | min to max, s | PaddleSeg's time / this | PaddleSeg+'s time / this "
        "| peak, MB | peak / PaddleSeg's | first loss |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for case, sides in results.items():
        plain, flagged = sides["PaddleSeg"], sides["PaddleSeg+"]
        for side, result in sides.items():
            time = median(result.seconds)
            rows.append(
                f"| {CASES[case]} | {side} | {time:.3f} | {min(result.seconds):.3f} to "
                f"{max(result.seconds):.3f} | {median(plain.seconds) / time:.2f} | "
                f"{median(flagged.seconds) / time:.2f} | {result.peak / 1e6:.0f} | "
                f"{result.peak / plain.peak:.2f} | {result.loss:.6f} |"
            )
    return "\n".join(rows)


def gradient_note(sides: dict[str, Result]) -> str:
    """Say how far our OHEM gradient is from PaddleSeg's, in units of its largest element."""
    ours, peer = sides["ours+"].gradient, sides["PaddleSeg"].gradient
    error = np.abs(ours - peer).max() / np.abs(peer).max()
    return f"OHEM's gradients differ by at most {error:.1e} of the largest element."


def main() -> None:
    """Measure the chosen cases and write the page."""
    parser = report.parser(__doc__, "training.md")
    report.add_peer_flags(parser)
    report.add_before_flag(parser)
    parser.add_argument("--rounds", type=int, default=5, help="timed steps of every side")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--size", nargs=2, type=int, default=[1024, 512], metavar=("W", "H"), help="pixels")
    parser.add_argument("--batch_size", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="OMP_NUM_THREADS of every side")
    args = parser.parse_args()
    results = {case: measure(case, args) for case in args.cases}
    width, height = args.size
    page = [
        "# Training beside PaddleSeg on a CPU",
        "",
        f"{report.circumstances()}; batch {args.batch_size}, {width}x{height}, "
        f"OMP_NUM_THREADS={args.threads}, {args.rounds} rounds in which the sides take turns. "
        "`+`: with what our tools set for their process, MKL_DEBUG_CPU_TYPE=5 and freed memory kept.",
        "",
        f"`python benchmarks/bench_train.py --peer PATH --peer_python PY --rounds {args.rounds} "
        f"--threads {args.threads}{' --before PATH' if args.before else ''}`",
        "",
        table(results),
        "",
    ]
    if "ohem" in results:
        page += [gradient_note(results["ohem"]), ""]
    report.save("\n".join(page), args.output)


if __name__ == "__main__":
    main()
