"""How far scores would move with other images: resampling of a set, seeded (Efron 1979)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

RESAMPLES, SEED = 1000, 0
_CHUNK = 1 << 22  # weights in memory at a time


def resampled(counts: np.ndarray, resamples: int = RESAMPLES, seed: int = SEED) -> np.ndarray:
    """Return the counts of sets of N images that are drawn from N with replacement.

    Args:
        counts: [N, 3, K] of whole numbers: of each image and class the pixels that are right, labelled and
            predicted, as `intervals.ImageCounts` has them.
        resamples: how many sets.
        seed: of the draws; it draws the same images from two evaluations, which pairs them.

    Returns:
        [resamples, 3, K] float64.
    """
    found = [np.tensordot(weights, counts, 1) for weights in _weights(len(counts), resamples, seed)]
    return np.concatenate(found) if found else np.empty((0, *counts.shape[1:]))


def images_of_classes(counts: np.ndarray) -> np.ndarray:
    """Return how many images have anything of each class, int [K], of counts [N, 3, K]."""
    return (counts > 0).any(axis=1).sum(axis=0)


def interval(samples: np.ndarray, images: int, level: float = 0.95) -> tuple[float, float]:
    """Return the bounds between which the middle `level` of samples lie; NaN count as none.

    Args:
        samples: of a number that was resampled, [resamples].
        images: how many have anything to do with it. Of one image all resamples are alike, which says
            nothing of other images: the bounds are NaN.
        level: in (0, 1).
    """
    known = samples[~np.isnan(samples)]
    if images < 2 or not known.size:
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _weights(images: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Yield how often each image is in each set, float64 [sets, images], a part of the sets at a time."""
    rng = np.random.default_rng(seed)
    at_once = max(1, _CHUNK // max(images, 1))
    for start in range(0, resamples if images else 0, at_once):
        sets = min(at_once, resamples - start)
        yield rng.multinomial(images, np.full(images, 1 / images), sets).astype(np.float64)
