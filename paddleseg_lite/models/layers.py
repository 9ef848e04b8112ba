"""Building blocks that several networks share."""

from __future__ import annotations

from typing import Any

import paddle
import paddle.nn as nn
import paddle.nn.functional as F


class ConvBNReLU(nn.Layer):
    """Convolution that keeps the size at stride 1, batch normalisation, ReLU.

    The sub-layers' names are those of the released weights (`_conv`, `_batch_norm`).

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: an odd side length; padding is (kernel_size - 1) / 2.
        stride: stride of the convolution.
        bias: whether the convolution has a bias of its own, redundant before BN but present in
            some released weights.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, bias: bool = True
    ) -> None:
        super().__init__()
        self._conv = nn.Conv2D(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=kernel_size // 2,
            bias_attr=None if bias else False,
        )
        self._batch_norm = nn.BatchNorm2D(out_channels)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map [N, in_channels, H, W] to [N, out_channels, ceil(H / stride), ceil(W / stride)]."""
        return F.relu(self._batch_norm(self._conv(x)))


def resize(x: paddle.Tensor, size: Any, align_corners: bool, mode: Any = "bilinear") -> paddle.Tensor:
    """Resize the maps of x [N, C, H, W] to `size` (height, width).

    `size` may be a slice of another tensor's shape, which keeps an exported network's sizes dynamic.
    """
    return F.interpolate(x, size=size, mode=mode, align_corners=align_corners)
