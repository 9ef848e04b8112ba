"""What protects the comparison with the live network: it finds what differs, and not what rounding does."""

from __future__ import annotations

import numpy as np
import pytest

from paddleseg_lite.deploy.verify import difference, live_logits, verify
from paddleseg_lite.errors import UserError


def test_a_difference_is_found(model):
    """Each kind of output is told apart from a wrong one; a tie may go either way."""
    images = np.random.default_rng(0).standard_normal((1, 3, 8, 8)).astype(np.float32)
    logits = live_logits(model, images)
    assert difference(logits, logits + 0.1 * logits.std(), "none") == pytest.approx(0.1, rel=1e-2)
    assert difference(logits, logits.argmin(1), "argmax") > 0.1
    assert difference(logits, np.full_like(logits, 0.5), "softmax") > 0.01
    assert difference(np.zeros_like(logits), np.ones((1, 8, 8), np.int32), "argmax") == 0
    with pytest.raises(UserError, match="differs from the live network"):
        verify(model, lambda image: live_logits(model, image) * 1.1, [images], "none", "the export")
    with pytest.raises(UserError, match="differs"):
        verify(model, lambda image: live_logits(model, image) * np.nan, [images], "none", "the export")


def test_noise_is_judged_by_its_mean_and_its_outliers():
    """A few pixels may be off by rounding in a resize's weights; many, or one by much, may not."""
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((1, 2, 100, 100)).astype(np.float32)
    few = logits.copy()
    few[0, 0, 0, :10] += 5e-3
    assert difference(logits, few, "none") > 4e-3
    assert difference(logits, few, "none", of_noise=True) < 1e-3
    few[0, 0, 0, 0] += 0.1
    assert difference(logits, few, "none", of_noise=True) > 1e-3
    assert difference(logits, logits + 2e-3, "none", of_noise=True) > 1e-3
