"""Trains candidates: each is a run of the command `train` in a process and a folder of its own."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml

from paddleseg_lite.engine.curves import EVALUATE, TRAIN, read_metrics
from paddleseg_lite.engine.run_logger import METRICS
from paddleseg_lite.errors import Diverged, UserError, writing
from paddleseg_lite.files import WRITABLE, atomic_write, locked, remove
from paddleseg_lite.kernels.threads import thread_count
from paddleseg_lite.printable import printable
from paddleseg_lite.progress import Progress
from paddleseg_lite.scaling.estimate import Timing

_log = logging.getLogger(__name__)

_PACKAGE = Path(__file__).resolve().parents[2]
_POLL = 0.3  # seconds
_UNBUFFERED = {"PYTHONUNBUFFERED": "1"}  # else a process says last what it said first
_Running = tuple[str, "subprocess.Popen[bytes]", "float | None"]  # name, process, when it began if it is new
_START = (
    "from paddleseg_lite.scaling.parent import end_with; end_with({}); "
    "import sys; sys.argv[0] = 'paddleseg-lite'; from paddleseg_lite.cli.main import main; main()"
)


@dataclass(frozen=True)
class Job:
    """A network to train.

    Attributes:
        name: of its folder.
        model: the section `model` of its config.
        weights: to start from where shapes allow; None: random ones.
    """

    name: str
    model: Mapping[str, Any]
    weights: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of a training: mIoU at its end, 0 if it diverged; its seconds, None if they are in pieces."""

    miou: float
    seconds: float | None


class Stopped(Exception):
    """The search was asked to stop."""


class Trainer(Protocol):
    """Trains networks, as long as it may begin another one, and yields each as it ends."""

    def __call__(
        self, jobs: Sequence[Job], may_begin: Callable[[Job], bool]
    ) -> Generator[tuple[str, Outcome], None, None]:
        """Yield (name, outcome); one that ended in an earlier process is not trained again."""


