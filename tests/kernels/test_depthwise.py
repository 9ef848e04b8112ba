"""The depthwise convolution by OpenCV against Paddle's."""

from __future__ import annotations

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest

from paddleseg_lite.kernels import depthwise
from paddleseg_lite.kernels.depthwise import DepthwiseConv2D

CASES = [  # size, stride, dilation, (height, width)
    (3, 1, 1, (8, 12)),
    (5, 1, 1, (7, 9)),
    (3, 2, 1, (8, 12)),
    (5, 2, 1, (7, 9)),
    (3, 1, 2, (9, 10)),
    (5, 1, 4, (13, 30)),
    (5, 1, 4, (3, 2)),
    (5, 2, 2, (11, 8)),
    (3, 1, 1, (1, 1)),
    (1, 2, 1, (5, 4)),
]


def results(layer: DepthwiseConv2D, x: np.ndarray, by_paddle: bool) -> list[np.ndarray]:
    """Return the output and the gradients by input and weight of a weighted sum of it."""
    layer.clear_gradients()
    tensor = paddle.to_tensor(x, stop_gradient=False)
    y = paddle.nn.Conv2D.forward(layer, tensor) if by_paddle else layer(tensor)
    weights = paddle.to_tensor(np.random.default_rng(1).normal(size=y.shape).astype(x.dtype))
    (y * weights).sum().backward()
    return [y.numpy(), tensor.grad.numpy(), layer.weight.grad.numpy()]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("size", "stride", "dilation", "shape"), CASES)
def test_value_and_gradients_are_paddle_s(
    size: int, stride: int, dilation: int, shape: tuple[int, int], dtype: str
) -> None:
    """Every kind of block that MobileNetV3 has, at odd sizes and at some smaller than the kernel."""
    layer = DepthwiseConv2D(6, size, stride, dilation).to(dtype=dtype)
    x = np.random.default_rng(0).normal(size=(2, 6, *shape)).astype(dtype)
    tolerance = 1e-4 if dtype == "float32" else 1e-10
    for ours, expected in zip(results(layer, x, by_paddle=False), results(layer, x, by_paddle=True)):
        np.testing.assert_allclose(ours, expected, rtol=tolerance, atol=tolerance)


def test_blocks_and_threads_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of cores must not change what is learnt."""
    layer = DepthwiseConv2D(7, 5, 2)
    x = np.random.default_rng(0).normal(size=(2, 7, 12, 10)).astype(np.float32)
    expected = results(layer, x, by_paddle=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setattr(depthwise, "_BLOCK", 240)  # two channels
    for ours, other in zip(results(layer, x, by_paddle=False), expected):
        np.testing.assert_array_equal(ours, other)


def test_only_what_is_asked_for_gets_a_gradient() -> None:
    """A frozen kernel, and an image."""
    layer = DepthwiseConv2D(3, 3)
    layer.weight.stop_gradient = True
    x = paddle.ones([1, 3, 4, 4])
    x.stop_gradient = False
    layer(x).sum().backward()
    assert layer.weight.grad is None
    assert x.grad is not None
    layer.weight.stop_gradient = False
    layer(paddle.ones([1, 3, 4, 4])).sum().backward()
    assert layer.weight.grad is not None


def test_it_is_exported_as_a_convolution(tmp_path) -> None:
    """Other runtimes know nothing of ours."""
    layer = DepthwiseConv2D(3, 3)
    layer.eval()
    x = paddle.randn([1, 3, 6, 8])
    paddle.jit.save(layer, str(tmp_path / "layer"), [paddle.static.InputSpec([None, 3, None, None])])
    loaded = paddle.jit.load(str(tmp_path / "layer"))
    np.testing.assert_allclose(loaded(x).numpy(), F.conv2d(x, layer.weight, padding=1, groups=3), atol=1e-5)
