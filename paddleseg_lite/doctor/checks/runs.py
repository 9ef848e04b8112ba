"""Short runs of the engine, which several checks compare."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn

from paddleseg_lite.doctor.scenes import CLASSES, MadeScenes
from paddleseg_lite.engine.curves import TRAIN, read_metrics
from paddleseg_lite.engine.run_logger import METRICS
from paddleseg_lite.engine.train import TrainOptions, train
from paddleseg_lite.losses import Criterion, OhemCrossEntropyLoss
from paddleseg_lite.losses.criterion import Loss
from paddleseg_lite.models import LRASPP, LPSNet, MobileNetV3_large_x1_0
from paddleseg_lite.optim import Momentum


def lpsnet() -> nn.Layer:
    """Return LPSNet-S."""
    return LPSNet((1, 3, 3, 10, 10), (8, 24, 48, 96, 96), (0.75, 0.25), CLASSES)


def lraspp() -> nn.Layer:
    """Return LR-ASPP on MobileNetV3-Large, output stride 32."""
    return LRASPP(CLASSES, MobileNetV3_large_x1_0())


def same_weights(make: Callable[[], nn.Layer], device: str) -> nn.Layer:
    """Return a network on a device with the weights that every call gives it: those are drawn on the CPU.

    Leaves `device` as the current one.
    """
    paddle.set_device("cpu")
    paddle.seed(1)
    weights = {name: value.numpy() for name, value in make().state_dict().items()}
    paddle.set_device(device)
    model = make()
    for name, value in model.state_dict().items():
        value.set_value(weights[name])
    return model


def run(model: nn.Layer, size: tuple[int, int], save_dir: Path, **options: Any) -> list[dict[str, Any]]:
    """`train_made`, and return the records of its log, one for each iteration."""
    train_made(model, size, save_dir, **options)
    return records(save_dir)


def train_made(
    model: nn.Layer, size: tuple[int, int], save_dir: Path, loss: Loss | None = None, **options: Any
) -> None:
    """Train a network by the engine on made scenes.

    Args:
        model: on the current device.
        size: (width, height) of the scenes.
        save_dir: the run's folder.
        loss: OHEM by default.
        **options: of TrainOptions.
    """
    loss = loss or OhemCrossEntropyLoss(min_kept=size[0] * size[1] // 16)
    schedule = paddle.optimizer.lr.PolynomialDecay(0.05, decay_steps=100)
    optimizer = Momentum(schedule, model.parameters(), weight_decay=5e-4)
    chosen = TrainOptions(**{"batch_size": 2, "log_iters": 1, "save_dir": save_dir, **options})
    train(model, MadeScenes("train", size), optimizer, Criterion([loss], [1.0]), chosen)


def records(save_dir: Path) -> list[dict[str, Any]]:
    """Return the records of a run's log lines."""
    return read_metrics(save_dir / METRICS)[TRAIN]


def logits_of(model: nn.Layer, size: tuple[int, int]) -> np.ndarray:
    """Return a network's logits of noise, [2, classes, H, W], with the statistics of that batch.

    Those that it has before it is trained would leave logits so much alike that rounding counts.
    """
    model.train()
    images = np.random.default_rng(0).standard_normal((2, 3, *size[::-1])).astype(np.float32)
    with paddle.no_grad():
        return model(paddle.to_tensor(images))[0].numpy()


def spread_of_difference(found: np.ndarray, right: np.ndarray) -> float:
    """Return the root mean square of a difference, in that of what is right about its mean."""
    return float(np.sqrt(np.mean((found - right) ** 2)) / right.std())
