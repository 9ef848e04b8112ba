"""Connected parts of an image of ids, all ids at once, by runs of equal pixels in a row."""

from __future__ import annotations

import numpy as np


def sized_runs(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where each run begins, and the pixels of the part that it belongs to, both int64 [runs].

    A run is a stretch of equal pixels in a row; runs follow each other row by row and cover the image. Runs
    of one id that touch, also at a corner, are of one part.

    Args:
        ids: integers [H, W].

    Returns:
        Places of the first pixels in the flattened image, and sizes.
    """
    height, width = ids.shape
    if not ids.size:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    begins = np.ones((height, width), bool)
    np.not_equal(ids[:, 1:], ids[:, :-1], out=begins[:, 1:])
    starts = np.flatnonzero(begins)
    lengths = run_lengths(starts, ids.size)
    one, other = _touching(starts, starts + lengths, width)
    values = ids.reshape(-1)[starts]
    is_joined = values[one] == values[other]
    parts = _joined(len(starts), one[is_joined], other[is_joined])
    return starts, np.bincount(parts, weights=lengths).astype(np.int64)[parts]


def run_lengths(starts: np.ndarray, size: int) -> np.ndarray:
    """Return the pixels of each run of an image of `size` pixels, int64 [runs]."""
    return np.diff(starts, append=size)


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
