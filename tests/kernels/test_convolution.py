"""Convolutions by OpenCV, and their biases, against Paddle's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest

from paddleseg_lite.kernels import depthwise, threads
from paddleseg_lite.kernels.convolution import conv2d
from paddleseg_lite.models.blocks import Conv2D

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


def results(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, by_paddle: bool, **settings: int
) -> list[np.ndarray]:
    """Return the output of a convolution and the gradients of a weighted sum of it."""
    arrays = [x, weight] + ([] if bias is None else [bias])
    tensors = [paddle.to_tensor(array, stop_gradient=False) for array in arrays]
    if by_paddle:
        padding = (weight.shape[-1] - 1) // 2 * settings.get("dilation", 1)
        y = F.conv2d(*tensors, padding=padding, **settings)
    else:
        y = conv2d(*tensors, **settings)
    weights = paddle.to_tensor(np.random.default_rng(1).normal(size=y.shape).astype(x.dtype))
    (y * weights).sum().backward()
    return [y.numpy(), *(tensor.grad.numpy() for tensor in tensors)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("size", "stride", "dilation", "shape"), CASES)
@pytest.mark.parametrize("is_depthwise", [True, False])
@pytest.mark.parametrize("has_bias", [True, False])
def test_value_and_gradients_are_paddles(
    has_bias: bool, is_depthwise: bool, size: int, stride: int, dilation: int, shape: tuple, dtype: str
) -> None:
    """Every kind of block that MobileNetV3 has, at odd sizes and at some smaller than the kernel."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 6, *shape)).astype(dtype)
    weight = rng.normal(size=(6, 1 if is_depthwise else 6, size, size)).astype(dtype)
    bias = rng.normal(size=6).astype(dtype) if has_bias else None
    settings = {"stride": stride, "dilation": dilation, "groups": 6 if is_depthwise else 1}
    ours, paddles = (results(x, weight, bias, by_paddle, **settings) for by_paddle in (False, True))
    tolerance = 1e-4 if dtype == "float32" else 1e-10
    for found, expected in zip(ours, paddles):
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def test_blocks_and_threads_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of cores must not change what is learnt."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 7, 12, 10)).astype(np.float32)
    weight = rng.normal(size=(7, 1, 5, 5)).astype(np.float32)
    expected = results(x, weight, None, by_paddle=False, stride=2, groups=7)
    monkeypatch.setattr(threads, "thread_count", lambda: 3)
    monkeypatch.setattr(depthwise, "_BLOCK", 240)  # two channels
    for ours, other in zip(results(x, weight, None, by_paddle=False, stride=2, groups=7), expected):
        np.testing.assert_array_equal(ours, other)


@pytest.mark.parametrize("frozen", [0, 1])
def test_only_what_is_asked_for_gets_a_gradient(frozen: int) -> None:
    """An image, or a frozen kernel."""
    tensors = [paddle.ones([1, 3, 4, 4]), paddle.ones([3, 1, 3, 3])]
    tensors[1 - frozen].stop_gradient = False
    conv2d(*tensors, groups=3).sum().backward()
    assert tensors[frozen].grad is None
    assert tensors[1 - frozen].grad is not None


def test_it_is_exported_as_a_convolution(tmp_path: Path) -> None:
    """Other runtimes know nothing of ours."""
    layer = Conv2D(3, 3, 3, groups=3)
    layer.eval()
    x = paddle.randn([1, 3, 6, 8])
    paddle.jit.save(layer, str(tmp_path / "layer"), [paddle.static.InputSpec([None, 3, None, None])])
    loaded = paddle.jit.load(str(tmp_path / "layer"))
    expected = F.conv2d(x, layer.weight, layer.bias, padding=1, groups=3)
    np.testing.assert_allclose(loaded(x).numpy(), expected, atol=1e-5)
