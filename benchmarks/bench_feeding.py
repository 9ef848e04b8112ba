"""Compare simulate_scaling.py with our engine on a CPU, both with work that is sleep: half a minute.

Sleep takes the same time whatever else runs, so that the order of events is compared, not the machine.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import paddle
from simulate_scaling import Rank, print_table, simulate

from paddleseg_lite.datasets import SegmentationDataset
from paddleseg_lite.engine.train import TrainOptions, train
from paddleseg_lite.losses import Criterion, CrossEntropyLoss

CASES = ((1, 40, 60), (2, 40, 60), (3, 40, 60), (1, 20, 120), (2, 40, 120))  # workers, ms of sample and step
BATCH, ITERS, MEASURED = 4, 60, 30


class Sleeper(paddle.nn.Conv2D):
    """A network whose forward pass takes a given time in milliseconds."""

    def __init__(self, step: float) -> None:
        super().__init__(3, 2, 1)
        self.step = step

    def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        time.sleep(self.step / 1e3)
        return [super().forward(x)]


def engine_ms(workers: int, sample: float, step: float) -> float:
    """Return an iteration's time."""

    def read(index: int) -> tuple[np.ndarray, np.ndarray]:
        time.sleep(sample / 1e3)
        return np.zeros((16, 16, 3), np.uint8), np.zeros((16, 16), np.uint8)

    data = SegmentationDataset((), [("image", "label")] * 8, 2)
    data.reader = read
    model = Sleeper(step)
    optimizer = paddle.optimizer.SGD(0.01, model.parameters())
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        options = TrainOptions(ITERS, BATCH, run, log_iters=MEASURED, num_workers=workers)
        train(model, data, optimizer, Criterion([CrossEntropyLoss()], [1]), options)
        last = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    return 1e3 * float(json.loads(last)["batch_cost"])


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    paddle.set_device("cpu")
    rows = []
    for workers, sample, step in CASES:
        told = simulate(Rank(workers, sample, batch=BATCH, launch=step))
        measured = engine_ms(workers, sample, step)
        rows.append([str(workers), str(sample), str(step), f"{told:.0f}", f"{measured:.0f}"])
    print_table(["workers", "a sample, ms", "a step, ms", "simulated, ms", "engine, ms"], rows)


if __name__ == "__main__":
    main()
