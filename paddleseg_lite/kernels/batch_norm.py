"""Batch normalisation and the activation behind it, in less memory."""

from __future__ import annotations

from typing import Any

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn
from paddle.autograd import PyLayer

from paddleseg_lite.kernels.memory import computes_here
from paddleseg_lite.paddle_compat import epsilon, has_fixed_statistics


def norm_relu(norm: nn.BatchNorm2D, x: Tensor) -> Tensor:
    """Return F.relu(norm(x)) for x [N, C, H, W]; in place, as the gradients of neither need norm(x)."""
    return F.relu_(norm(x)) if paddle.in_dynamic_mode() else F.relu(norm(x))


def norm_hardswish(norm: nn.BatchNorm2D, x: Tensor) -> Tensor:
    """Return F.hardswish(norm(x)) for x [N, C, H, W]; to train on a CPU, without keeping norm(x).

    Hardswish's gradient needs it; it is computed again, which saves a seventh of the memory of LR-ASPP at
    output stride 8.
    """
    is_plain = type(norm) is nn.BatchNorm2D and not has_fixed_statistics(norm)
    if is_plain and norm.training and not x.stop_gradient and computes_here(x):
        return _NormHardswish.apply(x, norm.weight, norm.bias, norm)
    return F.hardswish(norm(x))


class _NormHardswish(PyLayer):
    """The two as one operation; its backward pass begins with their forward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, norm: nn.BatchNorm2D) -> Tensor:
        ctx.save_for_backward(x, weight, bias)
        ctx.frozen = [tensor.stop_gradient for tensor in (x, weight, bias)]
        ctx.epsilon = epsilon(norm)
        return F.hardswish(norm(x))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        """Return the gradients by x, weight and bias, None for what is frozen."""
        inputs = [tensor.detach() for tensor in ctx.saved_tensor()]
        for tensor, frozen in zip(inputs, ctx.frozen):
            tensor.stop_gradient = frozen
        x, weight, bias = inputs
        # The running statistics are updated once, in forward; these are thrown away.
        unused = paddle.zeros([x.shape[1]]), paddle.ones([x.shape[1]])
        with paddle.enable_grad():
            y = F.batch_norm(x, *unused, weight, bias, training=True, epsilon=ctx.epsilon)
            y = F.hardswish(y)
        # Not paddle.grad: called by another paddle.grad, Paddle crashes.
        paddle.autograd.backward([y], [gradient])
        return tuple(tensor.grad for tensor in inputs)
