"""Numbers from one confusion matrix: counts are accumulated over images, ratios are taken once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from paddleseg_lite.metrics.counting import class_counts
from paddleseg_lite.printable import printable

MEANS = ("miou", "accuracy", "mean_accuracy", "frequency_weighted_iou", "kappa")


@dataclass(frozen=True)
class Metrics:
    """Scores in [0, 1] (kappa in [-1, 1]); NaN where nothing was there to score.

    Attributes:
        miou: mean IoU over the classes that occur in labels or predictions.
        accuracy: share of valid pixels that are right.
        kappa: Cohen's kappa, the agreement beyond chance.
        classes: names, K of them.
        class_iou: [K] float64; intersection over union.
        class_precision: [K] float64; NaN for a class that was never predicted.
        class_recall: [K] float64; NaN for a class that is in no label.
        class_f1: [K] float64; F1, also called Dice.
        support: [K] int64; labelled pixels of each class; also as `class_pixels`.
        confusion: [K, K] int64; pixels by (truth, prediction), which all of this is made of.

    A class that appears in neither labels nor predictions is absent: NaN in all four.
    """

    miou: float
    accuracy: float
    kappa: float
    classes: tuple[str, ...]
    class_iou: np.ndarray
    class_precision: np.ndarray
    class_recall: np.ndarray
    class_f1: np.ndarray
    support: np.ndarray
    confusion: np.ndarray

    @property
    def mean_accuracy(self) -> float:
        """The mean recall over the classes that are in labels."""
        return float(means(class_counts(self.confusion))["mean_accuracy"])

    @property
    def frequency_weighted_iou(self) -> float:
        """The mean IoU in which each class weighs as much as it has labelled pixels."""
        return float(means(class_counts(self.confusion))["frequency_weighted_iou"])

    @property
    def class_pixels(self) -> np.ndarray:
        """`support`, by its former name."""
        return self.support

    def summary(self) -> str:
        """Return the means in one line, the first four as PaddleSeg words them; Dice is the mean F1."""
        dice = float(known_mean(self.class_f1))
        usual = f"mIoU: {self.miou:.4f} Acc: {self.accuracy:.4f} Kappa: {self.kappa:.4f} Dice: {dice:.4f}"
        return f"{usual} mAcc: {self.mean_accuracy:.4f} FWIoU: {self.frequency_weighted_iou:.4f}"

    def table(self) -> str:
        """Return a table for the log: a line per class, absent ones as "-"."""
        names = [printable(name) for name in self.classes]
        width = max(len("class"), *(len(name) for name in names))
        columns = (self.class_iou, self.class_precision, self.class_recall, self.class_f1)
        lines = [f"{'class':<{width}}     IoU  precision  recall      F1"]
        for name, iou, precision, recall, f1 in zip(names, *columns):
            cells = (_cell(iou, 8), _cell(precision, 11), _cell(recall, 8), _cell(f1, 8))
            lines.append(f"{name:<{width}}{''.join(cells)}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers and dicts for JSON: NaN is None, classes are keys."""
        per_class = ("class_iou", "class_precision", "class_recall", "class_f1")
        return {
            **{key: plain(getattr(self, key)) for key in MEANS},
            **{key: dict(zip(self.classes, map(plain, getattr(self, key)))) for key in per_class},
            "class_pixels": dict(zip(self.classes, self.support.tolist())),
        }


def scores(confusion: np.ndarray, classes: Sequence[str]) -> Metrics:
    """Turn counts into scores.

    Args:
        confusion: [K, K] whole numbers, rows truth, columns prediction, as `confusion_matrix` makes them.
        classes: the K class names.

    Raises:
        ValueError: the matrix is not K by K.
    """
    if confusion.shape != (len(classes), len(classes)):
        raise ValueError(f"a confusion matrix of {confusion.shape} does not fit {len(classes)} classes")
    counts = class_counts(confusion).astype(np.float64)
    right, labelled, predicted = counts
    of_all = means(counts)
    return Metrics(
        miou=float(of_all["miou"]),
        accuracy=float(of_all["accuracy"]),
        kappa=float(of_all["kappa"]),
        classes=tuple(classes),
        class_iou=class_iou(counts),
        class_precision=ratio(right, predicted),
        class_recall=ratio(right, labelled),
        class_f1=ratio(2 * right, labelled + predicted),
        support=confusion.sum(axis=1).astype(np.int64),
        confusion=confusion.astype(np.int64),
    )


def class_iou(counts: np.ndarray) -> np.ndarray:
    """Return the IoU [..., K] of counts [..., 3, K]: right, labelled, predicted."""
    right, labelled, predicted = np.moveaxis(counts, -2, 0)
    return ratio(right, labelled + predicted - right)


def known_mean(values: np.ndarray) -> np.ndarray:
    """Return the means [...] of values [..., K] over the classes that have one; NaN where none has."""
    known = ~np.isnan(values)
    return ratio(np.where(known, values, 0).sum(axis=-1), known.sum(axis=-1))


def means(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Return each of MEANS, [...] of counts [..., 3, K]: right, labelled, predicted."""
    counts = counts.astype(np.float64)  # products of whole numbers would overflow
    right, labelled, predicted = np.moveaxis(counts, -2, 0)
    iou, total = class_iou(counts), labelled.sum(axis=-1)
    accuracy = ratio(right.sum(axis=-1), total)
    by_chance = ratio((labelled * predicted).sum(axis=-1), total**2)
    weighted = np.where(labelled > 0, labelled * iou, 0).sum(axis=-1)
    return {
        "miou": known_mean(iou),
        "accuracy": accuracy,
        "mean_accuracy": known_mean(ratio(right, labelled)),
        "frequency_weighted_iou": ratio(weighted, total),
        "kappa": ratio(accuracy - by_chance, 1.0 - by_chance),
    }


def ratio(part: Any, whole: Any) -> np.ndarray:
    """Divide; NaN, without a warning, where `whole` is 0."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole != 0)


def _cell(value: float, width: int) -> str:
    return f"{'-' if np.isnan(value) else f'{value:.4f}':>{width}}"


def plain(value: float) -> float | None:
    """Return a number as JSON has it: null for NaN."""
    return None if np.isnan(value) else float(value)
