"""Counting by histograms: exact, however large the image."""

from __future__ import annotations

import numpy as np

from paddleseg_lite.metrics.counting import count_pairs


def test_counts_are_exact_beyond_what_a_float32_holds() -> None:
    """OpenCV's histograms are float32; pixels that are left out and ids too large do not count."""
    ids = np.zeros((4101, 4101), np.uint8)
    where = np.ones(ids.shape, bool)
    assert count_pairs(None, ids, 1, 2, where).tolist() == [[4101 * 4101, 0]]
    ids[0, :5] = (1, 1, 2, 255, 1)
    where[0, 0] = False
    assert count_pairs(None, ids, 1, 2, where).tolist() == [[4101 * 4101 - 5, 2]]


def test_pairs_by_hand() -> None:
    """Rows are regions, columns ids."""
    regions, ids = np.array([[0, 1, 1], [2, 1, 0]], np.uint8), np.array([[3, 0, 0], [1, 3, 3]], np.uint8)
    counts = count_pairs(regions, ids, 3, 4, np.ones((2, 3), bool))
    assert counts.tolist() == [[0, 0, 0, 2], [2, 0, 0, 1], [0, 1, 0, 0]]
