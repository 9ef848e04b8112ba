"""The evaluations of a run: what they tell, and the best weights so far."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from paddle import Tensor

from paddleseg_lite import parallel
from paddleseg_lite.checkpoint.save import save_weights
from paddleseg_lite.checkpoint.state import TrainState
from paddleseg_lite.datasets.base import SegmentationDataset
from paddleseg_lite.engine.ema import ExponentialMovingAverage
from paddleseg_lite.engine.options import TrainOptions
from paddleseg_lite.engine.run_logger import RunLogger
from paddleseg_lite.engine.showcase import SHEET, showcase, strip, write_sheet
from paddleseg_lite.engine.step import TrainStep
from paddleseg_lite.inference.evaluate import evaluate
from paddleseg_lite.metrics import Metrics
from paddleseg_lite.paddle_compat import float32_weights

log = logging.getLogger(__name__)


@dataclass
class Evaluator:
    """Evaluates the network of a run, and its moving average."""

    step: TrainStep
    ema: ExponentialMovingAverage | None
    dataset: SegmentationDataset
    options: TrainOptions
    logger: RunLogger
    stop: Callable[[], bool]  # asked after each batch whether to give up

    def __call__(self, state: TrainState) -> None:
        """Evaluate; save what is better than the best in `state`, and note it there.

        Raises:
            EvaluationStopped: `stop` said so.
        """
        metrics = self._evaluate("Evaluate", state)
        if metrics.miou > state.best_miou:
            state.best_miou, state.best_iteration = metrics.miou, state.iteration
            weights = float32_weights(self.step.model, self.step.optimizer)
            self._save("best_model", weights, metrics, state.iteration)
        log.info(f"[EVAL] best mIoU so far: {state.best_miou:.4f}, at iter {state.best_iteration}")
        if self.ema:
            with self.ema.applied():
                metrics = self._evaluate("EvaluateEMA", state)
                if metrics.miou > state.best_ema_miou:
                    state.best_ema_miou = metrics.miou
                    self._save("ema_best_model", self.ema.state_dict(), metrics, state.iteration)
        self.logger.refresh_curves()
        state.evaluation_is_due = False
        self.step.model.train()

    def _evaluate(self, tag: str, state: TrainState) -> Metrics:
        step, options, logger, iteration = self.step, self.options, self.logger, state.iteration
        parallel.share_statistics(step.model)
        step.model.eval()
        metrics = evaluate(
            step.predict, self.dataset, options.inference, num_workers=options.num_workers, stop=self.stop
        )
        log.info(f"[EVAL] {tag} at iter {iteration}: {metrics.summary()}\n{metrics.table()}")
        logger.record("eval", {"iteration": iteration, "tag": tag, **metrics.as_dict()})
        logger.scalars(tag, {"mIoU": metrics.miou, "Acc": metrics.accuracy}, iteration)
        logger.scalars(f"{tag}/IoU", dict(zip(metrics.classes, metrics.class_iou)), iteration)
        if parallel.is_main():
            self._show(tag, metrics, state)
        return metrics

    def _show(self, tag: str, metrics: Metrics, state: TrainState) -> None:
        """Let VisualDL show some images, and val_images.jpg, which is of the best weights so far."""
        sheet = self.options.save_dir / SHEET
        is_best = metrics.miou > max(state.best_miou, state.best_ema_miou) or not sheet.exists()
        if not is_best and not self.options.use_vdl:
            return
        try:
            shown = showcase(self.step.predict, self.dataset, self.options.inference)
            rows = [strip(one, self.dataset.palette) for one in shown]
            self.logger.pictures(f"{tag}/image, truth, prediction", rows, state.iteration)
            if is_best:
                whose = "weights" if tag == "Evaluate" else "moving average"
                heading = f"{whose} of iteration {state.iteration}: mIoU {metrics.miou:.4f}"
                write_sheet(sheet, shown, self.dataset, heading)
        except Exception as error:  # pictures are no reason to end a run
            log.warning(f"[EVAL] cannot draw {sheet}: {error}")

    def _save(self, name: str, weights: Mapping[str, Tensor], metrics: Metrics, iteration: int) -> None:
        if parallel.is_main():
            info = {"iteration": iteration, "miou": metrics.miou}
            folder = self.options.save_dir / name
            save_weights(weights, folder, self.options.weights_format, **info)
