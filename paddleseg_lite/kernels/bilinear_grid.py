"""Where a bilinear resize reads, along one axis; without Paddle."""

from __future__ import annotations

import numpy as np


def bilinear_neighbours(
    source: int, target: int, align_corners: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what each of `target` values is interpolated from, as Paddle's `interpolate` does it.

    Args:
        source: how many values there are, at least 1.
        target: how many there are to be.
        align_corners: whether the outermost values stay in place, or the outer borders of their pixels.

    Returns:
        Two neighbours, integers [target] in [0, source), and the second one's weight, float64 [target] in
        [0, 1]; the first one's is the rest.
    """
    places = np.arange(target, dtype=np.float64)
    if align_corners:
        places *= (source - 1) / max(target - 1, 1)
    elif target > 1:  # a single value is the first one
        places = (places + 0.5) * (source / target) - 0.5
    places = places.clip(0, source - 1)
    before = places.astype(np.int64)
    return before, np.minimum(before + 1, source - 1), places - before
