"""The evaluations of a run: what they tell, and the best weights so far."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from paddle import Tensor

from paddleseg_lite import parallel
from paddleseg_lite.checkpoint.save import save_weights
from paddleseg_lite.checkpoint.state import TrainState
from paddleseg_lite.engine.curves import EVALUATE
from paddleseg_lite.engine.ema import ExponentialMovingAverage
from paddleseg_lite.engine.options import TrainOptions
from paddleseg_lite.engine.run_logger import RunLogger
from paddleseg_lite.engine.showcase import SHEET, strip, write_sheet
from paddleseg_lite.engine.step import TrainStep
from paddleseg_lite.engine.task import Task
from paddleseg_lite.paddle_compat import float32_weights

log = logging.getLogger(__name__)


@dataclass
class Evaluator:
    """Evaluates the network of a run, and its moving average."""

    task: Task
    step: TrainStep
    ema: ExponentialMovingAverage | None
    dataset: Any  # of the task
    options: TrainOptions
    logger: RunLogger
    stop: Callable[[], bool]  # asked after each batch whether to give up

    def __call__(self, state: TrainState) -> None:
        """Evaluate; save what is better than the best in `state`, and note it there.

        Raises:
            EvaluationStopped: `stop` said so.
        """
        score = self._evaluate(EVALUATE, state)
        if score > state.best_miou:
            state.best_miou, state.best_iteration = score, state.iteration
            weights = float32_weights(self.step.model, self.step.optimizer)
            self._save("best_model", weights, score, state.iteration)
        name = self.task.headline
        log.info(f"[EVAL] best {name} so far: {state.best_miou:.4f}, at iter {state.best_iteration}")
        if self.ema:
            with self.ema.applied():
                score = self._evaluate("EvaluateEMA", state)
                if score > state.best_ema_miou:
                    state.best_ema_miou = score
                    self._save("ema_best_model", self.ema.state_dict(), score, state.iteration)
        self.logger.refresh_curves()
        state.evaluation_is_due = False
        self.step.model.train()

    def _evaluate(self, tag: str, state: TrainState) -> float:
        """Evaluate the weights that the network has now, tell what was found, and return the headline."""
        step, logger, iteration = self.step, self.logger, state.iteration
        parallel.share_statistics(step.model)
        step.model.eval()
        found = self.task.evaluate(step.predict, self.dataset, self.options, self.stop)
        log.info(f"[EVAL] {tag} at iter {iteration}: {found.text}")
        logger.record("eval", {"iteration": iteration, "tag": tag, **found.record})
        for group, values in found.scalars.items():
            logger.scalars(f"{tag}{group}", values, iteration)
        if parallel.is_main():
            self._show(tag, found.score, state)
        return found.score

    def _show(self, tag: str, score: float, state: TrainState) -> None:
        """Let VisualDL show some images, and val_images.jpg, which is of the best weights so far."""
        sheet = self.options.save_dir / SHEET
        is_best = score > max(state.best_miou, state.best_ema_miou) or not sheet.exists()
        if not is_best and not self.options.use_vdl:
            return
        try:
            shown = self.task.showcase(self.step.predict, self.dataset, self.options)
            if not shown:
                return
            rows = [strip(one, self.dataset.palette) for one in shown]
            self.logger.pictures(f"{tag}/image, truth, prediction", rows, state.iteration)
            if is_best:
                whose = "weights" if tag == EVALUATE else "moving average"
                heading = f"{whose} of iteration {state.iteration}: {self.task.headline} {score:.4f}"
                write_sheet(sheet, shown, self.dataset, heading)
        except Exception as error:  # pictures are no reason to end a run
            log.warning(f"[EVAL] cannot draw {sheet}: {error}")

    def _save(self, name: str, weights: Mapping[str, Tensor], score: float, iteration: int) -> None:
        if parallel.is_main():
            info = {"iteration": iteration, self.task.key: score}
            folder = self.options.save_dir / name
            save_weights(weights, folder, self.options.weights_format, **info)
