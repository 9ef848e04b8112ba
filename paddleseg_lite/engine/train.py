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
from tqdm.contrib.logging import logging_redirect_tqdm

from paddleseg_lite import parallel
from paddleseg_lite.checkpoint.save import read_average, save_checkpoint
from paddleseg_lite.checkpoint.state import TrainState
from paddleseg_lite.datasets.loading.loader import train_batches
from paddleseg_lite.datasets.loading.prefetch import with_next
from paddleseg_lite.datasets.padding import padding_warning, sizes_of_some
from paddleseg_lite.datasets.samples import LabelledImages
from paddleseg_lite.engine import resume, rng
from paddleseg_lite.engine.cudnn import algorithm_search, makes_one_size
from paddleseg_lite.engine.ema import ExponentialMovingAverage
from paddleseg_lite.engine.evaluator import Evaluator
from paddleseg_lite.engine.feed import Pass
from paddleseg_lite.engine.meter import Meter, StarvationWatch, log_line, scalars
from paddleseg_lite.engine.nonfinite import check_weights, handle_nonfinite_loss
from paddleseg_lite.engine.options import TrainOptions, TrainResult
from paddleseg_lite.engine.run_logger import RunLogger
from paddleseg_lite.engine.signals import LAUNCHER_REPEATS, StopSignals
from paddleseg_lite.engine.step import TrainStep
from paddleseg_lite.engine.stopwatch import Stopwatch
from paddleseg_lite.engine.task import task_of
from paddleseg_lite.errors import UserError
from paddleseg_lite.inference.evaluate import EvaluationStopped
from paddleseg_lite.losses.criterion import Criterion
from paddleseg_lite.progress import Progress

__all__ = ["TrainOptions", "TrainResult", "Trainer", "train"]

log = logging.getLogger(__name__)

_REMEMBERED = 5  # losses told when one is not finite


