"""A data set and a network that train within seconds, and how a GPU rounds."""

from __future__ import annotations

import numpy as np
import paddle
from paddle import nn

from paddleseg_lite.datasets.base import SegmentationDataset
from paddleseg_lite.datasets.info import checked_info
from paddleseg_lite.transforms import Normalize, RandomHorizontalFlip, Resize


class Squares(SegmentationDataset):
    """Images with a bright square on a dark ground, drawn on demand: class 1 is the square."""

    def __init__(
        self, mode: str, length: int = 6, sizes: tuple[int, ...] = (32,), resize: bool = False
    ) -> None:
        transforms = [Resize([24, 24])] if resize else []
        transforms += [RandomHorizontalFlip()] if mode == "train" else []
        pairs = [(f"{mode}_{index}.png", "label.png") for index in range(length)]
        info = checked_info(2, classes=("ground", "square"))
        super().__init__([*transforms, Normalize()], pairs, info, mode)
        self.sizes = sizes
        self.reader = self.draw

    def draw(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(index)
        size = self.sizes[index % len(self.sizes)]
        label = np.zeros((size, size), np.uint8)
        top, left = rng.integers(0, size // 2, 2)
        label[top : top + size // 2, left : left + size // 2] = 1
        image = np.where(label[..., None] == 1, 200, 60) + rng.integers(-20, 20, (size, size, 3))
        label[0] = 255
        return image.astype(np.uint8), label


class PixelNet(nn.Layer):
    """Two convolutions and batch normalisation: learns squares within a few iterations."""

    def __init__(self, num_classes: int = 2) -> None:
        super().__init__()
        self.conv = nn.Conv2D(3, 8, 3, padding=1)
        self.bn = nn.BatchNorm2D(8)
        self.head = nn.Conv2D(8, num_classes, 1)

    def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        return [self.head(nn.functional.relu(self.bn(self.conv(x))))]


def tf32(x: paddle.Tensor) -> paddle.Tensor:
    """Return a tensor's values rounded to mantissas of 10 bits, as tensor cores take them."""
    bits = x.numpy().view(np.uint32)
    return paddle.to_tensor(((bits + 0x1000) & 0xFFFFE000).view(np.float32))
