"""Resizing by matrix products against Paddle's."""

from __future__ import annotations

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest

from paddleseg_lite.errors import UserError
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


@pytest.mark.parametrize("size", [(0, 4), (4, 0)])
def test_nothing_is_resized_to_no_pixels(size):
    """A matrix of no rows would give an empty map, and the network a wrong result for a tiny image."""
    with pytest.raises(UserError, match=r"image is too small for this network, which resizes 7x5 to"):
        resize(paddle.zeros([1, 3, 5, 7]), size, align_corners=True)
