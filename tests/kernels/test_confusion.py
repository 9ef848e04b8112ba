"""Counts on a device against those on the host."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from paddleseg_lite.kernels.confusion import ConfusionMatrix
from paddleseg_lite.metrics import confusion_matrix


@pytest.mark.parametrize("ignore_index", [255, 0])
def test_tensors_are_counted_as_arrays_are(ignore_index: int) -> None:
    """Images of several sizes, with ignored labels, whatever is predicted there; arrays beside tensors."""
    rng = np.random.default_rng(0)
    counts, total = ConfusionMatrix(19, ignore_index), np.zeros((19, 19), np.int64)
    for index, size in enumerate([(40, 30), (8, 5), (40, 30)]):
        prediction, label = rng.integers(0, 19, (2, *size)).astype(np.uint8)
        label[0], prediction[0] = ignore_index, 200
        total += confusion_matrix(prediction, label, 19, ignore_index)
        counts.update(prediction if index == 1 else paddle.to_tensor(prediction), label)
    assert counts.counts().dtype == np.int64
    np.testing.assert_array_equal(counts.counts(), total)


def test_nothing_counted_is_zero() -> None:
    """No image, or none with a label that counts."""
    counts = ConfusionMatrix(2)
    np.testing.assert_array_equal(counts.counts(), np.zeros((2, 2)))
    counts.update(paddle.zeros([2, 3], "uint8"), np.full((2, 3), 255, np.uint8))
    np.testing.assert_array_equal(counts.counts(), np.zeros((2, 2)))


def test_ids_outside_the_classes_are_refused() -> None:
    """In the words that the host has for it; they would land in another class's cell."""
    good, wrong = np.zeros((2, 2), np.uint8), np.full((2, 2), 5, np.uint8)
    for name, prediction, label in (("label", good, wrong), ("prediction", wrong, good)):
        counts = ConfusionMatrix(2)
        counts.update(paddle.to_tensor(prediction), label)
        with pytest.raises(ValueError, match=rf"{name} ids are in \[5, 5\]; allowed are 0 to 1 and 255"):
            counts.counts()
    with pytest.raises(ValueError, match="shape"):
        ConfusionMatrix(2).update(paddle.to_tensor(good), good[:1])
