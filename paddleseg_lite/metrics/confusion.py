"""Counts of pixels by (truth, prediction), of arrays."""

from __future__ import annotations

import numpy as np

from paddleseg_lite.metrics.counting import histogram


def confusion_matrix(
    pred: np.ndarray, label: np.ndarray, num_classes: int, ignore_index: int = 255
) -> np.ndarray:
    """Count pixels by (truth, prediction).

    Args:
        pred: class ids in [0, num_classes), any integer type, any shape.
        label: class ids of the same shape, or `ignore_index`.
        num_classes: K, up to 256.
        ignore_index: pixels with this label are not counted.

    Returns:
        [K, K] int64; rows are the truth, columns the prediction. Matrices of several images add up.

    Raises:
        ValueError: the shapes differ, or an id is outside [0, K).
    """
    if pred.shape != label.shape:
        raise ValueError(f"prediction {pred.shape} and label {label.shape} differ in shape")
    valid = label != ignore_index
    for name, ids in (("label", label), ("prediction", pred)):
        if ids.dtype != np.uint8:  # whose bytes would be others' ids
            _check(name, ids[valid], num_classes, ignore_index)
    maps = [np.asarray(ids, np.uint8) for ids in (label, pred)]
    counts = histogram(maps, (num_classes, num_classes), valid)
    if counts.sum() != np.count_nonzero(valid):
        for name, ids in zip(("label", "prediction"), maps):
            _check(name, ids[valid], num_classes, ignore_index)
    return counts


def _check(name: str, ids: np.ndarray, num_classes: int, ignore_index: int) -> None:
    if ids.size:
        check_ids(name, ids.min(), ids.max(), num_classes, ignore_index)


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
