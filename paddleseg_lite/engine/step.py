"""One training step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import paddle
from paddle import Tensor

from paddleseg_lite import parallel
from paddleseg_lite.datasets.loading.loader import Batch
from paddleseg_lite.engine.stopwatch import Stopwatch
from paddleseg_lite.errors import UserError
from paddleseg_lite.losses.criterion import Criterion
from paddleseg_lite.paddle_compat import schedule_of


@dataclass(frozen=True)
class StepResult:
    """What became of a step.

    Attributes:
        losses: the weighted losses, means over the batches and the ranks.
        is_finite: False if a loss or a batch statistic was NaN or infinite; the weights are unchanged then.
        stop: whether some rank was asked to stop.
    """

    losses: list[float]
    is_finite: bool
    stop: bool


class TrainStep:
    """One update of the weights: forward, loss, backward, update.

    Precision, several batches and several ranks are switches of one path, not copies of it.

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
        precision: str,
        amp_level: str,
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
        self.scaler = paddle.amp.GradScaler(enable=precision == "fp16")
        if reduced and amp_level == "O2":  # Paddle leaves batch normalisation in float32
            model, optimizer = paddle.amp.decorate(  # type: ignore[call-overload]  # of strings
                model, optimizer, level="O2", dtype=dtype, master_weight=True
            )
        self.model, self.criterion, self.optimizer = model, criterion, optimizer
        self.network = parallel.distribute(model)
        self.watch = stopwatch or Stopwatch(enabled=False)
        # A forward pass changes them, even one whose loss is NaN.
        self.statistics = [x for x in parallel.statistics(model) if x.dtype == paddle.float32]

    def __call__(self, batches: Sequence[Batch], stop: bool = False) -> StepResult:
        """Update the weights once, by the gradient of the mean over the batches of all ranks.

        A loss that tells what it divides by is the mean over all their pixels, as of one large batch,
        however unequally the ignored ones are spread.

        Args:
            batches: one, or several whose gradients are accumulated.
            stop: whether this rank was asked to stop; the result says whether any was.
        """
        before = _joined(self.statistics)
        sums = [0.0] * len(self.criterion.losses)
        for number, (batch, shares) in enumerate(zip(batches, self._shares(batches))):
            with self._exchange(is_last=number == len(batches) - 1):
                losses = [loss * share for loss, share in zip(self._forward(batch), shares)]
                # The values are needed before they can do harm; on a GPU this waits for the forward pass.
                *values, wish = parallel.mean([*self._values(losses), float(stop)])
                sums = [total + value for total, value in zip(sums, values)]
                stop = stop or wish > 0
                self.watch.lap("loss")
                if not all(math.isfinite(value) for value in values):
                    _restore(self.statistics, before)
                    self.optimizer.clear_grad()
                    return StepResult(values, False, stop)
                self.scaler.scale(paddle.add_n(losses) / len(batches)).backward()
                self.watch.lap("backward")
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.clear_grad()
        self.watch.lap("update")
        return StepResult([total / len(batches) for total in sums], True, stop)

    def predict(self, images: Tensor) -> list[Tensor]:
        """Return the model's outputs, float32, computed in the run's precision."""
        with paddle.amp.auto_cast(**self.cast):
            return [_as_float32(x) for x in self.model(images)]

    def _forward(self, batch: Batch) -> list[Tensor]:
        with paddle.amp.auto_cast(**self.cast):
            logits = self.network(batch.images)
        self.watch.lap("forward")
        return self.criterion([_as_float32(x) for x in logits], batch.labels.astype("int64"))

    def _values(self, losses: Sequence[Tensor]) -> list[float]:
        """Return the losses, all NaN if the forward pass met NaN or infinity without the losses showing it.

        Paddle's ReLU makes 0 of NaN; batch normalisation before it remembers.
        """
        statistics = _joined(self.statistics)
        if statistics is not None and not bool(paddle.isfinite(statistics).all()):
            return [math.nan] * len(losses)
        return [float(loss) for loss in losses]

    def _shares(self, batches: Sequence[Batch]) -> list[list[float]]:
        """Return a factor for each batch and loss: its pixels / those of the mean batch of all ranks."""
        if len(batches) * parallel.world_size() == 1:
            return [[1.0] * len(self.criterion.losses)]
        counts = [self.criterion.normalisers(batch.labels) for batch in batches]
        means = parallel.mean([sum(of_loss) / len(batches) for of_loss in zip(*counts)])
        return [[n / mean if mean > 0 else 1.0 for n, mean in zip(of_batch, means)] for of_batch in counts]

    def _exchange(self, is_last: bool) -> AbstractContextManager[None]:
        """Return what a forward and backward pass runs in: ranks exchange gradients once, with the last."""
        waits = parallel.world_size() > 1 and not is_last
        return self.network.no_sync() if waits else nullcontext()

    def advance_schedule(self) -> None:
        """Step the optimizer's learning rate schedule, if it has one; once per iteration."""
        schedule = schedule_of(self.optimizer)
        if schedule is not None:
            schedule.step()


def _as_float32(x: Tensor) -> Tensor:
    return x if x.dtype == paddle.float32 else x.astype("float32")


def _joined(tensors: Sequence[Tensor]) -> Tensor | None:
    """Return all values in one vector: one kernel is much quicker than a copy for each."""
    return paddle.concat([x.detach().flatten() for x in tensors]) if tensors else None


def _restore(tensors: Sequence[Tensor], joined: Tensor | None) -> None:
    start = 0
    for x in tensors:
        if joined is not None:
            x.set_value(joined[start : start + x.size].reshape(x.shape))
            start += x.size
