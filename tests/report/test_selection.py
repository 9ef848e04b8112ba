"""Which images and places a report shows."""

from __future__ import annotations

import numpy as np
import pytest

from paddleseg_lite.report.gallery import SIDE, Gallery, shrunk
from paddleseg_lite.report.selection import densest_window, same_part, worst_confusions, worst_median_best
from tests.report.made import CLASSES, observations


def test_worst_median_and_best_are_taken_by_score() -> None:
    """What a reader takes for the median must not be an arbitrary image."""
    scores = dict(enumerate([0.9, 0.1, 0.5, None, 0.4, 0.6, 0.2, 0.8]))
    assert worst_median_best(scores, 2) == {"worst": [1, 6], "median": [4, 2], "best": [0, 7]}


@pytest.mark.parametrize("images", range(8))
def test_few_images_are_shown_once_each(images: int) -> None:
    """A set of 0, 1 or 4 images has no three groups of two."""
    found = worst_median_best({index: index / 10 for index in range(images)}, 2)
    shown = [index for group in found.values() for index in group]
    assert sorted(shown) == sorted(set(shown))
    assert len(shown) == min(images, 6)


def test_the_worst_confusion_is_found_in_the_image_with_most_of_it() -> None:
    """The crop of another image would not show what the matrix says."""
    gallery, matrix = Gallery(CLASSES), np.zeros((len(CLASSES), len(CLASSES)), np.int64)
    for seen in observations(3):
        gallery.update(seen)
    matrix[4, 5], matrix[4, 4], matrix[6, 6], matrix[7, 6] = 60, 40, 100, 0
    (worst,) = worst_confusions(matrix, gallery, 3, 2)
    assert (worst.truth, worst.prediction, worst.share, worst.pixels) == (4, 5, 0.6, 60)
    counts = {}
    for index, kept in gallery.images.items():
        truth, prediction = kept.maps()
        counts[index] = int(((truth == 4) & (prediction == 5)).sum())
    assert worst.images[0] == max(counts, key=lambda index: counts[index])


def test_the_densest_window_holds_the_spot() -> None:
    """Also at the edge, where a window centered on the spot would leave the image."""
    mask = np.zeros((300, 600), bool)
    mask[290:, 590:] = True
    mask[20, 20] = True
    part = densest_window(mask)
    assert mask[part].shape == (100, 200)
    assert mask[part].sum() == 100


@pytest.mark.parametrize("shape", [(40, 50), (1, 1), (3, 2000)])
def test_a_small_image_has_a_window_too(shape: tuple[int, int]) -> None:
    """A third of a tiny image would show nothing."""
    found = np.ones(shape, bool)[densest_window(np.ones(shape, bool))]
    assert all(min(whole, 64) <= side <= whole for side, whole in zip(found.shape, shape))


def test_the_same_part_of_a_larger_picture() -> None:
    """The photograph of a crop must show the place that its maps show."""
    large = np.arange(40 * 80).reshape(40, 80)
    part = (slice(5, 10), slice(4, 12))
    assert same_part(large, part, (20, 40)).tolist() == large[10:20, 8:24].tolist()


def test_maps_come_back_as_they_went_in_and_large_ones_scaled() -> None:
    """Memory must stay bounded at 2048x1024, and ids must never be blended."""
    (seen,) = observations(1)
    gallery = Gallery(CLASSES)
    gallery.update(seen)
    truth, prediction = gallery.images[0].maps()
    np.testing.assert_array_equal(truth, seen.label)
    np.testing.assert_array_equal(prediction, seen.prediction)
    ids = np.random.default_rng(0).choice([3, 200], (1024, 2048)).astype(np.uint8)
    small = shrunk(ids)
    assert small.shape == (SIDE // 2, SIDE)
    assert set(np.unique(small)) == {3, 200}


def test_ranks_together_keep_what_one_would() -> None:
    """Each rank sees a share of the images."""
    seen, whole, parts = observations(4), Gallery(CLASSES), [Gallery(CLASSES), Gallery(CLASSES)]
    for one in seen:
        whole.update(one)
        parts[one.index % 2].update(one)
    parts[0].merge(parts[1])
    assert parts[0].images == whole.images
