"""The argmax over channels by OpenCV against NumPy's."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from paddleseg_lite.kernels import argmax


def drawn() -> np.ndarray:
    """Logits of 256 classes with many ties, and infinities."""
    rng = np.random.default_rng(0)
    logits = rng.integers(-3, 3, (2, 256, 70, 9)).astype(np.float32)
    logits[0, 5, 3, 3], logits[1, :, 0, 0] = np.inf, -np.inf
    return logits


def test_labels_are_numpys() -> None:
    """The first of equals wins, infinities count, rows are in their place, with 256 classes as well."""
    logits = drawn()
    labels = argmax.argmax_classes(paddle.to_tensor(logits))
    assert isinstance(labels, np.ndarray)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, logits.argmax(1))


@pytest.mark.parametrize("most", [1 << 31, 0])
def test_a_device_has_them_too(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Also past what pooling can count; where nothing is a number the first class, and no id out of range."""
    monkeypatch.setattr(argmax, "_MOST_PLACES", most)
    monkeypatch.setattr("paddleseg_lite.kernels.memory.computes_here", lambda _: False)
    logits = drawn()
    labels = argmax.argmax_classes(paddle.to_tensor(logits))
    assert labels.dtype == paddle.uint8
    np.testing.assert_array_equal(labels.numpy(), logits.argmax(1))
    logits[1] = np.nan
    assert not argmax.argmax_classes(paddle.to_tensor(logits)).numpy()[1].any()
