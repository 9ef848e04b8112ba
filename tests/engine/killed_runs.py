"""Kills a training process again and again, at random moments, and resumes it each time.

  python -m tests.engine.killed_runs FOLDER KILLS

Leaves FOLDER/killed, and FOLDER/whole, a run of the same length that nobody disturbed. Prints
the moments of the kills as JSON. One process imports Paddle and forks the trainers,
which saves seconds for each.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

from tests.engine.toy import DropoutNet, toy_run

ENDLESS = 1_000_000
OPTIONS = {"use_ema": True, "do_eval": True, "save_interval": 4, "log_iters": 3, "keep_checkpoint_max": 2}


def fork_trainer(save_dir: Path, iters: int, num_workers: int = 0) -> int:
    """Start a trainer that goes on from whatever is in `save_dir`; return its process id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
        toy_run(save_dir, iters, net=DropoutNet, resume="auto", num_workers=num_workers, **OPTIONS)
        os._exit(0)
    except BaseException:
        (save_dir.parent / "trace.txt").write_text(traceback.format_exc())
        os._exit(1)


def half_written(save_dir: Path) -> set[Path]:
    """Return the unfinished files that are there: being written, or left by a killed process."""
    return {*save_dir.glob(".part-*"), *save_dir.glob("*best_model/.part-*")}


def stop_while_writing(pid: int, save_dir: Path, left: set[Path], delay: float) -> None:
    """Stop a trainer in the middle of a write, `delay` seconds after it was seen to begin.

    Only of a process that stands still can it be said what it was doing: on a busy machine it may end its
    write between a look and a signal.
    """
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if half_written(save_dir) - left:
            time.sleep(delay)
            os.kill(pid, signal.SIGSTOP)
            os.waitpid(pid, os.WUNTRACED)
            if half_written(save_dir) - left:
                return
            os.kill(pid, signal.SIGCONT)
        time.sleep(0.0002)


def kill_somewhen(
    save_dir: Path, rng: random.Random, while_writing: bool, num_workers: int
) -> dict[str, int]:
    """Start a trainer and kill it: after a random time, or shortly after it begins to write."""
    left = half_written(save_dir)
    pid = fork_trainer(save_dir, ENDLESS, num_workers)
    time.sleep(rng.uniform(0.05, 0.6))
    if while_writing:
        stop_while_writing(pid, save_dir, left, rng.uniform(0, 0.02))
    os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    newest = max((int(path.name[5:]) for path in save_dir.glob("iter_*")), default=0)
    writing = bool(half_written(save_dir) - left)
    return {"killed": os.WIFSIGNALED(status), "writing": writing, "newest": newest}


def main(folder: Path, kills: int) -> None:
    rng, moments = random.Random(0), []
    for number in range(kills):
        workers = 2 if number % 5 == 4 else 0
        moments.append(
            kill_somewhen(folder / "killed", rng, while_writing=number % 2 == 1, num_workers=workers)
        )
    # A multiple of both intervals, so that the last iteration is like any other.
    iters = (moments[-1]["newest"] // 12 + 1) * 12
    ends = [os.waitpid(fork_trainer(folder / name, iters), 0)[1] for name in ("killed", "whole")]
    print(json.dumps({"ends": ends, "moments": moments}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
