"""Batch norm and activation in one must be what Paddle's layers compute one after the other."""

from __future__ import annotations

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest
from paddle import nn

from paddleseg_lite.kernels.batch_norm import norm_hardswish, norm_relu


def test_relu_in_place_leaves_the_gradients_alone() -> None:
    """Batch norm's gradient does not need the result that is overwritten."""
    results = []
    for forward in (norm_relu, lambda norm, x: F.relu(norm(x))):
        paddle.seed(0)
        norm, x = nn.BatchNorm2D(3), paddle.randn([2, 3, 6, 7])
        x.stop_gradient = False
        forward(norm, x).square().sum().backward()
        results.append([t.grad.numpy() for t in (x, norm.weight, norm.bias)])
    for ours, expected in zip(*results):
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("frozen", [False, True])
def test_hardswish_computed_again_changes_nothing(frozen: bool) -> None:
    """Values, gradients and running statistics are those of the two layers, bit for bit; frozen, too."""
    results = []
    for forward in (norm_hardswish, lambda norm, x: F.hardswish(norm(x))):
        paddle.seed(0)
        norm = nn.BatchNorm2D(4)
        norm.weight.set_value(paddle.rand([4]))
        norm.weight.stop_gradient = norm.bias.stop_gradient = frozen
        x = paddle.randn([2, 4, 6, 7]) * 3
        x.stop_gradient = False
        y = forward(norm, x)
        (y * y).sum().backward()
        assert (norm.weight.grad is None) == frozen
        found = [y, x.grad, norm._mean, norm._variance]
        found += [] if frozen else [norm.weight.grad, norm.bias.grad]
        results.append([tensor.numpy() for tensor in found])
    for ours, expected in zip(*results):
        np.testing.assert_array_equal(ours, expected)


def test_frozen_statistics_stay_frozen() -> None:
    """With use_global_stats the gradient is that of a fixed scale, not of a batch's normalisation."""
    norm = nn.BatchNorm2D(4, use_global_stats=True)
    gradients = []
    for forward in (norm_hardswish, lambda norm, x: F.hardswish(norm(x))):
        paddle.seed(0)
        x = paddle.randn([2, 4, 6, 7]) * 3
        x.stop_gradient = False
        (forward(norm, x) ** 2).sum().backward()
        gradients.append(x.grad.numpy())
    np.testing.assert_array_equal(*gradients)
