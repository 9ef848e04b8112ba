"""Building blocks that several networks share."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import paddle
import paddle.nn as nn
import paddle.nn.functional as F
from paddle.autograd import PyLayer

from paddleseg_lite.kernels.bilinear import bilinear_neighbours
from paddleseg_lite.kernels.memory import computes_here
from paddleseg_lite.paddle_compat import epsilon, has_fixed_statistics


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
        self._conv = Conv2D(
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
        return relu_(self._batch_norm(self._conv(x)))


class Conv2D(nn.Conv2D):
    """nn.Conv2D whose bias is added row by row: the same values, in a quarter of Paddle's time on a CPU."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map [N, in_channels, H, W] to [N, out_channels, ...], as nn.Conv2D does."""
        if self.bias is None or not computes_here(x):
            return nn.Conv2D.forward(self, x)  # by name: Paddle 2.6 exports no method that says super()
        y = F.conv2d(x, self.weight, None, self._stride, self._updated_padding, self._dilation, self._groups)
        return (y.flatten(2) + self.bias.unsqueeze(-1)).reshape(y.shape)


def relu_(x: paddle.Tensor) -> paddle.Tensor:
    """Return ReLU(x) in x's own memory: for results that nothing else reads, such as a batch norm's."""
    return F.relu_(x) if paddle.in_dynamic_mode() else F.relu(x)


def norm_hardswish(norm: nn.BatchNorm2D, x: paddle.Tensor) -> paddle.Tensor:
    """Return hardswish(norm(x)); when training on a CPU, without keeping norm(x), which its gradient needs.

    It is computed again instead, which saves a seventh of the memory of LR-ASPP at output stride 8.
    """
    is_plain = type(norm) is nn.BatchNorm2D and not has_fixed_statistics(norm)
    if is_plain and norm.training and not x.stop_gradient and computes_here(x):
        return _NormHardswish.apply(x, norm.weight, norm.bias, norm)
    return F.hardswish(norm(x))


class _NormHardswish(PyLayer):
    """The two as one operation; its backward pass begins with their forward pass."""

    @staticmethod
    def forward(
        ctx: Any, x: paddle.Tensor, weight: paddle.Tensor, bias: paddle.Tensor, norm: nn.BatchNorm2D
    ) -> paddle.Tensor:
        ctx.save_for_backward(x, weight, bias)
        ctx.frozen = [tensor.stop_gradient for tensor in (x, weight, bias)]
        ctx.epsilon = epsilon(norm)
        return F.hardswish(norm(x))

    @staticmethod
    def backward(ctx: Any, gradient: paddle.Tensor) -> Any:
        """Return the gradients by x, weight and bias, None for what is frozen."""
        inputs = [tensor.detach() for tensor in ctx.saved_tensor()]
        for tensor, frozen in zip(inputs, ctx.frozen):
            tensor.stop_gradient = frozen
        x, weight, bias = inputs
        unused = (
            paddle.zeros([x.shape[1]]),
            paddle.ones([x.shape[1]]),
        )  # running statistics: updated once only
        with paddle.enable_grad():
            y = F.batch_norm(x, *unused, weight, bias, training=True, epsilon=ctx.epsilon)
            y = F.hardswish(y)
        # Not paddle.grad: called by another paddle.grad, Paddle crashes.
        paddle.autograd.backward([y], [gradient])
        return tuple(tensor.grad for tensor in inputs)


# Up to this height a resize by matrix products is faster on a CPU than Paddle's own (2.2 times, forward
# and backward, from 20x40 to 160x320).
_MATRIX_ROWS = 128


def resize(x: paddle.Tensor, size: Any, align_corners: bool, mode: Any = "bilinear") -> paddle.Tensor:
    """Resize the maps of x [N, C, H, W] to `size` (height, width).

    `size` may be a slice of another tensor's shape, which keeps an exported network's sizes dynamic.
    """
    if mode == "bilinear" and _prefers_matrices(x):
        rows = _bilinear_matrix(int(x.shape[2]), int(size[0]), align_corners)  # [height, H]
        columns = _bilinear_matrix(int(x.shape[3]), int(size[1]), align_corners)  # [width, W]
        return paddle.matmul(rows, paddle.matmul(x, columns, transpose_y=True))
    return F.interpolate(x, size=size, mode=mode, align_corners=align_corners)


def _prefers_matrices(x: paddle.Tensor) -> bool:
    return (
        paddle.in_dynamic_mode()
        and x.place.is_cpu_place()
        and x.dtype == paddle.float32
        and x.shape[2] <= _MATRIX_ROWS
    )


@functools.lru_cache(maxsize=256)
def _bilinear_matrix(source: int, target: int, align_corners: bool) -> paddle.Tensor:
    """Return the weights [target, source] by which one axis is interpolated, two in each row."""
    before, after, part = bilinear_neighbours(source, target, align_corners)
    matrix = np.zeros((target, source), np.float32)
    np.add.at(matrix, (np.arange(target), before), 1 - part)
    np.add.at(matrix, (np.arange(target), after), part)
    return paddle.to_tensor(matrix, place=paddle.CPUPlace())
