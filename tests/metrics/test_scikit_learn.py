"""The same numbers as scikit-learn's, which knows nothing of images."""

from __future__ import annotations

import numpy as np
import pytest

from paddleseg_lite.metrics import Metrics, confusion_matrix, make_metrics, scores
from tests.metrics.drawn import drawn, filled

sklearn = pytest.importorskip("sklearn.metrics", reason="needs scikit-learn, of the extra dev")
calibration = pytest.importorskip("sklearn.calibration", reason="needs scikit-learn, of the extra dev")
CLASSES = ("a", "b", "c", "d", "e", "absent")
IDS = range(len(CLASSES))
KNOWN = range(len(CLASSES) - 1)  # scikit-learn gives 0 to a class that is nowhere


@pytest.fixture(scope="module")
def pixels() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, prediction and confidence of the pixels of several images that count."""
    images = drawn(3, len(KNOWN))
    valid = np.concatenate([image.label.ravel() != 255 for image in images])
    truth, guess, sure = (
        np.concatenate([getattr(image, name).ravel() for image in images])[valid]
        for name in ("label", "prediction", "confidence")
    )
    return truth, guess, sure


@pytest.fixture(scope="module")
def found() -> Metrics:
    """The scores of the same images, ignored pixels and all."""
    images = drawn(3, len(KNOWN))
    counts = sum(confusion_matrix(image.prediction, image.label, len(CLASSES)) for image in images)
    return scores(counts, CLASSES)


def test_the_matrix(pixels: tuple, found: Metrics) -> None:
    """Rows are the truth for both."""
    truth, guess, _ = pixels
    np.testing.assert_array_equal(found.confusion, sklearn.confusion_matrix(truth, guess, labels=IDS))


def test_scores_of_classes(pixels: tuple, found: Metrics) -> None:
    """Precision, recall, F1 and IoU, which is Jaccard's index."""
    truth, guess, _ = pixels
    expected = sklearn.precision_recall_fscore_support(truth, guess, labels=KNOWN)
    own = (found.class_precision, found.class_recall, found.class_f1, found.support)
    for values, others in zip(own, expected):
        np.testing.assert_allclose(values[: len(KNOWN)], others, rtol=1e-12)
    iou = sklearn.jaccard_score(truth, guess, labels=KNOWN, average=None)
    np.testing.assert_allclose(found.class_iou[: len(KNOWN)], iou, rtol=1e-12)


def test_scores_of_all(pixels: tuple, found: Metrics) -> None:
    """Means are over the classes that there are."""
    truth, guess, _ = pixels
    expected = {
        "miou": sklearn.jaccard_score(truth, guess, average="macro"),
        "accuracy": sklearn.accuracy_score(truth, guess),
        "mean_accuracy": sklearn.balanced_accuracy_score(truth, guess),
        "frequency_weighted_iou": sklearn.jaccard_score(truth, guess, average="weighted"),
        "kappa": sklearn.cohen_kappa_score(truth, guess),
    }
    for name, value in expected.items():
        assert getattr(found, name) == pytest.approx(value, rel=1e-12), name


def test_the_reliability_curve(pixels: tuple) -> None:
    """By bins, and the calibration error made of scikit-learn's curve."""
    truth, guess, sure = pixels
    (metric,) = make_metrics(["calibration"], CLASSES)
    result = filled(metric, drawn(3, len(KNOWN))).result()
    accuracy, confidence = calibration.calibration_curve(truth == guess, sure, n_bins=15)
    rows = [row for row in result["bins"] if row["pixels"]]
    np.testing.assert_allclose([row["accuracy"] for row in rows], accuracy, rtol=1e-12)
    np.testing.assert_allclose([row["confidence"] for row in rows], confidence, rtol=1e-6)
    weights = np.array([row["pixels"] for row in rows]) / len(truth)
    assert result["ece"] == pytest.approx(np.dot(weights, np.abs(accuracy - confidence)), rel=1e-6)
