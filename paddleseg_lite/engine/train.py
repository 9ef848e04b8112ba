"""The training loop: iterations, log lines, evaluation, checkpoints, resuming."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import paddle
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from paddleseg_lite.checkpoint import TrainState, load_checkpoint, read_info, save_checkpoint, save_weights
from paddleseg_lite.datasets.base import SegmentationDataset
from paddleseg_lite.datasets.loader import Batch, train_batches
from paddleseg_lite.engine.ema import ExponentialMovingAverage
from paddleseg_lite.engine.evaluate import evaluate
from paddleseg_lite.engine.meter import Meter, StarvationWatch
from paddleseg_lite.engine.options import TrainOptions
from paddleseg_lite.engine.step import TrainStep
from paddleseg_lite.errors import UserError
from paddleseg_lite.losses.criterion import Criterion
from paddleseg_lite.metrics import Metrics

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainResult:
    """Where a run stands, its last mean loss, its best mIoU (None: never evaluated), its seconds."""

    iteration: int
    loss: float | None
    best_miou: float | None
    best_iteration: int
    seconds: float


class Trainer:
    """One run: the objects that are trained and where the run stands."""

    def __init__(
        self,
        model: paddle.nn.Layer,
        train_dataset: SegmentationDataset,
        optimizer: paddle.optimizer.Optimizer,
        criterion: Criterion,
        options: TrainOptions,
        val_dataset: SegmentationDataset | None = None,
    ) -> None:
        self.model, self.optimizer, self.criterion = model, optimizer, criterion
        self.train_dataset, self.val_dataset, self.options = train_dataset, val_dataset, options
        self.step = TrainStep(model, criterion, optimizer, options.precision, options.amp_level)
        self.ema = ExponentialMovingAverage(model) if options.use_ema else None
        self.starvation = StarvationWatch(train_dataset, options.num_workers)
        self.loss: float | None = None
        self.state = TrainState(iteration=0, best_miou=-1.0, best_iteration=0, extra={})
        if options.early_stop_intervals is not None and val_dataset is None:
            raise UserError("--early_stop_intervals needs evaluations; add --do_eval")
        if options.resume is not None:
            self._resume(options.resume)
        self.state.extra["stream"] = {"seed": options.seed, "batch_size": options.batch_size}
        self.scalars = _vdl_writer(options.save_dir) if options.use_vdl else None

    def _resume(self, checkpoint: Path) -> None:
        """Take up a checkpoint; the best so far is what lies in best_model/, which may be of a later one."""
        self.state = load_checkpoint(checkpoint, self.model, self.optimizer)
        stream = {"seed": self.options.seed, "batch_size": self.options.batch_size}
        if self.state.extra.get("stream", stream) != stream:
            raise UserError(
                f"{checkpoint} was saved with {self.state.extra['stream']}, this run has {stream} and would "
                "see other samples than the run it goes on with; give the same --seed and --batch_size"
            )
        if self.ema:
            self.ema.load(checkpoint)
        for name, key in (("best_model", "best_miou"), ("ema_best_model", "best_ema_miou")):
            info = read_info(self.options.save_dir / name)
            if key == "best_miou" and info.get("miou", -1.0) > self.state.best_miou:
                self.state.best_miou, self.state.best_iteration = info["miou"], info["iteration"]
            elif key == "best_ema_miou" and "miou" in info:
                self.state.extra[key] = max(info["miou"], self.state.extra.get(key, -1.0))
        log.info(f"resumed {checkpoint} at iteration {self.state.iteration}")

    def run(self) -> TrainResult:
        """Train up to `options.iters`."""
        started, options = time.perf_counter(), self.options
        self.model.train()
        bar = tqdm(
            total=options.iters, initial=self.state.iteration, desc="train", unit="it", dynamic_ncols=True
        )
        with bar, logging_redirect_tqdm():
            meter = Meter()
            for batch, waited in _timed(self._batches()):
                meter.add(self.step(batch), waited)
                if self.ema:
                    self.ema.update()
                self.state.iteration += 1
                bar.update()
                if self.state.iteration % options.log_iters == 0 or self.state.iteration == options.iters:
                    self._report(meter)
                    bar.set_postfix(loss=f"{self.loss:.4f}", refresh=False)
                    meter = Meter()
                if self.state.iteration % options.save_interval == 0 or self.state.iteration == options.iters:
                    self._evaluate_and_save()
                    if self._stalled():
                        log.info(
                            f"[TRAIN] early stop: no better mIoU in {options.early_stop_intervals} times"
                        )
                        break
                    meter = Meter() if meter.count == 0 else meter
        best = self.state.best_miou if self.state.best_iteration else None
        seconds = time.perf_counter() - started
        return TrainResult(self.state.iteration, self.loss, best, self.state.best_iteration, seconds)

    def _batches(self) -> Iterator[Batch]:
        options = self.options
        return train_batches(
            self.train_dataset,
            options.batch_size,
            start_iter=self.state.iteration,
            iters=options.iters,
            seed=options.seed,
            num_workers=options.num_workers,
        )

    def _report(self, meter: Meter) -> None:
        """Write one log line, in PaddleSeg's form, and the same numbers as scalars."""
        losses, batch_cost, reader_cost = meter.means()
        self.loss = sum(losses)
        iteration, iters, batch_size = self.state.iteration, self.options.iters, self.options.batch_size
        lr = self.optimizer.get_lr()
        epoch = (iteration * batch_size - 1) // len(self.train_dataset) + 1
        parts = (
            {name: f"{loss:.4f}" for name, loss in zip(self.criterion.names, losses)}
            if len(losses) > 1
            else {}
        )
        log.info(
            f"[TRAIN] epoch: {epoch}, iter: {iteration}/{iters}, loss: {self.loss:.4f}, "
            + "".join(f"{name}: {loss}, " for name, loss in parts.items())
            + f"lr: {lr:.6f}, batch_cost: {batch_cost:.4f}, reader_cost: {reader_cost:.5f}, "
            f"ips: {batch_size / batch_cost:.4f} samples/sec | "
            f"ETA {timedelta(seconds=round(batch_cost * (iters - iteration)))}"
        )
        scalars = {"loss": self.loss, "lr": lr, "batch_cost": batch_cost, "reader_cost": reader_cost}
        scalars.update((f"loss_{name}", loss) for name, loss in zip(parts, losses))
        self._add_scalars("Train", scalars)
        self.starvation.look(batch_cost, reader_cost)

    def _evaluate_and_save(self) -> None:
        """Write a checkpoint; evaluate if there is something to evaluate on, and keep the best weights."""
        folder = save_checkpoint(
            self.options.save_dir,
            self.model,
            self.optimizer,
            self.state,
            keep=self.options.keep_checkpoint_max,
            average=self.ema.weights if self.ema else None,
        )
        log.info(f"[TRAIN] saved {folder}")
        if self.val_dataset is not None:
            metrics = self._evaluate("Evaluate")
            if metrics.miou > self.state.best_miou:
                self.state.best_miou, self.state.best_iteration = metrics.miou, self.state.iteration
                self._save_best("best_model", metrics)
            log.info(
                f"[EVAL] best mIoU so far: {self.state.best_miou:.4f}, at iter {self.state.best_iteration}"
            )
            if self.ema:
                with self.ema.applied():
                    metrics = self._evaluate("EvaluateEMA")
                    if metrics.miou > self.state.extra.get("best_ema_miou", -1.0):
                        self.state.extra["best_ema_miou"] = metrics.miou
                        self._save_best("ema_best_model", metrics)

    def _save_best(self, name: str, metrics: Metrics) -> None:
        save_weights(
            self.model, self.options.save_dir / name, iteration=self.state.iteration, miou=metrics.miou
        )

    def _evaluate(self, tag: str) -> Metrics:
        options = self.options
        metrics = evaluate(
            self.model,
            self.val_dataset,  # type: ignore[arg-type]  # the caller has checked
            inference=options.inference,
            num_workers=options.num_workers,
        )
        self.model.train()
        log.info(f"[EVAL] {tag} at iter {self.state.iteration}: {metrics.summary()}\n{metrics.table()}")
        self._add_scalars(tag, {"mIoU": metrics.miou, "Acc": metrics.accuracy})
        return metrics

    def _stalled(self) -> bool:
        intervals = self.options.early_stop_intervals
        if intervals is None or self.val_dataset is None:
            return False
        return self.state.iteration - self.state.best_iteration >= intervals * self.options.save_interval

    def _add_scalars(self, group: str, values: dict[str, float]) -> None:
        if self.scalars is not None:
            for name, value in values.items():
                self.scalars.add_scalar(f"{group}/{name}", value, self.state.iteration)


