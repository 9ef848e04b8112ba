"""How sure a network is of the class that it chooses: the largest probability of a softmax."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from paddleseg_lite.kernels.threads import in_strips

if TYPE_CHECKING:
    from paddle import Tensor

_ROWS = 8  # at a time: of 19 classes and 2048 columns they stay in a core's cache


def largest_probability(logits: np.ndarray | Tensor) -> np.ndarray | Tensor:
    """Return softmax(logits, axis=0).max(axis=0), float32 [C, H, W] to float32 [H, W] in (0, 1].

    Of a tensor on a device a tensor there. cv2's exp takes a fifth of NumPy's time and is right to 1e-6.
    """
    if not isinstance(logits, np.ndarray):
        return 1 / (logits - logits.max(axis=0)).exp().sum(axis=0)
    classes, height, width = logits.shape
    result = np.empty((height, width), np.float32)

    def measure(start: int, stop: int) -> None:
        for top in range(start, stop, _ROWS):
            rows = np.array(logits[:, top : min(top + _ROWS, stop)], np.float32, order="C")
            rows -= rows.max(axis=0)
            # The softmax of the maximum m is exp(m - m) / sum(exp(x - m)).
            powers = cv2.exp(rows.reshape(classes, -1)).reshape(rows.shape)
            np.divide(1, powers.sum(axis=0), out=result[top : top + rows.shape[1]])

    in_strips(measure, height)
    return result
