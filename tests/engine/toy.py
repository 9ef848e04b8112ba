"""A run of a tiny network, for tests that start it in this process, in forked ones and in ranks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import paddle
from paddle import nn

from paddleseg_lite.engine import evaluator, run_logger
from paddleseg_lite.engine.train import TrainOptions, TrainResult, train
from paddleseg_lite.losses import Criterion, CrossEntropyLoss, OhemCrossEntropyLoss
from paddleseg_lite.optim import Momentum
from tests.toys import PixelNet, Squares

# Paddle 2.6 does not give away the state of its CPU generator; docs/training.md says so.
GENERATOR_CAN_BE_SAVED = len(paddle.get_rng_state("cpu")[0].__getstate__()) > 3


class DropoutNet(PixelNet):
    """Draws random numbers in its forward pass, from Paddle's global generator if that can be saved."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout2D(0.25 if GENERATOR_CAN_BE_SAVED else 0.0)

    def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        return [self.head(self.dropout(nn.functional.relu(self.bn(self.conv(x)))))]


def toy_run(
    save_dir: Path,
    iters: int = 6,
    do_eval: bool = False,
    loss: str = "ce",
    net: Callable[[], nn.Layer] = PixelNet,
    dataset: Squares | None = None,
    pictures: bool = False,
    **options: Any,
) -> TrainResult:
    """Train a network on squares from a fixed start.

    Args:
        save_dir: the run's folder.
        iters: iterations.
        do_eval: whether to evaluate at every save.
        loss: "ce", "ohem", "surest" (OHEM by its threshold alone), or "both", for a network of two outputs.
        net: makes the network, after the seed is set.
        dataset: to train on, instead of six squares.
        pictures: whether to draw curves.png and val_images.jpg, which takes longer than the run.
        **options: of TrainOptions.
    """
    paddle.seed(1)
    model = net()
    schedule = paddle.optimizer.lr.PolynomialDecay(0.2, decay_steps=300)
    schedule = paddle.optimizer.lr.LinearWarmup(schedule, 4, 0.05, 0.2)
    optimizer = Momentum(schedule, model.parameters())
    losses = {"ce": [CrossEntropyLoss()], "ohem": [OhemCrossEntropyLoss(min_kept=10)]}
    losses["surest"] = [OhemCrossEntropyLoss(thresh=0.5, min_kept=1)]
    losses["both"] = losses["ce"] + losses["ohem"]
    if loss == "both":
        forward = model.forward
        model.forward = lambda x: forward(x) * 2
    defaults = {"batch_size": 2, "log_iters": 3, "save_interval": 3}
    with contextlib.ExitStack() as stack:
        if not pictures:
            stack.enter_context(mock.patch.object(run_logger, "write_curves"))
            stack.enter_context(mock.patch.object(evaluator, "write_sheet"))
        return train(
            model,
            dataset or Squares("train"),
            optimizer,
            Criterion(losses[loss], [1.0, 0.5][: len(losses[loss])]),
            TrainOptions(**{**defaults, "iters": iters, "save_dir": Path(save_dir), **options}),
            Squares("val", length=3) if do_eval else None,
        )
