"""How far scores would move with other images: resampling of a set, seeded (Efron 1979)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from paddleseg_lite.metrics.scores import ratio

RESAMPLES, SEED = 1000, 0
_CHUNK = 1 << 22  # weights in memory at a time


def resampled(counts: np.ndarray, resamples: int = RESAMPLES, seed: int = SEED) -> np.ndarray:
    """Return the IoU of each class in sets of N images that are drawn from N with replacement.

    Args:
        counts: [N, 3, K] of whole numbers: of each image and class the pixels that are right, labelled and
            predicted, as `intervals.ImageCounts` has them.
        resamples: how many sets.
        seed: of the draws; it draws the same images from two evaluations, which pairs them.

    Returns:
        [resamples, K] float64; NaN where a set has nothing of a class.
    """
    found = [
        class_iou(np.tensordot(weights, counts, 1)) for weights in _weights(len(counts), resamples, seed)
    ]
    return np.concatenate(found) if found else np.empty((0, counts.shape[2]))


def class_iou(counts: np.ndarray) -> np.ndarray:
    """Return the IoU [..., K] of counts [..., 3, K]: right, labelled, predicted."""
    right, labelled, predicted = np.moveaxis(counts, -2, 0)
    return ratio(right, labelled + predicted - right)


def mean_iou(iou: np.ndarray) -> np.ndarray:
    """Return the means [...] of IoU [..., K] over the classes that have one; NaN where none has."""
    known = ~np.isnan(iou)
    return ratio(np.where(known, iou, 0).sum(axis=-1), known.sum(axis=-1))


def interval(samples: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Return the bounds between which the middle `level` of samples lie; NaN count as none."""
    known = samples[~np.isnan(samples)]
    if not known.size:
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
