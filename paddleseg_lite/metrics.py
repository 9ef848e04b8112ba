"""Numbers from one confusion matrix: counts are accumulated over images, ratios are taken once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from paddleseg_lite.printable import printable


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

    @property
    def class_pixels(self) -> np.ndarray:
        """`support`, by its former name."""
        return self.support

    def summary(self) -> str:
        """Return the means in one line, as PaddleSeg words them; Dice is the mean F1."""
        dice = float(np.nanmean(self.class_f1)) if self.support.sum() else float("nan")
        return f"mIoU: {self.miou:.4f} Acc: {self.accuracy:.4f} Kappa: {self.kappa:.4f} Dice: {dice:.4f}"

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
            **{key: _plain(getattr(self, key)) for key in ("miou", "accuracy", "kappa")},
            **{key: dict(zip(self.classes, map(_plain, getattr(self, key)))) for key in per_class},
            "class_pixels": dict(zip(self.classes, self.support.tolist())),
        }


def confusion_matrix(
    pred: np.ndarray, label: np.ndarray, num_classes: int, ignore_index: int = 255
) -> np.ndarray:
    """Count pixels by (truth, prediction).

    Args:
        pred: class ids in [0, num_classes), any integer type, any shape.
        label: class ids of the same shape, or `ignore_index`.
        num_classes: K.
        ignore_index: pixels with this label are not counted.

    Returns:
        [K, K] int64; rows are the truth, columns the prediction. Matrices of several images add up.

    Raises:
        ValueError: the shapes differ, or an id is outside [0, K).
    """
    if pred.shape != label.shape:
        raise ValueError(f"prediction {pred.shape} and label {label.shape} differ in shape")
    # int32 holds K * K and halves the memory traffic of int64, which is what this costs.
    truth = label.reshape(-1).astype(np.int32)
    guess = pred.reshape(-1).astype(np.int32)
    valid = truth != ignore_index
    if not valid.all():
        truth, guess = truth[valid], guess[valid]
    if truth.size == 0:
        return np.zeros((num_classes, num_classes), np.int64)
    for name, ids in (("label", truth), ("prediction", guess)):
        check_ids(name, ids.min(), ids.max(), num_classes, ignore_index)
    counts = np.bincount(truth * num_classes + guess, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes).astype(np.int64)


def check_ids(name: str, low: int, high: int, num_classes: int, ignore_index: int) -> None:
    """Check the least and the largest of some ids, those of ignored pixels left out.

    Raises:
        ValueError: one is outside [0, num_classes).
    """
    if low < 0 or high >= num_classes:
        raise ValueError(
            f"{name} ids are in [{low}, {high}]; allowed are 0 to {num_classes - 1}"
            f" and {ignore_index} for ignored labels"
        )


def scores(confusion: np.ndarray, classes: Sequence[str]) -> Metrics:
    """Turn counts into scores.

    Args:
        confusion: [K, K], rows truth, columns prediction, as `confusion_matrix` makes them.
        classes: the K class names.

    Raises:
        ValueError: the matrix is not K by K.
    """
    if confusion.shape != (len(classes), len(classes)):
        raise ValueError(f"a confusion matrix of {confusion.shape} does not fit {len(classes)} classes")
    counts = confusion.astype(np.float64)
    right = np.diag(counts)
    labelled, predicted, total = counts.sum(axis=1), counts.sum(axis=0), counts.sum()
    class_iou = _ratio(right, labelled + predicted - right)
    by_chance = _ratio((labelled * predicted).sum(), total**2)
    accuracy = _ratio(right.sum(), total)
    return Metrics(
        miou=float(np.nanmean(class_iou)) if total else float("nan"),
        accuracy=float(accuracy),
        kappa=float(_ratio(accuracy - by_chance, 1.0 - by_chance)),
        classes=tuple(classes),
        class_iou=class_iou,
        class_precision=_ratio(right, predicted),
        class_recall=_ratio(right, labelled),
        class_f1=_ratio(2 * right, labelled + predicted),
        support=confusion.sum(axis=1).astype(np.int64),
    )


def _ratio(part: Any, whole: Any) -> np.ndarray:
    """Divide; NaN, without a warning, where `whole` is 0."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole != 0)


def _cell(value: float, width: int) -> str:
    return f"{'-' if np.isnan(value) else f'{value:.4f}':>{width}}"


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
