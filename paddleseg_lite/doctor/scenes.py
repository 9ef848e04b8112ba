"""Images that are made, not read: what the checks train and evaluate on."""

from __future__ import annotations

import numpy as np

from paddleseg_lite.datasets.base import SegmentationDataset
from paddleseg_lite.datasets.info import checked_info
from paddleseg_lite.transforms import Normalize, RandomHorizontalFlip

CLASSES = 19
_IGNORED_ROWS = 4


class MadeScenes(SegmentationDataset):
    """Boxes before a ground, each class in a color of its own with noise; the first rows are ignored.

    Args:
        mode: "train" or "val".
        size: (width, height) of the images.
        length: how many there are.
    """

    def __init__(self, mode: str, size: tuple[int, int], length: int = 8) -> None:
        flip = [RandomHorizontalFlip()] if mode == "train" else []
        pairs = [(f"made_{mode}_{index}.png", "made.png") for index in range(length)]
        super().__init__([*flip, Normalize()], pairs, checked_info(CLASSES), mode)
        self._scenes = [_scene(index, size) for index in range(length)]  # once: a GPU would wait for them
        self.reader = self._scenes.__getitem__


def _scene(seed: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return an image, uint8 [H, W, 3], and its label, uint8 [H, W]."""
    width, height = size
    colors = np.random.default_rng(0).integers(30, 220, (CLASSES, 3))
    rng = np.random.default_rng(seed)
    label = np.zeros((height, width), np.uint8)
    for _ in range(40):
        top, left = rng.integers(0, (height, width))
        label[top : top + height // 4, left : left + width // 4] = rng.integers(CLASSES)
    image = colors[label] + rng.integers(-30, 30, (height, width, 3))
    label[:_IGNORED_ROWS] = 255
    return image.astype(np.uint8), label
