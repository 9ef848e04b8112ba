"""Weights of rare classes, worked out by hand."""

from __future__ import annotations

import numpy as np

from paddleseg_lite.datasets.class_weights import median_frequency


def test_median_frequency():
    """Shares of 1/2, 1/4 and 1/8 have the median 1/4; a class that never occurs has weight 1."""
    weights = median_frequency(np.array([50, 25, 0, 5]), np.array([100, 100, 0, 40]))
    assert weights.tolist() == [0.5, 1.0, 1.0, 2.0]
    assert median_frequency(np.zeros(2, int), np.zeros(2, int)).tolist() == [1.0, 1.0]
