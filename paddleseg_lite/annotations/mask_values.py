"""What is in a mask's file: ids or colors."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from paddleseg_lite.datasets.check.pair import MAX_COLORS, count_colors
from paddleseg_lite.datasets.reading.images import read_bytes, read_stored_label
from paddleseg_lite.datasets.reading.png import png_palette
from paddleseg_lite.errors import UserError

IDS, COLORS = "ids", "colors"  # what a mask is of
_GRAY = 0x010101  # times a gray level is its color
_MAX_IDS = 1000  # more are no classes: depths, or objects
_MANY_LEVELS = 16  # of gray between black and white, which few pixels have: a blurred edge


@dataclass
class MaskFacts:
    """What is in one mask; colors are 0xRRGGBB."""

    kind: str = ""  # IDS, COLORS, or "" if it could not be read
    values: Counter[int] = field(default_factory=Counter)  # pixels of each id or color, of at most MAX_COLORS
    palette: dict[int, int] = field(default_factory=dict)  # {id: color}
    is_one_channel: bool = False
    is_jpeg: bool = False
    error: str = ""

    @property
    def colors(self) -> Counter[int]:
        """Pixels of each color; a gray level is one, too."""
        if self.kind == COLORS:
            return self.values
        found: Counter[int] = Counter()
        for value, count in self.values.items():
            found[self.palette.get(value, min(value, 255) * _GRAY)] += count
        return found

    @property
    def is_plain_ids(self) -> bool:
        """Whether its values can't be meant as colors."""
        return (
            self.kind == IDS and self.is_one_channel and not self.palette and not {0, 255} >= set(self.values)
        )

    @property
    def is_blurred(self) -> bool:
        """Whether its edges are smoothed, or it is a photograph."""
        if self.kind == COLORS:
            return len(self.values) >= MAX_COLORS
        between = self.values.keys() - {0, 255}
        few = sum(self.values[value] for value in between) < 0.2 * sum(self.values.values())
        return len(between) > _MANY_LEVELS and max(between) > 127 and few and {0, 255} <= self.values.keys()


def inspect_mask(path: Path) -> MaskFacts:
    """Look through a mask; what is wrong with it is in `error`."""
    try:
        return _inspected(path)
    except UserError as error:
        return MaskFacts(error=str(error))


def mask_values(path: Path, kind: str) -> np.ndarray:
    """Return the ids of a mask, or its colors as 0xRRGGBB, int [H, W].

    Raises:
        UserError: it cannot be read, or ids are wanted of colors.
    """
    stored = _stored(path)
    if kind == COLORS:
        blue, green, red = np.moveaxis(_colored(stored, path).astype(np.int32), 2, 0)
        return red << 16 | green << 8 | blue
    if not _is_gray(stored):
        raise UserError(f"{path} has colors, but the other masks have ids; export it as they are")
    return stored if stored.ndim == 2 else stored[..., 0]


def _inspected(path: Path) -> MaskFacts:
    stored, data = _stored(path), read_bytes(path)
    facts = MaskFacts(is_one_channel=stored.ndim == 2, is_jpeg=data[:2] == b"\xff\xd8")
    palette = png_palette(data)
    if palette is not None:
        red, green, blue = palette.T.astype(int)
        facts.palette = dict(enumerate((red << 16 | green << 8 | blue).tolist()))
    if _is_gray(stored):
        facts.kind = IDS
        found, counts = np.unique(stored if stored.ndim == 2 else stored[..., 0], return_counts=True)
        if len(found) > _MAX_IDS:
            raise UserError(f"{path}: {len(found)} different ids, which are no classes; export class ids")
        facts.values = Counter(dict(zip(found.astype(int).tolist(), counts.tolist())))
    else:
        facts.kind = COLORS
        colors = count_colors(stored)
        facts.values = Counter({packed(color): count for color, count in colors.items()})
    return facts


def packed(color: tuple[int, int, int]) -> int:
    """Return a color as 0xRRGGBB."""
    return color[0] << 16 | color[1] << 8 | color[2]


def unpacked(color: int) -> tuple[int, int, int]:
    """Return (R, G, B) of 0xRRGGBB."""
    return color >> 16, color >> 8 & 255, color & 255


def _stored(path: Path) -> np.ndarray:
    """Return a mask as it is stored: whole numbers [H, W], or uint8 [H, W, 3] BGR without transparency."""
    stored = read_stored_label(path)
    if stored.ndim == 3:
        stored = stored[..., 0] if stored.shape[2] in (1, 2) else stored[..., : min(3, stored.shape[2])]
    is_known = stored.ndim == 2 or (stored.ndim == 3 and stored.dtype == np.uint8)
    if not is_known or stored.dtype.kind not in "biu" or not stored.size:
        raise UserError(
            f"{path}: an array of shape {stored.shape} and type {stored.dtype}; a mask has an id, or a color "
            "of 8 bits a channel, for each pixel; export it as PNG"
        )
    return stored


def _is_gray(stored: np.ndarray) -> bool:
    return stored.ndim == 2 or bool((stored == stored[..., :1]).all())


def _colored(stored: np.ndarray, path: Path) -> np.ndarray:
    """Return BGR colors, uint8 [H, W, 3], of what `_stored` gives."""
    if stored.ndim == 3:
        return stored
    table = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    palette = png_palette(read_bytes(path))
    if palette is not None:
        table[: len(palette)] = palette[:, ::-1]
    return table[stored.clip(0, 255).astype(np.uint8)]
