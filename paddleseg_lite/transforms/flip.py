"""Transforms that mirror an image."""

from __future__ import annotations

import numpy as np

from paddleseg_lite.registry import TRANSFORMS
from paddleseg_lite.transforms.arguments import number
from paddleseg_lite.transforms.base import GeometricTransform
from paddleseg_lite.transforms.window import Window


@TRANSFORMS.register
class RandomHorizontalFlip(GeometricTransform):
    """Mirror left and right with probability `prob`."""

    def __init__(self, prob: float = 0.5) -> None:
        self.prob = number("RandomHorizontalFlip", "prob", prob, 0, 1)

    def plan(self, window: Window, rng: np.random.Generator) -> Window:
        return window.flip_horizontal() if rng.random() < self.prob else window


@TRANSFORMS.register
class RandomVerticalFlip(GeometricTransform):
    """Mirror top and bottom with probability `prob`."""

    def __init__(self, prob: float = 0.1) -> None:
        self.prob = number("RandomVerticalFlip", "prob", prob, 0, 1)

    def plan(self, window: Window, rng: np.random.Generator) -> Window:
        return window.flip_vertical() if rng.random() < self.prob else window
