"""The blocks that several networks share."""

from __future__ import annotations

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest

from paddleseg_lite.models.blocks import Conv2D, ConvBNReLU
from paddleseg_lite.models.mobilenetv3 import ConvBN


@pytest.mark.parametrize("arguments", [(1,), (3, 2), (3, 1, 2), (5, 2, 2, 6, False)])
def test_a_convolution_keeps_the_size(arguments: tuple) -> None:
    """At stride 1, with any kernel and dilation; a stride divides it, rounding up; odd sizes, too."""
    layer = Conv2D(6, 6, *arguments)
    stride = layer.stride
    assert layer(paddle.randn([2, 6, 9, 8])).shape == [2, 6, -(-9 // stride), -(-8 // stride)]
    assert (layer.bias is None) == (False in arguments)


def test_conv_bn_relu_is_the_three_in_this_order() -> None:
    """By the names of the released weights."""
    block = ConvBNReLU(3, 4, 3, stride=2)
    x = paddle.randn([2, 3, 6, 7])
    expected = F.relu(block._batch_norm(F.conv2d(x, block._conv.weight, block._conv.bias, 2, 1)))
    np.testing.assert_allclose(block(x).numpy(), expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_conv_bn_dilates_whatever_its_groups(groups: int) -> None:
    """A dilation that only depthwise convolutions obeyed would change a network's field of view silently."""
    block = ConvBN(6, 6, 3, stride=2, dilation=2, groups=groups).eval()
    x = paddle.randn([1, 6, 9, 11])
    expected = block.bn(F.conv2d(x, block.conv.weight, None, 2, padding=2, dilation=2, groups=groups))
    np.testing.assert_allclose(block(x).numpy(), expected.numpy(), atol=1e-5)
