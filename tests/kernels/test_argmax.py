"""The argmax over channels by OpenCV against NumPy's."""

from __future__ import annotations

import numpy as np
import paddle

from paddleseg_lite.kernels.argmax import argmax_classes


def test_labels_are_numpys() -> None:
    """The first of equals wins, infinities count, rows are in their place, with 256 classes as well."""
    rng = np.random.default_rng(0)
    logits = rng.integers(-3, 3, (2, 256, 70, 9)).astype(np.float32)
    logits[0, 5, 3, 3], logits[1, :, 0, 0] = np.inf, -np.inf
    labels = argmax_classes(paddle.to_tensor(logits))
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, logits.argmax(1))
