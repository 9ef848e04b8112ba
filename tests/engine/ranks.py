"""What each of several ranks does in a test.

python -m paddle.distributed.launch --nproc_per_node 2 tests/engine/ranks.py FOLDER MODE
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import paddle
import pytest
from paddle import nn

from paddleseg_lite import parallel
from paddleseg_lite.inference.evaluate import evaluate
from paddleseg_lite.metrics import METRICS, make_metrics
from paddleseg_lite.transforms import Sample
from tests.engine.test_nonfinite import Poisoned
from tests.engine.toy import toy_run
from tests.toys import PixelNet, Squares


class FrozenNet(PixelNet):
    """Batch normalisation by fixed statistics: what a sample contributes does not depend on its batch."""

    def __init__(self) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2D(8, use_global_stats=True)


class Uneven(Squares):
    """Nine images of several sizes, or fewer: ranks cannot have equal shares."""

    def __init__(self, length: int = 9) -> None:
        super().__init__("val", length=length, sizes=(32, 40, 32))


class Lopsided(Squares):
    """Every second image is ignored but for four rows: ranks have unequal numbers of pixels to learn from."""

    def draw(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        image, label = super().draw(index)
        label[4 if index % 2 else 32 :] = 255
        return image, label


class Told(Lopsided):
    """Twenty images; keeps in mind which samples it gave, as (epoch, index)."""

    def __init__(self) -> None:
        super().__init__("train", length=20)
        self.given: list[tuple[int, int]] = []

    def sample(self, index: int, epoch: int = 0, seed: int = 0) -> Sample:
        self.given.append((epoch, index))
        return super().sample(index, epoch, seed)


def frozen_run(folder: Path, dataset: Squares | None = None, **options: object) -> None:
    """Train with frozen batch normalisation; the same for every number of ranks."""
    dataset = dataset or Lopsided("train")
    toy_run(folder, net=FrozenNet, dataset=dataset, iters=8, log_iters=1, save_interval=8, **options)


def told_run(folder: Path, batch_size: int) -> None:
    """Train as `frozen_run`; each rank writes which samples it took."""
    dataset = Told()
    frozen_run(folder, dataset, batch_size=batch_size)
    (folder / f"given_{parallel.rank()}.json").write_text(json.dumps(dataset.given))


def confusion(folder: Path, length: int = 9) -> None:
    """Write what evaluating a fixed network counts; each rank its own file, for all must know the same."""
    paddle.seed(5)
    data = Uneven(length)
    chosen = make_metrics(list(METRICS), data.classes, data.ignore_index)
    scores = evaluate(PixelNet(), data, batch_size=2, metrics=chosen)
    results = {metric.name: metric.result() for metric in chosen}
    path = folder / f"evaluation_{length}_{parallel.world_size()}_{parallel.rank()}.json"
    path.write_text(json.dumps({**scores.as_dict(), **results}))


def bn_run(folder: Path, **options: object) -> None:
    """Train and evaluate with batch statistics, which differ from rank to rank on CPUs."""
    toy_run(folder, do_eval=True, use_ema=True, **options)


def _hit_at(iteration: int, hit: Callable[[], object]) -> type[PixelNet]:
    """Return a network that calls `hit` on rank 1 in an iteration."""

    class Hit(PixelNet):
        done = 0

        def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
            self.done += 1
            if self.done == iteration and parallel.rank() == 1:
                hit()
            return super().forward(x)

    return Hit


def dying_run(folder: Path) -> None:
    """Train for ever; rank 1 is killed in the fifth iteration."""

    def die() -> None:
        (folder / "died").write_text(str(time.time()))
        os.kill(os.getpid(), signal.SIGKILL)

    toy_run(folder / "run", net=_hit_at(5, die), iters=1_000_000, save_interval=2)


def stopped_run(folder: Path) -> None:
    """Train until rank 1, and only it, gets a SIGTERM in its fourth iteration."""
    net = _hit_at(4, lambda: os.kill(os.getpid(), signal.SIGTERM))
    result = toy_run(folder / "stopped", net=net, iters=1000, save_interval=1000)
    (folder / f"stopped_{parallel.rank()}").write_text(f"{result.iteration} {result.stopped_by}")


def counted_run(folder: Path) -> None:
    """Write how often ranks talk to each other in four iterations: in a run of 8, beyond one of 4."""
    counts = []
    for iters in (4, 8):
        calls: Counter[str] = Counter()
        with pytest.MonkeyPatch.context() as patch:
            for name in ("all_reduce", "all_gather_object", "broadcast"):
                patch.setattr(parallel.dist, name, _counted(name, getattr(parallel.dist, name), calls))
            options = {"accumulate": 2, "log_iters": 100, "save_interval": 100}
            toy_run(folder / f"counted_{iters}", loss="both", iters=iters, **options)
        counts.append(calls)
    (folder / f"exchanges_{parallel.rank()}.json").write_text(json.dumps(counts[1] - counts[0]))


def _counted(name: str, function: Callable, calls: Counter[str]) -> Callable:
    def counting(*args: object, **kwargs: object) -> object:
        calls[name] += 1
        return function(*args, **kwargs)

    return counting


def poisoned_run(folder: Path) -> None:
    """Train on a NaN that one rank meets, in the second of its two passes; each rank tells its weights."""
    dataset = Poisoned({"train_3.png"})
    nets: list[PixelNet] = []
    toy_run(
        folder / "poisoned",
        net=lambda: nets.append(PixelNet()) or nets[0],
        dataset=dataset,
        iters=6,
        batch_size=1,
        accumulate=2,
        log_iters=1,
        skip_nonfinite=6,
    )
    weights = {key: value.numpy() for key, value in nets[0].state_dict().items()}
    np.savez(folder / f"poisoned_{parallel.rank()}.npz", **weights)


def main(folder: Path, mode: str) -> None:
    paddle.set_device("cpu")
    parallel.join()
    if mode == "die":
        dying_run(folder)
        return
    confusion(folder)
    bn_run(folder / "bn_whole")
    bn_run(folder / "bn_parts", iters=3)
    bn_run(folder / "bn_parts", resume="auto")
    if mode == "many":
        told_run(folder / "many", batch_size=1)
        confusion(folder, length=3)
        return
    frozen_run(folder / "two", batch_size=2)
    stopped_run(folder)
    counted_run(folder)
    poisoned_run(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
