"""The k-th smallest, by NumPy and by histograms, against a sort."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from paddleseg_lite.kernels.kth_smallest import kth_by_histograms, kth_smallest


@pytest.mark.parametrize("k", [1, 17, 1000])
def test_the_kth_smallest_is_the_sorted_vectors(k: int) -> None:
    """Counted from 1, with ties, and the values themselves stay in their order."""
    values = np.random.default_rng(0).integers(0, 300, 1000).astype(np.float32)
    tensor = paddle.to_tensor(values)
    assert float(kth_smallest(tensor, k)) == np.sort(values)[k - 1]
    np.testing.assert_array_equal(tensor.numpy(), values)


def vectors() -> dict[str, np.ndarray]:
    """Return float32 vectors of probabilities, 3000 each, from 2^-8 on but for "small"."""
    rng = np.random.default_rng(0)
    uniform = rng.random(3000)
    return {
        "spread": 2**-8 + uniform * (1 - 2**-8),
        "ties": np.round(uniform * 20 + 1) / 21,
        "of one value": np.full(3000, 0.7),
        "almost 1": 1 - uniform * 1e-6,
        "neighbours": np.float32(0.7) + rng.integers(0, 5, 3000) * 2.0**-24,
        "edges of bins": rng.integers(1, 257, 3000) / 256,
        "with ignored": np.where(uniform < 0.5, 2.0, uniform),
        "small": uniform**9,
    }


@pytest.mark.parametrize("name", vectors())
def test_histograms_find_it_exactly(name: str) -> None:
    """Also among values that differ in their last bit, or lie where one bin ends and the next begins."""
    values = vectors()[name].astype(np.float32)
    ordered = np.sort(values)
    counted = int((values <= 1).sum())
    for k in (1, 2, 700, 1200, counted):
        found = float(kth_by_histograms(paddle.to_tensor(values), k))
        expected = float(ordered[k - 1])
        if expected >= 2**-8:
            assert found == expected, k
        else:
            assert 0 <= expected - found < 2**-32, k


def test_what_is_no_probability_is_not_counted() -> None:
    """NaN, and what stands for ignored pixels; too few that are left give no index out of range."""
    values = paddle.to_tensor([0.5, float("nan"), 0.25, 2.0, 1.0])
    assert [float(kth_by_histograms(values, k)) for k in (1, 2, 3)] == [0.25, 0.5, 1.0]
    assert 1 <= float(kth_by_histograms(values, 4)) < 1.01