class Trainer:
    """One run: the objects that are trained and where the run stands."""

    def __init__(
        self,
        model: paddle.nn.Layer,
        train_dataset: LabelledImages,
        optimizer: paddle.optimizer.Optimizer,
        criterion: Criterion,
        options: TrainOptions,
        val_dataset: LabelledImages | None = None,
    ) -> None:
        self.model, self.optimizer, self.criterion = model, optimizer, criterion
        self.train_dataset, self.val_dataset, self.options = train_dataset, val_dataset, options
        if options.early_stop_intervals is not None and val_dataset is None:
            raise UserError("--early_stop_intervals needs evaluations; add --do_eval")
        self.task = task_of(train_dataset, val_dataset)
        self.task.check(criterion, train_dataset, val_dataset)
        self.starvation = StarvationWatch(train_dataset, options.num_workers)
        self.logger = RunLogger(options.save_dir, parallel.is_main(), options.use_vdl)
        self.signals = StopSignals(LAUNCHER_REPEATS if parallel.world_size() > 1 else 0)
        self.watch = Stopwatch(options.profile)
        self.state, self.meter = TrainState(), Meter(criterion, self.task.measured)
        self.loss: float | None = None
        self.recent: deque[float] = deque(maxlen=_REMEMBERED)

    def run(self) -> TrainResult:
        """Train up to `options.iters`."""
        started, options = time.perf_counter(), self.options
        with self.logger, logging_redirect_tqdm(), self.signals, self.logger.curves_at_the_end():
            self._start()
            search = algorithm_search(makes_one_size(self.train_dataset.transforms))
            with closing(self._batches()) as batches, self._bar() as bar, search:
                try:
                    self._evaluate_if_due()
                    stopped = self._loop(batches, bar)
                except EvaluationStopped:
                    stopped = True
            if options.profile:
                self.watch.report(options.save_dir if parallel.is_main() else None)
            by = (self.signals.received or "a signal to another rank") if stopped else None
            if stopped:
                log.info(f"[TRAIN] stopped by {by} after iteration {self.state.iteration}")
        state, seconds = self.state, time.perf_counter() - started
        best = state.best_miou if state.best_iteration else None
        headline = self.task.headline
        return TrainResult(state.iteration, self.loss, best, state.best_iteration, seconds, by, headline)

    def _start(self) -> None:
        """Let everything take the form it is trained in, and load what there is to go on from."""
        options = self.options
        if options.is_resuming:  # before another process can be in the middle of a save
            self.logger.claim()
        folder = resume.checkpoint_to_resume(options)
        self.step = TrainStep(
            self.model,
            self.criterion,
            self.optimizer,
            options.precision,
            options.amp_level,
            self.watch,
            self.task.measure,
        )
        if folder is not None:
            self.state = resume.load(folder, self.step, self.meter, options, self.task.key)
        if parallel.is_main():
            small = padding_warning(self.train_dataset.transforms, sizes_of_some(self.train_dataset))
            if small:
                log.warning(f"[TRAIN] {small}")
        parallel.check_same("the iteration they start from", self.state.iteration)
        self.ema = None
        if options.use_ema:
            self.ema = ExponentialMovingAverage(self.model, options.ema_decay, self.optimizer)
        if self.ema and folder is not None and (average := read_average(folder)):
            self.ema.load_state_dict(average, self.state.averaged)
        if self.val_dataset is not None:
            stop = self.signals.asked_to_stop
            self.evaluator = Evaluator(
                self.task, self.step, self.ema, self.val_dataset, options, self.logger, stop
            )

    def _batches(self) -> Generator[list[Pass], None, None]:
        """Yield the passes of each iteration."""
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
            while passes := [Pass(batch) for batch in islice(stream, options.accumulate)]:
                yield passes

    def _bar(self) -> Progress:
        return Progress(
            is_active=parallel.is_main(),
            total=self.options.iters,
            initial=self.state.iteration,
            desc="train",
            unit="it",
        )

    def _loop(self, batches: Iterator[list[Pass]], bar: Progress) -> bool:
        """Train until the end, a better end, or a signal; return whether it was a signal."""
        self.model.train()
        self.watch.restart()
        first = self.state.iteration + 1
        pairs = with_next(batches)
        while not self._is_stalled():
            self.watch.lap("other")  # logging
            passes, upcoming = next(pairs, (None, None))
            if passes is None:
                break
            self.watch.lap("read")

            done = self.step.learn(passes, upcoming, self.signals.asked_to_stop)
            if done.is_finite:
                self.step.update()
            self._begin()  # not before: it might not begin
            if not done.is_finite:
                handle_nonfinite_loss(
                    self.state,
                    passes,
                    losses=done.losses,
                    recent=self.recent,
                    model=self.model,
                    options=self.options,
                    save=self._save,
                )
            elif self.ema:
                self.ema.update()
            self.rate = self.optimizer.get_lr()  # of this update; the next one's stands there after this
            self.step.advance_schedule()
            self.state.iteration += 1

            if done.is_finite:
                self.recent.append(sum(done.losses))
                self.meter.add(done.losses, done.kept, done.scores)
            bar.update()
            self.watch.next_iteration()
            is_last = self.state.iteration == self.options.iters
            if self.state.iteration % self.options.log_iters == 0 or is_last:
                self._report(bar)
            elif self.state.iteration == first:
                bar.refresh()  # the first sign of life, before the first interval is over

            is_due = self.state.iteration % self.options.save_interval == 0 or is_last
            if is_due or done.stop:
                self.state.evaluation_is_due = is_due and self.val_dataset is not None
                log.info(f"[TRAIN] saved {self._save()}")
                self._evaluate_if_due()
                bar.postpone()
                self.watch.restart()
            if done.stop and not is_last:
                return True
        return False

    def _begin(self, will_evaluate: bool = False) -> None:
        """Begin to write into the folder; after the first call this does nothing."""
        if self.logger.open(self.state.iteration, self.options.config, will_evaluate):
            resume.set_newer_aside(self.state, self.options)

    def _report(self, bar: Progress) -> None:
        """Write one log line, in PaddleSeg's form, and the same numbers as data."""
        options, iteration = self.options, self.state.iteration
        images = options.batch_size * options.accumulate * parallel.world_size()
        record = self.meter.record(iteration, images, len(self.train_dataset), self.rate, self.watch.costs())
        self.loss = record["loss"]
        log.info(log_line(record, options.iters))
        bar.set_postfix(loss=f"{self.loss:.4f}", refresh=False)
        bar.postpone()
        self.starvation.look(record["batch_cost"], record["reader_cost"])
        self.logger.record("train", record)
        self.logger.scalars("Train", scalars(record), iteration)

    def _evaluate_if_due(self) -> None:
        """Do the evaluation that is due at this iteration, and save again with what came of it."""
        if self.val_dataset is None or not self.state.evaluation_is_due:
            return
        self._begin(will_evaluate=True)
        with algorithm_search(False):  # images may have many sizes
            self.evaluator(self.state)
        self._save()

    def _save(self) -> Path | None:
        """Write a checkpoint; of several ranks the first one does and returns its folder."""
        options, state = self.options, self.state
        check_weights(self.model, options.save_dir, f"diverged by iteration {state.iteration}")
        state.generators = parallel.all_gather_object(rng.state_dict())
        state.meters = parallel.all_gather_object(self.meter.state_dict())
        state.averaged = self.ema.updates if self.ema else 0
        state.scaler = self.step.scaler.state_dict()
        state.stream, state.run = resume.stream(options), resume.description(options)
        if not parallel.is_main():
            return None
        return save_checkpoint(
            options.save_dir,
            self.model,
            self.optimizer,
            state,
            keep=options.keep_checkpoint_max,
            average=self.ema.state_dict() if self.ema else None,
            weights_format=options.weights_format,
        )

    def _is_stalled(self) -> bool:
        """Return whether too many evaluations brought no better score."""
        intervals = self.options.early_stop_intervals
        if intervals is None or self.val_dataset is None:
            return False
        if self.state.iteration - self.state.best_iteration < intervals * self.options.save_interval:
            return False
        log.info(f"[TRAIN] early stop: no better {self.task.headline} in {intervals} evaluations")
        return True


def train(
    model: paddle.nn.Layer,
    train_dataset: LabelledImages,
    optimizer: paddle.optimizer.Optimizer,
    criterion: Criterion,
    options: TrainOptions,
    val_dataset: LabelledImages | None = None,
) -> TrainResult:
    """Train a network by iterations.

    SIGTERM or SIGINT end it after the current iteration, with a checkpoint; see `TrainResult.stopped_by`.

    Args:
        model: images float32 [N, C, H, W] -> [logits [N, num_classes, H, W], ...], or of a classifier
            [logits [N, num_classes]]; on its device.
        train_dataset: in mode "train"; it decides the task, see engine/task.py.
        optimizer: over the model's parameters; its LRScheduler, if it has one, is stepped every iteration.
        criterion: (list of logits, labels [N, H, W] or [N]) -> list of weighted scalar losses.
        options: length, folder, intervals, precision.
        val_dataset: in mode "val"; if given, it is evaluated every `options.save_interval` iterations.

    Raises:
        UserError: bad data, an option that does not fit the device, a checkpoint that does not fit the model,
            a `save_dir` that holds another run, a full disk, or a loss that is not finite.
    """
    return Trainer(model, train_dataset, optimizer, criterion, options, val_dataset).run()
