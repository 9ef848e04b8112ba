"""One training step."""

from __future__ import annotations

from typing import Any

import paddle
from paddle import Tensor

from paddleseg_lite.datasets.loader import Batch
from paddleseg_lite.errors import UserError
from paddleseg_lite.losses.criterion import Criterion


class TrainStep:
    """One update of the weights: forward, loss, backward, step; reduced precision is a switch, not a copy."""

    def __init__(
        self,
        model: paddle.nn.Layer,
        criterion: Criterion,
        optimizer: paddle.optimizer.Optimizer,
        precision: str,
        amp_level: str,
    ) -> None:
        reduced = precision != "fp32"
        if reduced and paddle.get_device() == "cpu":
            raise UserError(
                f"--precision {precision} has no effect on a CPU, where Paddle computes in float32 anyway; "
                "use --precision fp32 or a GPU"
            )
        self.model, self.criterion, self.optimizer = model, criterion, optimizer
        dtype = {"fp16": "float16", "bf16": "bfloat16"}.get(precision, "float16")
        self.cast: dict[str, Any] = {"enable": reduced, "level": amp_level, "dtype": dtype}
        self.scaler = paddle.amp.GradScaler(enable=precision == "fp16")

    def __call__(self, batch: Batch) -> list[Tensor]:
        """Update the weights once and return the weighted losses, detached."""
        with paddle.amp.auto_cast(**self.cast):
            logits = self.model(batch.images)
        losses = self.criterion([x.astype("float32") for x in logits], batch.labels.astype("int64"))
        self.scaler.scale(paddle.add_n(losses)).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.clear_grad()
        schedule = self.optimizer._learning_rate  # Paddle has no public way to an optimizer's own schedule
        if isinstance(schedule, paddle.optimizer.lr.LRScheduler):
            schedule.step()
        return [loss.detach() for loss in losses]
