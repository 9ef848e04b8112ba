"""Building blocks that several networks share."""

from __future__ import annotations

from typing import Any

import paddle.nn as nn
from paddle import Tensor

from paddleseg_lite.kernels.batch_norm import norm_relu
from paddleseg_lite.kernels.convolution import conv2d


class Conv2D(nn.Conv2D):
    """Convolution that keeps the size at stride 1.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: k, odd; the padding is (k - 1) / 2 x dilation.
        stride: stride, both ways.
        dilation: dilation, both ways.
        groups: in_channels for a depthwise convolution.
        bias: whether there is one.
        weight_attr: of the kernels, as for nn.Conv2D.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        weight_attr: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=(kernel_size - 1) // 2 * dilation,
            dilation=dilation,
            groups=groups,
            weight_attr=weight_attr,
            bias_attr=None if bias else False,
        )
        self.stride, self.dilation, self.groups = stride, dilation, groups

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, in_channels, H, W] to [N, out_channels, ceil(H / stride), ceil(W / stride)]."""
        # F.conv2d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)
        return conv2d(x, self.weight, self.bias, self.stride, self.dilation, self.groups)


class ConvBNReLU(nn.Layer):
    """Convolution that keeps the size at stride 1, batch normalisation, ReLU.

    The sub-layers' names are those of the released weights (`_conv`, `_batch_norm`).

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: an odd side length.
        stride: stride of the convolution.
        bias: whether the convolution has a bias of its own, redundant before BN but present in
            some released weights.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, bias: bool = True
    ) -> None:
        super().__init__()
        self._conv = Conv2D(in_channels, out_channels, kernel_size, stride, bias=bias)
        self._batch_norm = nn.BatchNorm2D(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, in_channels, H, W] to [N, out_channels, ceil(H / stride), ceil(W / stride)]."""
        return norm_relu(self._batch_norm, self._conv(x))  # F.relu(self._batch_norm(self._conv(x)))
