"""Counting by histograms: exact, however large the image."""

from __future__ import annotations

import numpy as np
import pytest

from paddleseg_lite.metrics.confusion import confusion_matrix
from paddleseg_lite.metrics.counting import BANDS, class_counts, confusion_by_band, histogram
from tests.metrics.drawn import drawn


def test_counts_are_exact_beyond_what_a_float32_holds() -> None:
    """OpenCV's histograms are float32; pixels that are left out and ids too large do not count."""
    ids = np.zeros((4101, 4101), np.uint8)
    where = np.ones(ids.shape, bool)
    assert histogram([ids], [2], where).tolist() == [4101 * 4101, 0]
    ids[0, :5] = (1, 1, 2, 255, 1)
    where[0, 0] = False
    assert histogram([ids], [2], where).tolist() == [4101 * 4101 - 5, 2]


def test_pairs_by_hand() -> None:
    """An axis for each image, in their order."""
    regions, ids = np.array([[0, 1, 1], [2, 1, 0]], np.uint8), np.array([[3, 0, 0], [1, 3, 3]], np.uint8)
    counts = histogram([regions, ids], [3, 4], np.ones((2, 3), bool))
    assert counts.tolist() == [[0, 0, 0, 2], [2, 0, 0, 1], [0, 1, 0, 0]]
    both = histogram([regions, ids, ids[::-1]], [3, 4, 4], ids > 0)
    assert np.argwhere(both).tolist() == [[0, 3, 0], [0, 3, 1], [1, 3, 0], [2, 1, 3]]


def test_nothing_to_count() -> None:
    """An image may have no pixels."""
    nothing = np.zeros((0, 5), np.uint8)
    assert histogram([nothing, nothing], [2, 3], nothing.view(bool)).tolist() == [[0] * 3] * 2


@pytest.mark.parametrize("height", [1, 9, 10, 47])
def test_bands_cover_an_image_of_any_height(height: int) -> None:
    """Every pixel is in one band, which are as high as each other but for a row, and the first at the top."""
    (image,) = drawn(1, 5, (height, 30))
    bands = confusion_by_band(image, 5, 255)
    np.testing.assert_array_equal(bands.sum(axis=0), confusion_matrix(image.prediction, image.label, 5))
    rows = np.arange(height) * BANDS // height
    for band, counts in enumerate(bands):
        own = rows == band
        expected = confusion_matrix(image.prediction[own], image.label[own], 5)
        np.testing.assert_array_equal(counts, expected)


def test_counts_of_classes_are_those_of_a_matrix() -> None:
    """Right on the diagonal, labelled in the rows, predicted in the columns; of many matrices at once."""
    matrix = np.array([[5, 2], [1, 7]])
    assert class_counts(np.stack([matrix, 10 * matrix])).tolist() == [
        [[5, 7], [7, 8], [6, 9]],
        [[50, 70], [70, 80], [60, 90]],
    ]
