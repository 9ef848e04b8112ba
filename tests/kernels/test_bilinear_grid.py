"""The coordinates of a bilinear resize against Paddle's."""

from __future__ import annotations

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest

from paddleseg_lite.kernels.bilinear_grid import bilinear_neighbours


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize(("source", "target"), [(5, 40), (13, 33), (40, 7), (1, 9), (9, 1), (6, 6)])
def test_values_are_paddles(source: int, target: int, align_corners: bool) -> None:
    """Enlarging, shrinking, odd ratios, single values."""
    row = np.random.default_rng(0).standard_normal(source).astype(np.float32)
    image = paddle.to_tensor(np.tile(row, (1, 1, 3, 1)))
    expected = F.interpolate(image, (3, target), mode="bilinear", align_corners=align_corners)[0, 0, 0]
    before, after, part = bilinear_neighbours(source, target, align_corners)
    np.testing.assert_allclose(row[before] * (1 - part) + row[after] * part, expected, atol=1e-5)
