"""Logits that are enlarged strip by strip, when somebody asks for them.

At 2048x1024 and 19 classes the logits of one image are 160 MB, and once a network is fast, enlarging them
and taking the best class costs as much as the network. Here strips of rows are worked on in parallel, and the
full map exists only if it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Union

import cv2
import numpy as np

from paddleseg_lite.kernels.argmax import argmax_into
from paddleseg_lite.kernels.bilinear_grid import bilinear_neighbours
from paddleseg_lite.kernels.confidence import probability_into
from paddleseg_lite.kernels.threads import in_strips

Size = tuple[int, int]


class Dense:
    """Logits that are there in full, [C, H, W]; `held` counts the values kept in memory."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.shape, self.held = array, array.shape, array.size

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Return rows [C, stop - start, W], a view: do not write into it."""
        return self.array[:, start:stop]

    def absorb(self, other: LogitMap) -> bool:
        """Add an array of the same shape; False, and nothing done, if it cannot."""
        if not isinstance(other, Dense) or other.shape != self.shape or not self.array.flags.writeable:
            return False
        self.array += other.array
        return True


class Resized:
    """A map as a bilinear resize shows it.

    Args:
        source: the map to resize.
        size: (height, width).
        align_corners: whether the corners' centres stay in place, or the corners themselves (as everywhere
            in PaddleSeg's evaluation).
    """

    def __init__(self, source: LogitMap, size: Size, align_corners: bool = False) -> None:
        self.source, self._size = source, size
        channels, height, width = source.shape
        self.shape: tuple[int, ...] = (channels, *size)
        self.held: int = source.held
        self._align = align_corners
        self._top, self._bottom, self._row_part = bilinear_neighbours(height, size[0], align_corners)
        self._left, self._right, part = bilinear_neighbours(width, size[1], align_corners)
        self._column_part = part.astype(np.float32)

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Resize the part of the source that these rows show."""
        first, last = int(self._top[start]), int(self._bottom[stop - 1]) + 1
        wide = self._widen(self.source.rows(first, last))  # [C, k, W]
        result = np.empty((wide.shape[0], stop - start, wide.shape[2]), np.float32)
        for row in range(start, stop):
            above, below = wide[:, self._top[row] - first], wide[:, self._bottom[row] - first]
            part = float(self._row_part[row])
            cv2.addWeighted(above, 1 - part, below, part, 0, dst=result[:, row - start])
        return result

    def absorb(self, other: LogitMap) -> bool:
        """Add a map that is resized in the same way: the resize of a sum is the sum of the resizes."""
        if not isinstance(other, Resized) or (other._size, other._align) != (self._size, self._align):
            return False
        return self.source.absorb(other.source)

    def _widen(self, rows: np.ndarray) -> np.ndarray:
        """Resize rows [C, k, w] along their length, to [C, k, W]."""
        channels, count, width = rows.shape
        if width == self._size[1]:
            return np.ascontiguousarray(rows)
        if not self._align:  # cv2's grid; twice as fast as the general case below
            flat = np.ascontiguousarray(rows).reshape(channels * count, width)
            return cv2.resize(flat, (self._size[1], len(flat))).reshape(channels, count, -1)
        wide = rows.take(self._right, axis=2)
        left = rows.take(self._left, axis=2)
        wide -= left
        wide *= self._column_part
        wide += left
        return wide


LogitMap = Union[Dense, Resized]


class Mean:
    """The mean of maps of one size. What is held in full is added up at once, what is coarse is kept."""

    def __init__(self) -> None:
        self._coarse: list[LogitMap] = []
        self._total: np.ndarray | None = None
        self._count = 0
        self.shape: tuple[int, ...] = (0, 0, 0)

    def add(self, logits: LogitMap) -> None:
        """Take one more map; an array in it may be overwritten."""
        self.shape = logits.shape
        self._count += 1
        if 4 * logits.held <= int(np.prod(logits.shape)):
            if not any(part.absorb(logits) for part in self._coarse):
                self._coarse.append(logits)
        elif self._total is None:
            self._total = to_array(logits)
        else:
            add_into(self._total, logits)

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Return the mean of these rows."""
        parts = [part.rows(start, stop) for part in self._coarse]
        if self._total is not None:
            parts.append(self._total[:, start:stop])
        if self._count == 1:
            return parts[0]
        total = parts[0] + parts[1] if len(parts) > 1 else parts[0].copy()
        for part in parts[2:]:
            total += part
        total *= np.float32(1 / self._count)
        return total


def to_array(logits: LogitMap | Mean) -> np.ndarray:
    """Return all of a map, [C, H, W]; the array itself if there is one."""
    if isinstance(logits, Dense) and logits.array.flags.c_contiguous and logits.array.flags.writeable:
        return logits.array
    result = np.empty(logits.shape, np.float32)

    def copy(start: int, stop: int) -> None:
        result[:, start:stop] = logits.rows(start, stop)

    in_strips(copy, logits.shape[1])
    return result


def add_into(total: np.ndarray, logits: LogitMap) -> None:
    """Add a map to an array [C, H, W] in place."""

    def add(start: int, stop: int) -> None:
        total[:, start:stop] += logits.rows(start, stop)

    in_strips(add, logits.shape[1])


def best_classes(logits: LogitMap | Mean) -> np.ndarray:
    """Return the class of the highest logit, the first of equals, uint8 [H, W]; up to 256 classes."""
    labels = np.empty(logits.shape[1:], np.uint8)

    def choose(start: int, stop: int) -> None:
        argmax_into(logits.rows(start, stop), labels[start:stop])

    in_strips(choose, logits.shape[1])
    return labels


def best_with_confidence(logits: LogitMap | Mean) -> tuple[np.ndarray, np.ndarray]:
    """Return `best_classes` and their probabilities by a softmax, float32 [H, W]."""
    labels, confidence = np.empty(logits.shape[1:], np.uint8), np.empty(logits.shape[1:], np.float32)

    def choose(start: int, stop: int) -> None:
        rows = logits.rows(start, stop)
        highest = argmax_into(rows, labels[start:stop])
        probability_into(rows, highest, confidence[start:stop])

    in_strips(choose, logits.shape[1])
    return labels, confidence


def stacked(maps: Sequence[LogitMap | Mean]) -> np.ndarray:
    """Return maps of one size in full, [N, C, H, W]."""
    if len(maps) == 1:
        return to_array(maps[0])[None]
    return np.stack([to_array(logits) for logits in maps])
