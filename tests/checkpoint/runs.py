"""A small network, its optimizer and a few iterations."""

from __future__ import annotations

import numpy as np
import paddle
from paddle import nn


class Toy(nn.Layer):
    """Convolution, batch norm (with its running statistics) and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2D(1, 3, 3)
        self.bn = nn.BatchNorm2D(3)
        self.out = nn.Linear(3, 2)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.out(self.bn(self.conv(x)).mean(axis=[2, 3]))


def make(kind: str = "Momentum") -> tuple[Toy, paddle.optimizer.Optimizer]:
    model = Toy()
    schedule = paddle.optimizer.lr.PolynomialDecay(0.1, decay_steps=20)
    schedule = paddle.optimizer.lr.LinearWarmup(schedule, warmup_steps=3, start_lr=0.01, end_lr=0.1)
    options = {"weight_decay": 1e-3} if kind != "Adam" else {}
    optimizer = getattr(paddle.optimizer, kind)(
        learning_rate=schedule, parameters=model.parameters(), **options
    )
    return model, optimizer


def train(model: Toy, optimizer: paddle.optimizer.Optimizer, start: int, stop: int) -> None:
    for iteration in range(start, stop):
        batch = np.random.RandomState(iteration).standard_normal((4, 1, 5, 5)).astype(np.float32)
        model(paddle.to_tensor(batch)).square().mean().backward()
        optimizer.step()
        optimizer.clear_grad()
        optimizer._learning_rate.step()


def snapshot(model: nn.Layer) -> dict[str, bytes]:
    return {key: tensor.numpy().tobytes() for key, tensor in model.state_dict().items()}
