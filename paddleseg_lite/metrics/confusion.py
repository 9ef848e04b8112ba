"""Counts of pixels by (truth, prediction), of arrays."""

from __future__ import annotations

import numpy as np


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
