"""The evaluations of a run: what they tell, and the best weights so far."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from paddle import Tensor

from paddleseg_lite import parallel
from paddleseg_lite.checkpoint.save import save_weights
from paddleseg_lite.checkpoint.state import TrainState
from paddleseg_lite.datasets.base import SegmentationDataset
from paddleseg_lite.engine.ema import ExponentialMovingAverage
from paddleseg_lite.engine.options import TrainOptions
from paddleseg_lite.engine.run_logger import RunLogger
from paddleseg_lite.engine.step import TrainStep
from paddleseg_lite.inference.augment import InferenceOptions, Network
from paddleseg_lite.inference.evaluate import evaluate, predict_labels
from paddleseg_lite.metrics import Metrics
from paddleseg_lite.paddle_compat import float32_weights
from paddleseg_lite.visualize import colorize, fit, to_rgb

log = logging.getLogger(__name__)

_SHOWN = 4  # images
_WIDTH = 480  # of each of the three pictures in a row, in pixels


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
        metrics = self._evaluate("Evaluate", state.iteration)
        if metrics.miou > state.best_miou:
            state.best_miou, state.best_iteration = metrics.miou, state.iteration
            weights = float32_weights(self.step.model, self.step.optimizer)
            self._save("best_model", weights, metrics, state.iteration)
        log.info(f"[EVAL] best mIoU so far: {state.best_miou:.4f}, at iter {state.best_iteration}")
        if self.ema:
            with self.ema.applied():
                metrics = self._evaluate("EvaluateEMA", state.iteration)
                if metrics.miou > state.best_ema_miou:
                    state.best_ema_miou = metrics.miou
                    self._save("ema_best_model", self.ema.state_dict(), metrics, state.iteration)
        state.evaluation_is_due = False
        self.step.model.train()

    def _evaluate(self, tag: str, iteration: int) -> Metrics:
        step, options, logger = self.step, self.options, self.logger
        parallel.share_statistics(step.model)
        step.model.eval()
        metrics = evaluate(
            step.predict, self.dataset, options.inference, num_workers=options.num_workers, stop=self.stop
        )
        log.info(f"[EVAL] {tag} at iter {iteration}: {metrics.summary()}\n{metrics.table()}")
        logger.record("eval", {"iteration": iteration, "tag": tag, **metrics.as_dict()})
        logger.scalars(tag, {"mIoU": metrics.miou, "Acc": metrics.accuracy}, iteration)
        logger.scalars(f"{tag}/IoU", dict(zip(metrics.classes, metrics.class_iou)), iteration)
        if options.use_vdl and parallel.is_main():
            rows = showcase(step.predict, self.dataset, options.inference)
            logger.pictures(f"{tag}/image, truth, prediction", rows, iteration)
        return metrics

    def _save(self, name: str, weights: Mapping[str, Tensor], metrics: Metrics, iteration: int) -> None:
        if parallel.is_main():
            info = {"iteration": iteration, "miou": metrics.miou}
            folder = self.options.save_dir / name
            save_weights(weights, folder, self.options.weights_format, **info)


def showcase(model: Network, dataset: SegmentationDataset, inference: InferenceOptions) -> list[np.ndarray]:
    """Return rows of image | truth | prediction, uint8 [H, W, 3] RGB, of images spread over the data set."""
    rows = []
    for index in np.unique(np.linspace(0, len(dataset) - 1, _SHOWN).astype(int)):
        image, truth = dataset.reader(int(index))
        prediction = predict_labels(model, [dataset.sample(int(index))], inference)[0].astype(np.uint8)
        pictures = [to_rgb(image), colorize(prediction, dataset.palette)]
        if truth is not None:
            pictures.insert(1, colorize(truth, dataset.palette))
        rows.append(np.hstack([fit(picture, min(picture.shape[1], _WIDTH)) for picture in pictures]))
    return rows
