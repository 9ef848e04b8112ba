"""How rare classes are: weights for a loss."""

from __future__ import annotations

import numpy as np


def median_frequency(pixels: np.ndarray, context: np.ndarray) -> np.ndarray:
    """Return a weight for each class, float [K], by median frequency; 1 for a class that never occurs.

    The frequency of a class is its share of the labelled pixels in the images that hold it; the weight is the
    median of all frequencies over it (Eigen and Fergus 2015, arXiv 1411.4734).

    Args:
        pixels: int [K], of each class.
        context: int [K], labelled pixels of the images that hold the class.
    """
    occurs = pixels > 0
    if not occurs.any():
        return np.ones(len(pixels))
    frequency = np.divide(pixels, context, where=occurs, out=np.ones(len(pixels)))
    return np.where(occurs, np.median(frequency[occurs]) / frequency, 1.0)
