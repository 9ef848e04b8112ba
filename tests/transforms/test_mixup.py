"""Mixup by its statistics, and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from paddleseg_lite.errors import UserError
from paddleseg_lite.transforms import MixupOperator


def test_images_and_labels_are_mixed_alike() -> None:
    """Image i is all i: what is left of it tells its partner and the part, which the label must say too."""
    images = np.arange(5, dtype=np.float32)[:, None, None, None] * np.ones((5, 3, 2, 4), np.float32)
    labels = np.array([7, 0, 999, 3, 1], np.int64)
    mixed = MixupOperator(alpha=1.0)(images, labels, np.random.default_rng(3))
    assert (mixed.shape, mixed.dtype, images.dtype) == ((5, 3), np.float32, np.float32)
    np.testing.assert_array_equal(mixed[:, 0], labels)
    assert sorted(mixed[:, 1]) == sorted(labels)
    assert len(set(mixed[:, 2])) == 1
    assert 0 < mixed[0, 2] < 1
    partners = [list(labels).index(label) for label in mixed[:, 1]]
    for index, (partner, part) in enumerate(zip(partners, mixed[:, 2])):
        np.testing.assert_allclose(images[index], part * index + (1 - part) * partner, rtol=1e-6)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_the_part_is_of_the_beta_distribution(alpha: float) -> None:
    """Mean 1/2 and variance 1 / (4 (2 alpha + 1)); each batch draws anew."""
    mix, rng = MixupOperator(alpha), np.random.default_rng(0)
    parts = [mix(np.zeros((2, 1, 1, 1), np.float32), np.zeros(2, np.int64), rng)[0, 2] for _ in range(4000)]
    assert np.mean(parts) == pytest.approx(0.5, abs=0.02)
    assert np.var(parts) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.06)


@pytest.mark.parametrize("alpha", [0, -1, "0.2", True])
def test_an_alpha_that_is_no_positive_number(alpha: object) -> None:
    """Beta has none; text is not run as code."""
    with pytest.raises(UserError, match="MixupOperator: alpha must be a number"):
        MixupOperator(alpha)  # type: ignore[arg-type]