@dataclass(frozen=True)
class EngineTrainer:
    """The engine as trainer.

    Attributes:
        folder: gets a folder for each network, with all that `train` writes.
        config: as a file in any folder may have it, but for `model`.
        iters: of each training.
        seed: of weights, order and augmentation; the same for all.
        device: as in --device.
        num_workers: processes that read data, of each training.
        jobs: trainings at a time.
        asked_to_stop: says whether to end.
    """

    folder: Path
    config: Mapping[str, Any]
    iters: int
    seed: int = 0
    device: str = "auto"
    num_workers: int = 0
    jobs: int = 1
    asked_to_stop: Callable[[], bool] = lambda: False

    def __call__(
        self, jobs: Sequence[Job], may_begin: Callable[[Job], bool]
    ) -> Generator[tuple[str, Outcome], None, None]:
        """Yield (name, outcome) of each training as it ends.

        Raises:
            Stopped: the search was asked to stop; trainings have saved where they stand.
            UserError: a training failed.
        """
        waiting, done = list(jobs), 0
        with Progress(total=len(jobs) * self.iters, desc="train", unit="it") as bar, _ending() as running:
            while waiting or running:
                if self.asked_to_stop():
                    raise Stopped
                while waiting and len(running) < self.jobs:
                    job = waiting.pop(0)
                    if (miou := self.finished(job.name)) is not None:
                        done += self.iters
                        yield job.name, Outcome(miou, None)
                    elif may_begin(job):
                        is_new = not (self.folder / job.name / METRICS).exists()
                        running.append((job.name, self._begun(job), time.monotonic() if is_new else None))
                    else:
                        waiting.clear()
                for one in [one for one in running if one[1].poll() is not None]:
                    running.remove(one)
                    done += self.iters
                    name, process, began = one
                    miou = self._miou(name, process)
                    # Of one that diverged, or was begun by another process, the time tells nothing.
                    seconds = time.monotonic() - began if began and not process.returncode else None
                    yield name, Outcome(miou, seconds)
                bar.update(done + sum(self._iteration(name) for name, _, _ in running) - bar.n)
                time.sleep(_POLL if running else 0)

    def weights(self, name: str) -> Path:
        """Return the file of a finished training's weights, which its mIoU is of."""
        return self.folder / name / f"iter_{self.iters}" / "model.pdparams"

    def finished(self, name: str) -> float | None:
        """Return the mIoU at the end of a training, None if it has not come to its end."""
        metrics = self.folder / name / METRICS
        if not metrics.exists() or not self.weights(name).exists():
            return None
        evaluations = read_metrics(metrics).get(EVALUATE, [])
        if not evaluations or evaluations[-1]["iteration"] != self.iters:
            return None
        return float(evaluations[-1]["miou"] or 0.0)

    def costs(self, name: str) -> tuple[float, float]:
        """Return the seconds of an iteration of a training, and those of them that it waited for data."""
        last = read_metrics(self.folder / name / METRICS)[TRAIN][-1]
        return last["batch_cost"], last["reader_cost"]

    def _iteration(self, name: str) -> int:
        metrics = self.folder / name / METRICS
        records = read_metrics(metrics).get(TRAIN) if metrics.exists() else None
        return int(records[-1]["iteration"]) if records else 0

    def _begun(self, job: Job) -> subprocess.Popen[bytes]:
        """Begin a training, or go on with it, when no other process does."""
        run = self.folder / job.name
        config = self.folder / f"{job.name}.yml"
        values = {**self.config, "model": dict(job.model)}
        atomic_write(config, yaml.safe_dump(values, sort_keys=False, allow_unicode=True))
        with writing(run, WRITABLE):
            run.mkdir(parents=True, exist_ok=True)
        self._wait_for(run)
        command = [sys.executable, "-c", _START.format(os.getpid()), "train", "--config", str(config)]
        command += ["--save_dir", str(run), "--iters", str(self.iters), "--seed", str(self.seed)]
        command += ["--do_eval", "--resume_model", "auto", "--keep_checkpoint_max", "1"]
        command += ["--num_workers", str(self.num_workers), "--device", self.device]
        if job.weights is not None:
            command += ["--pretrained", str(job.weights), "--allow_missing", "nets.", "head."]
        path = os.pathsep.join(filter(None, [str(_PACKAGE), os.environ.get("PYTHONPATH")]))
        threads = max(1, thread_count() // self.jobs)
        _log.info(f"[SCALE] {job.name}: training, see {self._printed(job.name)}")
        with self._printed(job.name).open("ab") as out:
            return subprocess.Popen(
                command,
                env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": str(threads), **_UNBUFFERED},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,  # Ctrl-C is ours alone: a second signal would end it without saving
            )

    def _printed(self, name: str) -> Path:
        return self.folder / name / "output.txt"

    def _wait_for(self, run: Path) -> None:
        """Wait until no process trains into a folder: one that outlived its search saves and ends."""
        is_told = False
        while True:
            try:
                with locked(run / ".lock", "busy"):
                    return
            except UserError:
                if not is_told:
                    _log.info(f"[SCALE] waiting for another process that trains into {run}")
                is_told = True
            if self.asked_to_stop():
                raise Stopped
            time.sleep(_POLL)

    def _miou(self, name: str, process: subprocess.Popen[bytes]) -> float:
        """Return the mIoU of a training that has ended, 0 if it diverged.

        Raises:
            UserError: it has not come to its end for another reason, which may end the next one as well.
        """
        miou = self.finished(name)
        if miou is not None and process.returncode == 0:
            return miou
        if process.returncode == Diverged.exit_code:
            _log.warning(f"[SCALE] the training of {name} diverged, see {self._printed(name)}: mIoU 0")
            return 0.0
        printed = self._printed(name).read_text(encoding="utf-8", errors="replace").splitlines()
        said = printable(next((line for line in reversed(printed) if line.strip()), "nothing"))[:300]
        raise UserError(
            f"the training of {name} ended with {process.returncode}, and said last: {said}; all of it is in "
            f"{self._printed(name)}; the same command tries again"
        )


@contextmanager
def _ending() -> Iterator[list[_Running]]:
    """Yield a list of processes; those in it at the end are asked to save and end, and waited for."""
    running: list[_Running] = []
    try:
        yield running
    finally:
        for _, process, _ in running:
            process.terminate()
        for _, process, _ in running:
            process.wait()


def take_timing(trainer: EngineTrainer, job: Job, iters: int) -> Timing:
    """Return how long `iters` iterations of a training will take, by a short one of the same network.

    Args:
        trainer: with few iterations, into a folder of which nothing is kept.
        job: the network.
        iters: of the training to come.
    """
    remove(trainer.folder)
    (name, outcome), *_ = trainer([job], lambda job: True)
    if outcome.seconds is None:
        raise UserError(
            f"the training of {name} diverged within {trainer.iters} iterations; lower the learning rate, or "
            "look at the data with check_dataset"
        )
    each, reading = trainer.costs(name)
    remove(trainer.folder)
    fixed = outcome.seconds - trainer.iters * each + iters * reading
    return Timing(round(max(fixed, 0.0), 1), round(iters * (each - reading), 1))
