"""Connected parts of an image of ids, all ids at once, by runs of equal pixels in a row."""

from __future__ import annotations

import numpy as np


def component_sizes(ids: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the size of the part that each run belongs to, and each run's length, both int64 [runs].

    A run is a stretch of equal pixels in a row; runs follow each other row by row and cover the image. Runs
    of one id that touch, also at a corner, are of one part.

    Args:
        ids: uint8 [H, W].
        valid: bool [H, W]; the other pixels are as of an id of their own.
    """
    height, width = ids.shape
    if not ids.size:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    values = np.where(valid, ids, np.int16(-1))
    begins = np.ones((height, width), bool)
    np.not_equal(values[:, 1:], values[:, :-1], out=begins[:, 1:])
    starts = np.flatnonzero(begins)
    ends = np.append(starts[1:], ids.size)  # exclusive
    one, other = _touching(starts, ends, width)
    same = values.reshape(-1)[starts]
    is_joined = same[one] == same[other]
    parts = _joined(len(starts), one[is_joined], other[is_joined])
    lengths = ends - starts
    return np.bincount(parts, weights=lengths).astype(np.int64)[parts], lengths


def _touching(starts: np.ndarray, ends: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of a run and one in the next row that it touches, as two arrays of numbers of runs."""
    row_end = (starts // width + 2) * width  # of the next row; the last one has none, and no run there
    # One pixel more on each side for the corners, but not beyond the next row.
    low = np.maximum(starts + width - 1, row_end - width)
    high = np.minimum(ends + width + 1, row_end)
    first = np.searchsorted(ends, low, side="right")
    count = np.searchsorted(starts, high, side="left") - first
    one = np.repeat(np.arange(len(starts)), count)
    step = np.arange(len(one)) - np.repeat(np.cumsum(count) - count, count)
    return one, np.repeat(first, count) + step


def _joined(count: int, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the smallest number of the part that each of `count` things belongs to, joined by pairs."""
    parent = np.arange(count)
    while len(one):
        low, high = np.minimum(parent[one], parent[other]), np.maximum(parent[one], parent[other])
        apart = low != high
        one, other = one[apart], other[apart]
        np.minimum.at(parent, high[apart], low[apart])
        while (parent[parent] != parent).any():
            parent = parent[parent]
    return parent
