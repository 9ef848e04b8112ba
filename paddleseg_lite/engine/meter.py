"""What a log line tells, and whether the device waits for data."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from paddleseg_lite import parallel
from paddleseg_lite.datasets.samples import LabelledImages
from paddleseg_lite.json_files import NUMBER, mismatch
from paddleseg_lite.kernels.threads import cpu_count
from paddleseg_lite.losses.criterion import Criterion

log = logging.getLogger(__name__)

STARVING = 0.2  # share of the time that may pass in waiting for data


class Meter:
    """Sums of this rank's losses since the last log line; they survive in checkpoints.

    Args:
        criterion: the losses.
        measured: names of the scores that are told beside them.
    """

    def __init__(self, criterion: Criterion, measured: Sequence[str] = ()) -> None:
        self.criterion, self.measured = criterion, measured
        self._clear()

    def _clear(self) -> None:
        self.count, self.losses, self.kept = 0, [0.0] * len(self.criterion.losses), 0.0
        self.scores = [0.0] * len(self.measured)

    def state_dict(self) -> dict[str, Any]:
        """Return the sums, as plain data."""
        return {"count": self.count, "losses": self.losses, "kept": self.kept, "scores": self.scores}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned.

        Raises:
            ValueError: it is something else.
        """
        known = {"count": int, "losses": [NUMBER], "kept": NUMBER, "scores?": [NUMBER]}
        if problem := mismatch(state, known):
            raise ValueError(problem)
        self.count, self.losses, self.kept = state["count"], list(state["losses"]), state["kept"]
        if len(state.get("scores", ())) == len(self.measured):
            self.scores = list(state.get("scores", ()))

    def add(self, losses: Sequence[float], kept: float, scores: Sequence[float] = ()) -> None:
        """Count an update: losses, the share of pixels that they kept, and scores; means over its passes."""
        self.losses = [total + loss for total, loss in zip(self.losses, losses)]
        self.scores = [total + score for total, score in zip(self.scores, scores)]
        self.kept += kept
        self.count += 1

    def record(
        self, iteration: int, images: int, in_epoch: int, learning_rate: float, costs: tuple[float, float]
    ) -> dict[str, Any]:
        """Return what the interval tells, and begin the next: means, where the run stands, images per second.

        Means are over the ranks, which ask together; NaN if every iteration was passed over. `kept` is there
        if a loss chooses its pixels, `losses` by name if there are several, `scores` if some are measured.

        Args:
            iteration: the last one.
            images: of an iteration.
            in_epoch: images of an epoch.
            learning_rate: the one that its update used.
            costs: seconds of an iteration, and of its reading.
        """
        count = self.count or math.nan
        sums = parallel.all_reduce_mean([self.kept, *self.losses, *self.scores])
        kept, *means = [total / count for total in sums]
        losses, scores = means[: len(self.losses)], means[len(self.losses) :]
        self._clear()
        return {
            "iteration": iteration,
            "epoch": (iteration * images - 1) // in_epoch + 1,
            "lr": learning_rate,
            "loss": sum(losses),
            **({"losses": dict(zip(self.criterion.names, losses))} if len(losses) > 1 else {}),
            **({"kept": kept} if self.criterion.kept_fractions() else {}),
            **({"scores": dict(zip(self.measured, scores))} if scores else {}),
            "batch_cost": costs[0],
            "reader_cost": costs[1],
            "ips": images / max(costs[0], 1e-9),
        }


def log_line(record: dict[str, Any], iters: int) -> str:
    """Return a record of training in PaddleSeg's words."""
    kept = {"kept": record["kept"]} if "kept" in record else {}
    parts = {**record.get("losses", {}), **kept, **record.get("scores", {})}
    left = timedelta(seconds=round(record["batch_cost"] * (iters - record["iteration"])))
    return (
        f"[TRAIN] epoch: {record['epoch']}, iter: {record['iteration']}/{iters}, loss: {record['loss']:.4f}, "
        + "".join(f"{name}: {value:.4f}, " for name, value in parts.items())
        + f"lr: {record['lr']:.6f}, batch_cost: {record['batch_cost']:.4f}, "
        f"reader_cost: {record['reader_cost']:.5f}, ips: {record['ips']:.4f} samples/sec | ETA {left}"
    )


def scalars(record: dict[str, Any]) -> dict[str, float]:
    """Return the numbers of a record, by the names under which VisualDL draws them."""
    nested = ("iteration", "epoch", "losses", "scores")
    flat = {name: value for name, value in record.items() if name not in nested}
    flat.update(record.get("scores", {}))
    return {**flat, **{f"loss_{name}": loss for name, loss in record.get("losses", {}).items()}}


class StarvationWatch:
    """Warns, once in a run, when waiting for data takes more than a fifth of the time.

    The first interval doesn't count: workers start in it.

    Args:
        dataset: what is waited for.
        num_workers: processes that read it.
    """

    def __init__(self, dataset: LabelledImages, num_workers: int) -> None:
        self.dataset, self.num_workers = dataset, num_workers
        self.intervals = 0
        self.has_warned = False

    def look(self, batch_cost: float, reader_cost: float) -> None:
        """Judge an interval by the mean seconds of its iterations, and of those the wait for data."""
        self.intervals += 1
        if self.intervals == 1 or self.has_warned or reader_cost <= STARVING * batch_cost:
            return
        self.has_warned = True
        log.warning(
            f"[TRAIN] {reader_cost / batch_cost:.0%} of the time passes in waiting for data; "
            f"{' or '.join(self._remedies())}"
        )

    def _remedies(self) -> list[str]:
        cores = cpu_count()
        remedies = []
        if self.num_workers < cores:
            remedies.append(
                f"use more processes (--num_workers is {self.num_workers}, it may use {cores} cores)"
            )
        if self.dataset.cache is None and self.dataset.task == "segmentation":
            remedies.append("pack the data set once with the command pack_dataset and set its cache")
        return remedies or ["take transforms away, or train on smaller images"]
