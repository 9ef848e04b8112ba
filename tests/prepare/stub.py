"""A source of annotations without a format: images on disk, labels from a function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from paddleseg_lite.annotations.source import UNLABELED, Finding, Item, Source
from paddleseg_lite.errors import UserError

SIZE = (48, 64)  # height, width


def stripes(name: str) -> np.ndarray:
    """A label, int16 [H, W]: class 0 above, class 1 in the middle, and below what nobody annotated."""
    label = np.full(SIZE, UNLABELED, np.int16)
    label[:16] = 0
    label[16 : 24 + 8 * (len(name) % 2)] = 1
    return label


@dataclass
class StubSource(Source):
    """Images in a folder, with labels as a function says."""

    folder: Path
    names: Sequence[str]
    label_of: Callable[[str], np.ndarray] = stripes
    classes: tuple[str, ...] = ("leaf", "stem")
    palette: np.ndarray | None = None
    splits: dict[str, str] | None = None
    format: str = "labelme"
    bare: Sequence[str] = ()  # without annotation
    bad: Sequence[str] = ()  # that cannot be used
    findings: list[Finding] = field(default_factory=list)
    ending: str = ".png"

    def __post_init__(self) -> None:
        self.items = [
            Item(name, self.folder / f"{name}.json", name not in self.bare) for name in sorted(self.names)
        ]
        for number, name in enumerate(self.names):
            path = self.folder / f"{name}{self.ending}"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(cv2.imencode(self.ending, picture(number))[1].tobytes())

    def image_file(self, item: Item) -> Path:
        return self.folder / f"{item.name}{self.ending}"

    def label(self, item: Item) -> np.ndarray:
        if item.name in self.bad:
            raise UserError(f"{item.path} is damaged; mend it")
        return self.label_of(item.name)


def picture(number: int) -> np.ndarray:
    """Pictures that do not look alike, uint8 [H, W, 3]."""
    coarse = np.random.default_rng(number).integers(0, 256, (6, 8, 3), np.uint8)
    return cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_NEAREST)
