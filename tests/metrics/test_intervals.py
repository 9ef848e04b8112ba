"""Intervals by a bootstrap over images, against counts by hand and a loop written from the definition."""

from __future__ import annotations

import numpy as np
import pytest

from paddleseg_lite.metrics import scores
from paddleseg_lite.metrics.bootstrap import interval, resampled
from paddleseg_lite.metrics.confusion import confusion_matrix
from paddleseg_lite.metrics.intervals import Intervals
from paddleseg_lite.metrics.scores import MEANS, class_iou, known_mean
from tests.metrics.drawn import drawn, filled, seen

CLASSES = ("a", "b", "c", "d", "e")


def test_counts_of_an_image_by_hand():
    """Truth 0 0 0 1, prediction 0 0 1 1, an ignored pixel; what paired comparisons are made of."""
    metric = filled(Intervals(("a", "b")), [seen(3, [[0, 0, 1, 1, 1]], [[0, 0, 0, 1, 255]])])
    (image,) = metric.result()["images"]
    assert image == {
        "index": 3,
        "path": "3.png",
        "miou": pytest.approx((2 / 3 + 1 / 2) / 2),
        "right": [2, 1],
        "labelled": [3, 1],
        "predicted": [2, 2],
    }


def test_values_are_those_of_the_confusion_matrix():
    """An interval belongs to the number that the table shows."""
    images = drawn(6)
    result = filled(Intervals(CLASSES), images).result()
    matrix = sum(confusion_matrix(image.prediction, image.label, 5) for image in images)
    expected = scores(matrix, CLASSES)
    for key in MEANS:
        row = result[key]
        assert row["value"] == pytest.approx(getattr(expected, key), abs=1e-15)
        assert row["low"] < row["value"] < row["high"], key
    for name, value in zip(CLASSES, expected.class_iou):
        row = result["class_iou"][name]
        assert row["value"] == value
        assert row["low"] < value < row["high"]


def test_resampling_is_drawing_images_with_replacement():
    """The spread is that of a loop that draws images one by one, and so is the mean."""
    counts = filled(Intervals(CLASSES), drawn(8, size=(10, 15))).counts()
    found = known_mean(class_iou(resampled(counts, resamples=4000)))
    rng = np.random.default_rng(1)
    looped = [known_mean(class_iou(counts[rng.integers(0, 8, 8)].sum(axis=0))) for _ in range(4000)]
    assert found.mean() == pytest.approx(np.mean(looped), abs=0.1 * np.std(looped))
    assert found.std() == pytest.approx(np.std(looped), rel=0.06)
    np.testing.assert_allclose(
        interval(found, 8), np.quantile(looped, [0.025, 0.975]), atol=0.2 * np.std(looped)
    )


def test_equal_predictions_do_not_differ():
    """Two evaluations of the same images are drawn the same sets, so that their differences are paired."""
    counts = filled(Intervals(CLASSES), drawn(5)).counts()
    assert not (resampled(counts) - resampled(counts.copy())).any()
    better = counts.copy()
    better[:, 0] += 1
    assert (class_iou(resampled(better)) - class_iou(resampled(counts)) > 0).all()


def test_a_class_that_few_images_have():
    """Resamples without it say nothing of it, and their mIoU is over the others."""
    images = [seen(0, [[0, 0, 1]], [[0, 0, 1]]), *(seen(index, [[0]], [[0]]) for index in range(1, 9))]
    metric = filled(Intervals(("a", "b")), images)
    assert np.isnan(class_iou(resampled(metric.counts()))[:, 1]).any()
    result = metric.result()
    assert result["class_iou"]["a"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert result["miou"] == {"value": 1.0, "low": 1.0, "high": 1.0}


def test_one_image_has_no_interval():
    """All its resamples are alike, and an interval without width would look like certainty."""
    images = drawn(3, classes=4)
    odd = images[0]
    odd.label[:2, :3] = 4  # the last class is in the first image only
    result = filled(Intervals(CLASSES), images).result()
    assert result["class_iou"]["e"] == {"value": 0.0, "low": None, "high": None}
    assert result["class_iou"]["a"]["low"] is not None
    one = filled(Intervals(CLASSES), images[1:2])
    for row in (one.result()[key] for key in MEANS):
        assert row["value"] is not None
        assert (row["low"], row["high"]) == (None, None)
    assert any("of one image" in line for line in one.lines())
