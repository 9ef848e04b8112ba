"""The gate of channels against the plain product."""

from __future__ import annotations

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest

from paddleseg_lite.kernels.gate import gated, global_average


@pytest.mark.parametrize("frozen", ["", "x", "bias"])
def test_values_and_gradients_are_those_of_a_product(frozen: str) -> None:
    """Gates that are closed and wide open among them; what is frozen gets none, which Paddle insists on."""
    results = []
    for average, product in (
        (global_average, gated),
        (lambda x: F.adaptive_avg_pool2d(x, 1), lambda x, gate: x * gate),
    ):
        x = paddle.to_tensor(np.random.default_rng(0).normal(size=(2, 16, 5, 6)).astype("float32"))
        bias = paddle.to_tensor(np.repeat(np.float32([-10, 10, 0, 1]), 4).reshape(1, 16, 1, 1))
        x.stop_gradient, bias.stop_gradient = frozen == "x", frozen == "bias"
        y = product(x, F.hardsigmoid(average(x) + bias, slope=0.2, offset=0.5))
        (y * y + y).sum().backward()
        assert (y.numpy()[:, :4] == 0).all()
        assert (x.grad is None, bias.grad is None) == (frozen == "x", frozen == "bias")
        results.append([y.numpy(), *(t.grad.numpy() for t in (x, bias) if t.grad is not None)])
    for ours, expected in zip(*results):
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)


def test_a_frozen_gate_scales_all_the_same() -> None:
    """It has no gradient of its own to give."""
    x = paddle.ones([1, 2, 3, 3])
    x.stop_gradient = False
    gated(x, paddle.full([1, 2, 1, 1], 0.5)).sum().backward()
    assert (x.grad.numpy() == 0.5).all()
