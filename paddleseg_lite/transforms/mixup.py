"""What is done to a whole batch of labelled images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from paddleseg_lite.registry import BATCH_TRANSFORMS
from paddleseg_lite.transforms.arguments import number

# (images float32 [N, C, H, W], which it changes in place, labels, generator) -> labels
BatchTransform = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]


@BATCH_TRANSFORMS.register
class MixupOperator:
    """Mixup (Zhang et al. 2018, arXiv 1710.09412): each image becomes one part itself, and one part another.

    The part is one for the batch, drawn from Beta(alpha, alpha); the others are the batch in another order.

    Args:
        alpha: above 0; the smaller, the more often the part is near 0 or 1.
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = number("MixupOperator", "alpha", alpha, 1e-6)

    def __call__(self, images: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Mix images float32 [N, C, H, W] in place.

        Args:
            images: of a batch.
            labels: int64 [N], classes.
            rng: all randomness comes from it.

        Returns:
            float32 [N, 3]: own class, the other's, and the own part, as CELoss takes them.
        """
        part = np.float32(rng.beta(self.alpha, self.alpha))
        order = rng.permutation(len(images))
        others = images[order]
        images *= part
        others *= 1 - part
        images += others
        return np.stack([labels, labels[order], np.full(len(labels), part)], axis=1).astype(np.float32)
