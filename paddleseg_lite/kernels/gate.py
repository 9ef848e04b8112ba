"""Scaling of channels by a gate that is computed from them, without keeping them for the gradients."""

from __future__ import annotations

from typing import Any

import paddle.nn.functional as F
from paddle import Tensor
from paddle.autograd import PyLayer

from paddleseg_lite.kernels.memory import computes_here


def global_average(x: Tensor) -> Tensor:
    """Return F.adaptive_avg_pool2d(x, 1): [N, C, H, W] to [N, C, 1, 1]."""
    if computes_here(x) and not x.stop_gradient:
        return x.mean([2, 3], keepdim=True)  # its gradient does not keep x; the pooling's does
    return F.adaptive_avg_pool2d(x, 1)


def gated(x: Tensor, gate: Tensor) -> Tensor:
    """Return x * gate, x being [N, C, H, W] and the gate [N, C, 1, 1], in [0, 1] and from a hardsigmoid."""
    return _Gate.apply(x, gate) if computes_here(x) and not x.stop_gradient else x * gate


class _Gate(PyLayer):
    """The product, which keeps the result, as the next convolution does, and not x.

    Where the gate is 0, its own gradient cannot be had from that; but there the hardsigmoid passes none on.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, gate: Tensor) -> Tensor:
        y = x * gate
        ctx.save_for_backward(y.detach(), gate)
        ctx.is_gate_frozen = gate.stop_gradient
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        """Return the gradients by x and gate, None for a frozen gate."""
        y, gate = ctx.saved_tensor()
        by_gate = None
        if not ctx.is_gate_frozen:
            by_gate = (gradient * y).sum([2, 3], keepdim=True) / gate.clip(min=1e-30)
        return gradient * gate, by_gate
