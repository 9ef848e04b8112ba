"""The calibration error, by hand and by a loop over pixels."""

from __future__ import annotations

import numpy as np
import pytest

from paddleseg_lite.kernels.confidence import probability_into
from paddleseg_lite.metrics.calibration import Calibration
from tests.metrics.drawn import drawn, filled, seen

CLASSES = ("a", "b", "c", "d", "e")


def test_calibration_by_hand() -> None:
    """Three pixels in the last of 15 bins, two of them right, and one in the 8th, wrong; one is ignored."""
    label, guess = [[0, 1, 1, 0, 255]], [[0, 1, 0, 1, 0]]
    result = filled(Calibration(CLASSES), [seen(0, guess, label, [[0.95, 1.0, 0.96, 0.5, 0.2]])]).result()
    last, eighth = 2.91 / 3, 0.5
    assert result["ece"] == pytest.approx(3 / 4 * (last - 2 / 3) + 1 / 4 * eighth)
    assert (result["accuracy"], result["confidence"]) == (0.5, pytest.approx(3.41 / 4))
    filled_bins = {index: row for index, row in enumerate(result["bins"]) if row["pixels"]}
    assert filled_bins == {
        7: {"low": 7 / 15, "high": 8 / 15, "pixels": 1, "confidence": 0.5, "accuracy": 0.0},
        14: {"low": 14 / 15, "high": 1.0, "pixels": 3, "confidence": pytest.approx(last), "accuracy": 2 / 3},
    }
    assert result["bins"][0]["accuracy"] is None


def test_a_bin_has_its_upper_bound() -> None:
    """(0.2, 0.2667] and not [0.2, 0.2667); 0 itself, which no softmax gives, is in the first."""
    result = filled(Calibration(CLASSES), [seen(0, [[0, 0, 0]], [[0, 0, 0]], [[0.2, 0.201, 0]])]).result()
    assert [row["pixels"] for row in result["bins"][:5]] == [1, 0, 1, 1, 0]


def test_calibration_by_its_definition() -> None:
    """Bin by bin over all pixels of several images."""
    images = drawn(4)
    label, guess, sure = (
        np.concatenate([getattr(image, name).ravel() for image in images])
        for name in ("label", "prediction", "confidence")
    )
    sure, right = sure[label != 255].astype(float), (label == guess)[label != 255]
    error = 0.0
    for index in range(15):
        inside = (sure > index / 15) & (sure <= (index + 1) / 15)
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - sure[inside].mean())
    assert filled(Calibration(CLASSES), images).result()["ece"] == pytest.approx(error, abs=1e-9)


@pytest.mark.parametrize("scale", [0.0, 1.0, 50.0])
def test_confidence_is_the_largest_probability_of_a_softmax(scale: float) -> None:
    """As by float64, for logits that are equal, usual and extreme, in any strides; they stay as they are."""
    logits = (np.random.default_rng(0).normal(size=(7, 33, 41)) * scale).astype(np.float32)
    powers = np.exp(logits.astype(float) - logits.max(axis=0))
    expected = (powers / powers.sum(axis=0)).max(axis=0)
    before = logits.copy()
    for values in (logits, np.asfortranarray(logits)):
        found = np.empty((33, 41), np.float32)
        probability_into(values, values.max(axis=0), found)
        np.testing.assert_allclose(found, expected, rtol=2e-6)
    np.testing.assert_array_equal(logits, before)
    assert expected.max() <= 1


def test_an_image_without_confidence_is_refused() -> None:
    """Whoever feeds the metric himself is told what it lacks."""
    with pytest.raises(ValueError, match=r"0\.png comes without a confidence"):
        Calibration(CLASSES).update(seen(0, [[0]], [[0]]))
