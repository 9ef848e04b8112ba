"""How sure a network is of the class that it chooses: the largest probability of a softmax."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from paddleseg_lite.kernels.threads import in_strips

if TYPE_CHECKING:
    from paddle import Tensor


def largest_probability(logits: np.ndarray | Tensor) -> np.ndarray | Tensor:
    """Return softmax(logits, axis=0).max(axis=0), float32 [C, H, W] to float32 [H, W] in (0, 1].

    Of a tensor on a device a tensor there.
    """
    if not isinstance(logits, np.ndarray):
        return 1 / (logits - logits.max(axis=0)).exp().sum(axis=0)
    result = np.empty(logits.shape[1:], np.float32)

    def measure(start: int, stop: int) -> None:
        # The softmax of the maximum m is exp(m - m) / sum(exp(x - m)).
        strip = logits[:, start:stop]
        strip = strip - strip.max(axis=0)
        np.divide(1, np.exp(strip, out=strip).sum(axis=0), out=result[start:stop])

    in_strips(measure, logits.shape[1])
    return result
