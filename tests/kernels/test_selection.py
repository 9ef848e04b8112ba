"""The k-th smallest against a sort."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from paddleseg_lite.kernels.selection import kth_smallest


@pytest.mark.parametrize("k", [1, 17, 1000])
def test_it_is_the_sorted_vectors(k: int) -> None:
    """Counted from 1, with ties, and the values themselves stay in their order."""
    values = np.random.default_rng(0).integers(0, 300, 1000).astype(np.float32)
    tensor = paddle.to_tensor(values)
    assert float(kth_smallest(tensor, k)) == np.sort(values)[k - 1]
    np.testing.assert_array_equal(tensor.numpy(), values)
