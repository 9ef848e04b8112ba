"""Small data sets on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from paddleseg_lite.datasets import Dataset
from paddleseg_lite.transforms.base import TransformLike


def write_pairs(folder: Path, count: int = 5, size: tuple[int, int] = (24, 32), classes: int = 4) -> Path:
    """Write PNG pairs of a smooth image and a label, and list.txt; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    height, width = size
    y, x = np.mgrid[:height, :width]
    lines = []
    for index in range(count):
        image = np.dstack([x * 4 + index, y * 5, x + y]).astype(np.uint8)
        label = ((x // 5 + y // 4 + index) % classes).astype(np.uint8)
        label[0, 0] = 255
        cv2.imwrite(str(folder / f"image{index}.png"), image)
        cv2.imwrite(str(folder / f"label{index}.png"), label)
        lines.append(f"image{index}.png label{index}.png")
    (folder / "list.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def dataset(
    folder: Path,
    transforms: Sequence[TransformLike] = (),
    mode: str = "train",
    num_classes: int = 4,
    **options: Any,
) -> Dataset:
    """Return the data set of `write_pairs`, in any mode."""
    return Dataset(transforms, str(folder), num_classes, mode, **{f"{mode}_path": "list.txt", **options})
