"""What one iteration asks of the network, its losses and its optimizer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import paddle
from paddle import Tensor

from paddleseg_lite import parallel
from paddleseg_lite.datasets.loading.loader import Batch
from paddleseg_lite.engine.stopwatch import Stopwatch
from paddleseg_lite.errors import UserError
from paddleseg_lite.losses.criterion import Criterion
from paddleseg_lite.paddle_compat import schedule_of


class TrainStep:
    """The parts of an iteration: `shares`; `forward` and `backward` of each pass; `update` or `undo`.

    Precision, several passes and several ranks are switches of one path, not copies of it.

    Args:
        model: the network; with `amp_level` "O2" its weights become half precision, batch norms' do not.
        criterion: its losses.
        optimizer: over its parameters.
        precision: "fp32", "fp16" or "bf16".
        amp_level: "O1" or "O2", for the reduced ones.
        stopwatch: times the parts.

    Raises:
        UserError: reduced precision on a CPU.
    """

    def __init__(
        self,
        model: paddle.nn.Layer,
        criterion: Criterion,
        optimizer: paddle.optimizer.Optimizer,
        precision: str = "fp32",
        amp_level: str = "O1",
        stopwatch: Stopwatch | None = None,
    ) -> None:
        reduced = precision != "fp32"
        if reduced and paddle.get_device() == "cpu":
            raise UserError(
                f"--precision {precision} has no effect on a CPU, where Paddle computes in float32 anyway; "
                "use --precision fp32 or a GPU"
            )
        dtype = {"fp16": "float16", "bf16": "bfloat16"}.get(precision, "float16")
        self.cast: dict[str, Any] = {"enable": reduced, "level": amp_level, "dtype": dtype}
        self.scaler: Any = paddle.amp.GradScaler(enable=precision == "fp16")
        if reduced and amp_level == "O2":  # Paddle leaves batch normalisation in float32
            model, optimizer = paddle.amp.decorate(  # type: ignore[call-overload]  # of strings
                model, optimizer, level="O2", dtype=dtype, master_weight=True
            )
        self.model, self.criterion, self.optimizer = model, criterion, optimizer
        self.network = parallel.distribute(model)
        self.watch = stopwatch or Stopwatch()
        self._statistics = [x for x in parallel.statistics(model) if x.dtype == paddle.float32]

    def shares(self, passes: Sequence[Batch]) -> list[list[float]]:
        """Return a factor for each pass and loss: its pixels / those of the mean pass of all ranks.

        So a loss that tells what it divides by is the mean over all their pixels, as of one large batch,
        however unequally the ignored ones are spread.
        """
        if len(passes) * parallel.world_size() == 1:
            return [[1.0] * len(self.criterion.losses)]
        counts = [self.criterion.normalisers(batch.labels) for batch in passes]
        means = parallel.all_reduce_mean([sum(of_loss) / len(passes) for of_loss in zip(*counts)])
        return [[n / mean if mean > 0 else 1.0 for n, mean in zip(of_pass, means)] for of_pass in counts]

    def exchange(self, is_last: bool) -> AbstractContextManager[None]:
        """Return what a forward and backward pass runs in: ranks exchange gradients once, in the last one."""
        waits = parallel.world_size() > 1 and not is_last
        return self.network.no_sync() if waits else nullcontext()

    def forward(self, batch: Batch, shares: Sequence[float]) -> list[Tensor]:
        """Return the weighted losses of a batch, scalars, each times its share."""
        with paddle.amp.auto_cast(**self.cast):
            logits = self.network(batch.images)
        self.watch.lap("forward")
        losses = self.criterion([_as_float32(x) for x in logits], batch.labels.astype("int64"))
        return [loss * share for loss, share in zip(losses, shares)]

    def values(self, losses: Sequence[Tensor]) -> list[float]:
        """Return the losses, all NaN if the forward pass met NaN or infinity without the losses showing it.

        Paddle's ReLU makes 0 of NaN; batch normalisation before it remembers. On a GPU this waits for the
        forward pass.
        """
        statistics = self.statistics()
        is_finite = statistics is None or bool(paddle.isfinite(statistics).all())
        values = [float(loss) if is_finite else math.nan for loss in losses]
        self.watch.lap("loss")
        return values

    def backward(self, losses: Sequence[Tensor], passes: int) -> None:
        """Add the gradient of the losses' sum, divided by the number of passes."""
        self.scaler.scale(paddle.add_n(list(losses)) / passes).backward()
        self.watch.lap("backward")

    def update(self) -> None:
        """Change the weights by the gradients, which are spent then."""
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.clear_grad()
        self.watch.lap("update")

    def undo(self, statistics: Tensor | None) -> None:
        """Forget gradients, and take back what forward passes did to the batch statistics."""
        start = 0
        for x in self._statistics:
            if statistics is not None:
                x.set_value(statistics[start : start + x.size].reshape(x.shape))
                start += x.size
        self.optimizer.clear_grad()

    def statistics(self) -> Tensor | None:
        """Return all batch statistics in one vector, which is much quicker than a copy for each."""
        return paddle.concat([x.detach().flatten() for x in self._statistics]) if self._statistics else None

    def advance_schedule(self) -> None:
        """Step the optimizer's learning rate schedule, if it has one; once per iteration."""
        schedule = schedule_of(self.optimizer)
        if schedule is not None:
            schedule.step()

    def predict(self, images: Tensor) -> list[Tensor]:
        """Return the model's outputs, float32, computed in the run's precision."""
        with paddle.amp.auto_cast(**self.cast):
            return [_as_float32(x) for x in self.model(images)]


def _as_float32(x: Tensor) -> Tensor:
    return x if x.dtype == paddle.float32 else x.astype("float32")
