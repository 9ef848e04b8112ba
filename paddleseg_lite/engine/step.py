"""What one iteration asks of the device, the network, its losses and its optimizer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import paddle
from paddle import Tensor

from paddleseg_lite import parallel
from paddleseg_lite.engine.feed import Pass
from paddleseg_lite.engine.precision import casting
from paddleseg_lite.engine.stopwatch import Stopwatch
from paddleseg_lite.losses.criterion import Criterion
from paddleseg_lite.paddle_compat import schedule_of, update_scale


@dataclass(frozen=True)
class Learned:
    """What came of an iteration's forward and backward passes.

    Attributes:
        losses: this rank's, weighted, means over its passes.
        kept: the share of pixels that its choosing losses kept, the mean over its passes; 0 without any.
        scores: what `measure` found, means over its passes.
        is_finite: whether all losses and batch statistics were finite, on all ranks.
        stop: whether some rank was asked to stop.
    """

    losses: list[float]
    kept: float
    scores: list[float]
    is_finite: bool
    stop: bool


class TrainStep:
    """The parts of an iteration: `learn` makes gradients, `update` spends them.

    Precision, several passes and several ranks are switches of one path, not copies of it.

    Args:
        model: the network; with `amp_level` "O2" its weights become half precision, batch norms' do not.
        criterion: its losses.
        optimizer: over its parameters.
        precision: "fp32", "fp16" or "bf16".
        amp_level: "O1" or "O2", for the reduced ones.
        stopwatch: times the parts.
        measure: (outputs, labels) -> scalars to be told beside the losses.

    Raises:
        UserError: reduced precision on a device that does not compute in it.
    """

    def __init__(
        self,
        model: paddle.nn.Layer,
        criterion: Criterion,
        optimizer: paddle.optimizer.Optimizer,
        precision: str = "fp32",
        amp_level: str = "O1",
        stopwatch: Stopwatch | None = None,
        measure: Callable[[Sequence[Tensor], Tensor], list[Tensor]] = lambda logits, labels: [],
    ) -> None:
        self.cast = casting(precision, amp_level)
        self.scaler: Any = paddle.amp.GradScaler(enable=precision == "fp16")
        if self.cast["enable"] and amp_level == "O2":  # Paddle leaves batch normalisation in float32
            model, optimizer = paddle.amp.decorate(
                model, optimizer, level="O2", dtype=self.cast["dtype"], master_weight=True
            )
        self.model, self.criterion, self.optimizer = model, criterion, optimizer
        self.network = parallel.distribute(model)
        self.watch, self.measure = stopwatch or Stopwatch(), measure
        self._means: list[float] = []  # of what the losses of the next iteration divide by
        self._statistics = [x for x in parallel.statistics(model) if x.dtype == paddle.float32]

    def learn(
        self, passes: Sequence[Pass], upcoming: Sequence[Pass] | None, asked_to_stop: Callable[[], bool]
    ) -> Learned:
        """Make the gradient of the mean over the passes of all ranks, and get the next iteration ready.

        A GPU computes while the host uploads and counts; the host waits for it once, for a few numbers. Ranks
        exchange once, besides the gradients, what they must agree on. If a loss is not finite, there is no
        gradient, and nothing has changed.

        Args:
            passes: of this rank.
            upcoming: of the next iteration, with which this is called next; None after the last.
            asked_to_stop: says whether this rank is.
        """
        parallel.meet()
        before = self._all_statistics()  # a forward pass changes them, even one whose loss is NaN
        if not self._means:
            self._means = parallel.all_reduce_mean(self._prepare(passes))
        launched = self._launch(passes)
        own_means = self._prepare(upcoming) if upcoming else [0.0] * len(self._means)
        losses, kept, scores = self._read(launched)
        is_bad = not all(map(math.isfinite, losses))
        bad, stop, *self._means = parallel.all_reduce_mean([is_bad, asked_to_stop(), *own_means])
        if bad:
            self._undo(before)
        return Learned(losses, kept, scores, not bad, bool(stop))

    def _prepare(self, passes: Sequence[Pass]) -> list[float]:
        """Begin to upload the first pass; return what each loss divides by, its mean over the passes."""
        if len(passes) * parallel.world_size() == 1:  # its only share is 1
            means = [1.0] * len(self.criterion.losses)
        else:
            counts = [one.count(self.criterion) for one in passes]
            means = [sum(of_loss) / len(passes) for of_loss in zip(*counts)]
        passes[0].upload()
        self.watch.lap("upload")
        return means

    def _launch(self, passes: Sequence[Pass]) -> Tensor:
        """Do the forward and the backward of each pass, and upload the pass behind it; read nothing.

        Returns:
            [passes, losses + choosing losses + scores]: of each pass the weighted losses, the shares of
            pixels they kept, and what was measured; all NaN if it met NaN or infinity without its losses
            showing it. Paddle's ReLU makes 0 of NaN; batch normalisation before it remembers.
        """
        rows = []
        for number, one in enumerate(passes, start=1):
            with self._exchange(is_last=number == len(passes)):
                losses, scores = self.forward(*one.take(), one.shares(self._means))
                told = (*losses, *self.criterion.kept_fractions(), *scores)
                rows.append(paddle.stack([_scalar(x) for x in told]))
                self.watch.lap("loss")
                self.backward(losses, len(passes))
            for following in passes[number : number + 1]:
                following.upload()
                self.watch.lap("upload")
        table, statistics = paddle.stack(rows), self._all_statistics()
        if statistics is not None:
            table += _scalar((statistics * 0).sum())  # 0, or NaN if one of them is not finite
        return table

    def _read(self, launched: Tensor) -> tuple[list[float], float, list[float]]:
        """Wait for what `_launch` returned, and so for all passes; see `Learned`."""
        table = launched.numpy()
        self.watch.lap("loss")
        count = len(self.criterion.losses)
        end = count + len(self.criterion.kept_fractions())
        losses, scores = (_means(part) for part in (table[:, :count], table[:, end:]))
        kept = [sum(row) / len(row) for row in table[:, count:end].tolist() if row]
        return losses, sum(kept) / len(table), scores

    def _exchange(self, is_last: bool) -> AbstractContextManager[None]:
        """Return what a forward and backward pass runs in: ranks exchange gradients once, in the last one."""
        waits = parallel.world_size() > 1 and not is_last
        return self.network.no_sync() if waits else nullcontext()

    def forward(
        self, images: Tensor, labels: Tensor, shares: Sequence[float]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return the weighted losses of a batch, scalars, each times its share, and what `measure` finds."""
        with paddle.amp.auto_cast(**self.cast):
            logits = self.network(images)
        self.watch.lap("forward")
        logits = [_as_float32(x) for x in logits]
        labels = (
            labels if paddle.is_floating_point(labels) else labels.astype("int64")
        )  # mixed ones are floats
        losses = self.criterion(logits, labels)
        return [loss * share for loss, share in zip(losses, shares)], self.measure(logits, labels)

    def backward(self, losses: Sequence[Tensor], passes: int) -> None:
        """Add the gradient of the losses' sum, divided by the number of passes."""
        self.scaler.scale(paddle.add_n(list(losses)) / passes).backward()
        self.watch.lap("backward")

    def update(self) -> None:
        """Change the weights by the gradients, which are spent then."""
        self.scaler.step(self.optimizer)
        update_scale(self.scaler)
        self._forget_gradients()
        self.watch.lap("update")

    def _undo(self, statistics: Tensor | None) -> None:
        """Forget gradients, and take back what forward passes did to the batch statistics."""
        if statistics is not None:
            parts = paddle.split(statistics, [int(x.size) for x in self._statistics])
            for x, before in zip(self._statistics, parts):
                paddle.assign(before.reshape(x.shape), output=x)
        self._forget_gradients()

    def _forget_gradients(self) -> None:
        """Release them: to write zeros and to add to those would be two operations more for each weight."""
        self.optimizer.clear_grad(set_to_zero=False)

    def _all_statistics(self) -> Tensor | None:
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


def _means(table: np.ndarray) -> list[float]:
    """Return the mean of each column."""
    return [sum(column) / len(table) for column in table.T.tolist()]


def _scalar(x: Tensor) -> Tensor:
    """Return a number's value as float64: what is added up on the host, and logged, is exactly that."""
    return x.detach().astype("float64").reshape([])


def _as_float32(x: Tensor) -> Tensor:
    return x if x.dtype == paddle.float32 else x.astype("float32")