def train(
    model: paddle.nn.Layer,
    train_dataset: SegmentationDataset,
    optimizer: paddle.optimizer.Optimizer,
    criterion: Criterion,
    options: TrainOptions,
    val_dataset: SegmentationDataset | None = None,
) -> TrainResult:
    """Train a network by iterations.

    Args:
        model: images float32 [N, C, H, W] -> [logits [N, num_classes, H, W], ...]; on its device.
        train_dataset: in mode "train".
        optimizer: over the model's parameters; its LRScheduler, if it has one, is stepped every iteration.
        criterion: (list of logits, labels [N, H, W]) -> list of weighted scalar losses.
        options: length, folder, intervals, precision.
        val_dataset: in mode "val"; if given, it is evaluated every `options.save_interval` iterations.

    Raises:
        UserError: bad data, an option that does not fit the device, a checkpoint that does not fit the model,
            or a `save_dir` that holds another run.
    """
    return Trainer(model, train_dataset, optimizer, criterion, options, val_dataset).run()


def _timed(batches: Iterator[Batch]) -> Iterator[tuple[Batch, float]]:
    """Pair every batch with the seconds it took to arrive."""
    while True:
        start = time.perf_counter()
        batch = next(batches, None)
        if batch is None:
            return
        yield batch, time.perf_counter() - start


def _vdl_writer(save_dir: Path) -> Any:
    from visualdl import LogWriter  # takes a second to import, for those who ask for it

    return LogWriter(str(save_dir))
