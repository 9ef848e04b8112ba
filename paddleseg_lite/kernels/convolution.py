"""Convolution on a CPU: depthwise by OpenCV, the bias row by row."""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import Tensor

from paddleseg_lite.kernels.depthwise import DepthwiseFilter
from paddleseg_lite.kernels.memory import computes_here


def conv2d(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, dilation: int = 1, groups: int = 1
) -> Tensor:
    """Return F.conv2d with the padding that keeps the size at stride 1.

    Args:
        x: [N, C, H, W], any float type.
        weight: [out, C / groups, k, k], k odd.
        bias: [out] or None.
        stride, dilation: both ways.
        groups: C for a depthwise convolution, one kernel for each channel.

    Returns:
        [N, out, ceil(H / stride), ceil(W / stride)].
    """
    padding = (weight.shape[-1] - 1) // 2 * dilation
    if not computes_here(x):
        return F.conv2d(x, weight, bias, stride, padding, dilation, groups)
    is_depthwise = 1 < groups == x.shape[1] == weight.shape[0]
    if is_depthwise and x.dtype in (paddle.float32, paddle.float64):
        y = DepthwiseFilter.apply(x, weight, stride, dilation)
    else:
        y = F.conv2d(x, weight, None, stride, padding, dilation, groups)
    # The same values as Paddle's broadcast over [1, out, 1, 1], in a quarter of its time.
    return y if bias is None else (y.flatten(2) + bias.unsqueeze(-1)).reshape(y.shape)
