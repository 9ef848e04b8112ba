"""Resizing by matrix products against Paddle's."""

from __future__ import annotations

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest

from paddleseg_lite.kernels.resize import resize


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize(
    ("source", "target"),
    [((5, 7), (40, 56)), ((13, 17), (33, 51)), ((40, 56), (5, 7)), ((1, 1), (9, 8)), ((9, 9), (1, 1))],
)
def test_resize_is_paddles(source, target, align_corners):
    """Enlarging, shrinking, odd ratios, single pixels."""
    rng = np.random.default_rng(0)
    x = paddle.to_tensor(rng.standard_normal((2, 3, *source)).astype("float32"), stop_gradient=False)
    weight = paddle.to_tensor(rng.standard_normal((2, 3, *target)).astype("float32"))
    results = []
    for resized in (
        resize(x, target, align_corners),
        F.interpolate(x, size=target, mode="bilinear", align_corners=align_corners),
    ):
        (resized * weight).sum().backward()
        results.append((resized.numpy(), x.grad.numpy().copy()))
        x.clear_grad()
    for ours, paddles in zip(*results):
        np.testing.assert_allclose(ours, paddles, atol=5e-5)
