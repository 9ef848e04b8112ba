"""Small data sets on disk."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


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
