"""Kills a training process again and again, at random moments, and resumes it each time.

  python -m tests.engine.killed_runs FOLDER KILLS

Leaves FOLDER/whole, a run that nobody disturbed, and FOLDER/killed. Prints the moments of the kills as JSON.
One process imports Paddle and forks the trainers, which saves seconds for each.
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

ITERS = 260
OPTIONS = {"use_ema": True, "do_eval": True, "save_interval": 4, "log_iters": 3, "keep_checkpoint_max": 2}


def fork_trainer(save_dir: Path, num_workers: int = 0) -> int:
    """Start a trainer that goes on from whatever is in `save_dir`; return its process id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
        toy_run(save_dir, ITERS, net=DropoutNet, resume="auto", num_workers=num_workers, **OPTIONS)
        os._exit(0)
    except BaseException:
        (save_dir.parent / "trace.txt").write_text(traceback.format_exc())
        os._exit(1)


def half_written(save_dir: Path) -> bool:
    """Return whether a checkpoint or weights are being written at this moment."""
    return any(save_dir.glob(".new-*")) or any(save_dir.glob("*best_model/.new-*"))


def kill_somewhen(
    save_dir: Path, rng: random.Random, while_writing: bool, num_workers: int
) -> dict[str, object]:
    """Start a trainer and kill it: after a random time, or shortly after it begins to write."""
    pid = fork_trainer(save_dir, num_workers)
    time.sleep(rng.uniform(0.05, 0.7))
    deadline = time.monotonic() + 20
    while while_writing and not half_written(save_dir) and time.monotonic() < deadline:
        time.sleep(0.0002)
    if while_writing:
        time.sleep(rng.uniform(0, 0.02))
    os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    newest = max((int(path.name[5:]) for path in save_dir.glob("iter_*")), default=0)
    return {"killed": os.WIFSIGNALED(status), "writing": half_written(save_dir), "newest": newest}


def main(folder: Path, kills: int) -> None:
    whole = fork_trainer(folder / "whole")
    status = os.waitpid(whole, 0)[1]
    rng, moments = random.Random(0), []
    for number in range(kills):
        workers = 2 if number % 5 == 4 else 0
        moments.append(
            kill_somewhen(folder / "killed", rng, while_writing=number % 2 == 1, num_workers=workers)
        )
    last = os.waitpid(fork_trainer(folder / "killed"), 0)[1]
    print(json.dumps({"whole": status, "last": last, "moments": moments}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
