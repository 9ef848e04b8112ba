"""The training loop: iterations, log lines, evaluation, checkpoints, resuming."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import paddle
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from paddleseg_lite import parallel
from paddleseg_lite.checkpoint import TrainState, save_checkpoint, save_weights
from paddleseg_lite.datasets.base import SegmentationDataset
from paddleseg_lite.datasets.loading.loader import Batch, train_batches
from paddleseg_lite.engine import nonfinite, resume
from paddleseg_lite.engine.ema import ExponentialMovingAverage
from paddleseg_lite.engine.logging import Logbook
from paddleseg_lite.engine.meter import Meter, StarvationWatch, kept_fraction, log_line, scalars, train_record
from paddleseg_lite.engine.options import TrainOptions, TrainResult
from paddleseg_lite.engine.rng import rng_state
from paddleseg_lite.engine.showcase import showcase
from paddleseg_lite.engine.signals import LAUNCHER_REPEATS, StopSignals
from paddleseg_lite.engine.step import StepResult, TrainStep
from paddleseg_lite.engine.stopwatch import WARM_UP, Stopwatch
from paddleseg_lite.errors import UserError
from paddleseg_lite.inference.evaluate import EvaluationStopped, evaluate
from paddleseg_lite.losses.criterion import Criterion
from paddleseg_lite.metrics import Metrics

__all__ = ["TrainOptions", "TrainResult", "Trainer", "train"]

log = logging.getLogger(__name__)

_REMEMBERED = 5  # losses told when one is not finite


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
        if options.early_stop_intervals is not None and val_dataset is None:
            raise UserError("--early_stop_intervals needs evaluations; add --do_eval")
        self.starvation = StarvationWatch(train_dataset, options.num_workers)
        self.logbook = Logbook(options.save_dir, parallel.is_main(), options.use_vdl)
        self.signals = StopSignals(LAUNCHER_REPEATS if parallel.world_size() > 1 else 0)
        self.watch = Stopwatch(options.profile)
        self.loss: float | None = None
        self.recent: deque[float] = deque(maxlen=_REMEMBERED)

    def run(self) -> TrainResult:
        """Train up to `options.iters`."""
        started = time.perf_counter()
        with self.logbook, logging_redirect_tqdm(), self.signals:
            self._start()
            with closing(self._batches()) as batches, self._bar() as bar:
                try:
                    self._finish_evaluation()
                    stopped = self._loop(batches, bar)
                except EvaluationStopped:
                    stopped = True
            self._write_profile()
            by = (self.signals.received or "a signal to another rank") if stopped else None
            if stopped:
                log.info(f"[TRAIN] stopped by {by} after iteration {self.state.iteration}")
        best = self.state.best_miou if self.state.best_iteration else None
        seconds = time.perf_counter() - started
        return TrainResult(self.state.iteration, self.loss, best, self.state.best_iteration, seconds, by)

    def _start(self) -> None:
        """Load what there is to go on from, then let everything take the form it is trained in."""
        options = self.options
        if options.goes_on:  # before another process can be in the middle of a save
            self.logbook.claim()
        folder = resume.checkpoint_to_resume(options)
        self.step = TrainStep(
            self.model, self.criterion, self.optimizer, options.precision, options.amp_level, self.watch
        )
        self.ema = ExponentialMovingAverage(self.model) if options.use_ema else None
        self.state = TrainState()
        if folder is not None:
            self.state = resume.load(folder, self.model, self.optimizer, self.step, self.ema, options)
        parallel.check_same("the iteration they start from", self.state.iteration)
        self.meter = Meter(self.criterion.names, self.state.extra.get("meter"))

    def _batches(self) -> Generator[list[Batch], None, None]:
        """Yield the batches of each iteration."""
        options = self.options
        stream = train_batches(
            self.train_dataset,
            options.batch_size,
            start_iter=self.state.iteration,
            iters=options.iters,
            seed=options.seed,
            num_workers=options.num_workers,
            accumulate=options.accumulate,
            rank=parallel.rank(),
            world_size=parallel.world_size(),
        )
        with closing(stream):
            while batches := list(islice(stream, options.accumulate)):
                yield batches

    def _bar(self) -> tqdm:
        return tqdm(
            total=self.options.iters,
            initial=self.state.iteration,
            desc="train",
            unit="it",
            dynamic_ncols=True,
            disable=None if parallel.is_main() else True,  # None: a bar on a terminal, none in a file
        )

    def _loop(self, batches: Iterator[list[Batch]], bar: tqdm) -> bool:
        """Train until the end, a better end, or a signal; return whether it was a signal."""
        self.model.train()
        self.meter.restart_clock()
        while not self._stalled():
            started = time.perf_counter()
            batch = next(batches, None)
            if batch is None:
                break
            waited = time.perf_counter() - started
            self.watch.lap("read")
            result = self.step(batch, stop=self.signals.received is not None)
            self._begin()  # not before: it might not begin
            self._count(batch, result, waited)
            bar.update()
            self.watch.next_iteration()
            is_last = self.state.iteration == self.options.iters
            if self.state.iteration % self.options.log_iters == 0 or is_last:
                self._report()
                bar.set_postfix(loss=f"{self.loss:.4f}", refresh=False)
            is_due = self.state.iteration % self.options.save_interval == 0 or is_last
            if is_due or result.stop:
                self.state.extra["to_evaluate"] = is_due and self.val_dataset is not None
                log.info(f"[TRAIN] saved {self._save()}")
                self._finish_evaluation()
                self.meter.restart_clock()
                self.watch.restart()
            if result.stop and not is_last:
                return True
        return False

    def _begin(self, will_evaluate: bool = False) -> None:
        """Begin to write into the folder; after the first call this does nothing."""
        if self.logbook.open(self.state.iteration, self.options.config, will_evaluate):
            resume.set_newer_aside(self.state, self.options)

    def _count(self, batch: list[Batch], result: StepResult, waited: float) -> None:
        """Do what follows an update of the weights, or the lack of one."""
        if not result.is_finite:
            nonfinite.judge(self.state, batch, result, self.recent, self.model, self.options, self._save)
        self.step.advance_schedule()
        self.state.iteration += 1
        self.meter.tick(waited)
        if not result.is_finite:
            return
        if self.ema:
            self.ema.update()
        self.recent.append(sum(result.losses))
        kept = kept_fraction(self.criterion)
        self.meter.add(result.losses, None if kept is None else parallel.mean([kept])[0])

    def _report(self) -> None:
        """Write one log line, in PaddleSeg's form, and the same numbers as data."""
        options, iteration = self.options, self.state.iteration
        images = options.batch_size * options.accumulate * parallel.world_size()
        means = self.meter.means(has_kept=kept_fraction(self.criterion) is not None)
        self.loss = means["loss"]
        record = train_record(means, iteration, images, len(self.train_dataset), self.optimizer.get_lr())
        log.info(log_line(record, options.iters))
        self.starvation.look(means["batch_cost"], means["reader_cost"])
        self.logbook.record("train", record)
        self.logbook.scalars("Train", scalars(record), iteration)
        self.meter = Meter(self.criterion.names)

    def _finish_evaluation(self) -> None:
        """Do the evaluation that is due at this iteration, and save again with what came of it."""
        if self.val_dataset is None or not self.state.extra.get("to_evaluate"):
            return
        self._begin(will_evaluate=True)
        metrics = self._evaluate("Evaluate", self.val_dataset)
        if metrics.miou > self.state.best_miou:
            self.state.best_miou, self.state.best_iteration = metrics.miou, self.state.iteration
            self._save_best("best_model", metrics)
        log.info(f"[EVAL] best mIoU so far: {self.state.best_miou:.4f}, at iter {self.state.best_iteration}")
        if self.ema:
            with self.ema.applied():
                metrics = self._evaluate("EvaluateEMA", self.val_dataset)
                if metrics.miou > self.state.extra.get("best_ema_miou", -1.0):
                    self.state.extra["best_ema_miou"] = metrics.miou
                    self._save_best("ema_best_model", metrics)
        self.state.extra["to_evaluate"] = False
        self._save()
        self.model.train()

    def _evaluate(self, tag: str, dataset: SegmentationDataset) -> Metrics:
        options, iteration = self.options, self.state.iteration
        parallel.share_statistics(self.model)
        self.model.eval()
        metrics = evaluate(
            self.step.predict,
            dataset,
            inference=options.inference,
            num_workers=options.num_workers,
            stop=lambda: self.signals.received is not None,
        )
        log.info(f"[EVAL] {tag} at iter {iteration}: {metrics.summary()}\n{metrics.table()}")
        self.logbook.record("eval", {"iteration": iteration, "tag": tag, **metrics.as_dict()})
        self.logbook.scalars(tag, {"mIoU": metrics.miou, "Acc": metrics.accuracy}, iteration)
        self.logbook.scalars(f"{tag}/IoU", dict(zip(metrics.classes, metrics.class_iou)), iteration)
        if options.use_vdl and parallel.is_main():
            rows = showcase(self.step.predict, dataset, options.inference)
            self.logbook.pictures(f"{tag}/image, truth, prediction", rows, iteration)
        return metrics

    def _save(self) -> Path | None:
        """Write a checkpoint; of several ranks the first one does and returns its folder."""
        options, extra = self.options, self.state.extra
        nonfinite.check_weights(self.model, options, f"diverged by iteration {self.state.iteration}")
        generators = parallel.all_gather_object(rng_state())
        if not parallel.is_main():
            return None
        extra.update(rng=generators, scaler=self.step.scaler.state_dict(), meter=self.meter.state())
        extra.update(stream=resume.stream(options), run=resume.description(options))
        return save_checkpoint(
            options.save_dir,
            self.model,
            self.optimizer,
            self.state,
            keep=options.keep_checkpoint_max,
            average=self.ema.weights if self.ema else None,
            weights_format=options.weights_format,
        )

    def _save_best(self, name: str, metrics: Metrics) -> None:
        if parallel.is_main():
            info = {"iteration": self.state.iteration, "miou": metrics.miou}
            save_weights(self.model, self.options.save_dir / name, self.options.weights_format, **info)

    def _stalled(self) -> bool:
        intervals = self.options.early_stop_intervals
        if intervals is None or self.val_dataset is None:
            return False
        if self.state.iteration - self.state.best_iteration < intervals * self.options.save_interval:
            return False
        log.info(f"[TRAIN] early stop: no better mIoU in {intervals} evaluations")
        return True

    def _write_profile(self) -> None:
        if self.watch.seconds():
            log.info(f"[PROFILE] mean of {self.watch.iterations} iterations\n{self.watch.table()}")
            self.logbook.write("profile.txt", self.watch.table() + "\n")
        elif self.options.profile:
            log.warning(f"[PROFILE] the first {WARM_UP} iterations are not measured, there were no others")


def train(
    model: paddle.nn.Layer,
    train_dataset: SegmentationDataset,
    optimizer: paddle.optimizer.Optimizer,
    criterion: Criterion,
    options: TrainOptions,
    val_dataset: SegmentationDataset | None = None,
) -> TrainResult:
    """Train a network by iterations.

    SIGTERM or SIGINT end it after the current iteration, with a checkpoint; see `TrainResult.stopped_by`.

    Args:
        model: images float32 [N, C, H, W] -> [logits [N, num_classes, H, W], ...]; on its device.
        train_dataset: in mode "train".
        optimizer: over the model's parameters; its LRScheduler, if it has one, is stepped every iteration.
        criterion: (list of logits, labels [N, H, W]) -> list of weighted scalar losses.
        options: length, folder, intervals, precision.
        val_dataset: in mode "val"; if given, it is evaluated every `options.save_interval` iterations.

    Raises:
        UserError: bad data, an option that does not fit the device, a checkpoint that does not fit the model,
            a `save_dir` that holds another run, a full disk, or a loss that is not finite.
    """
    return Trainer(model, train_dataset, optimizer, criterion, options, val_dataset).run()
