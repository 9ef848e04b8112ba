"""MobileNetV3 (Howard et al., "Searching for MobileNetV3", ICCV 2019, arXiv 1905.02244) as a backbone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import paddle
import paddle.nn as nn
import paddle.nn.functional as F
from paddle.autograd import PyLayer
from paddle.nn.initializer import KaimingNormal
from paddle.regularizer import L2Decay

from paddleseg_lite.checkpoint.weights import load_pretrained
from paddleseg_lite.kernels.depthwise import DepthwiseConv2D
from paddleseg_lite.kernels.memory import computes_here
from paddleseg_lite.models.blocks import norm_hardswish, relu_
from paddleseg_lite.registry import BACKBONES


@dataclass(frozen=True)
class Block:
    """One inverted residual: a row of the paper's Table 1 or 2. Widths are those of multiplier 1."""

    kernel: int
    expand: int
    out: int
    se: bool
    act: str
    stride: int = 1
    dilation: int = 1
    feature: bool = False  # its output is one of the backbone's features


# Table 1 of the paper, "Specification for MobileNetV3-Large".
LARGE = (
    Block(kernel=3, expand=16, out=16, se=False, act="relu"),
    Block(kernel=3, expand=64, out=24, se=False, act="relu", stride=2),
    Block(kernel=3, expand=72, out=24, se=False, act="relu", feature=True),
    Block(kernel=5, expand=72, out=40, se=True, act="relu", stride=2),
    Block(kernel=5, expand=120, out=40, se=True, act="relu"),
    Block(kernel=5, expand=120, out=40, se=True, act="relu", feature=True),
    Block(kernel=3, expand=240, out=80, se=False, act="hardswish", stride=2),
    Block(kernel=3, expand=200, out=80, se=False, act="hardswish"),
    Block(kernel=3, expand=184, out=80, se=False, act="hardswish"),
    Block(kernel=3, expand=184, out=80, se=False, act="hardswish"),
    Block(kernel=3, expand=480, out=112, se=True, act="hardswish"),
    Block(kernel=3, expand=672, out=112, se=True, act="hardswish", feature=True),
    Block(kernel=5, expand=672, out=160, se=True, act="hardswish", stride=2),
    Block(kernel=5, expand=960, out=160, se=True, act="hardswish"),
    Block(kernel=5, expand=960, out=160, se=True, act="hardswish", feature=True),
)

# Table 2, "Specification for MobileNetV3-Small".
SMALL = (
    Block(kernel=3, expand=16, out=16, se=True, act="relu", stride=2, feature=True),
    Block(kernel=3, expand=72, out=24, se=False, act="relu", stride=2),
    Block(kernel=3, expand=88, out=24, se=False, act="relu", feature=True),
    Block(kernel=5, expand=96, out=40, se=True, act="hardswish", stride=2),
    Block(kernel=5, expand=240, out=40, se=True, act="hardswish"),
    Block(kernel=5, expand=240, out=40, se=True, act="hardswish"),
    Block(kernel=5, expand=120, out=48, se=True, act="hardswish"),
    Block(kernel=5, expand=144, out=48, se=True, act="hardswish", feature=True),
    Block(kernel=5, expand=288, out=96, se=True, act="hardswish", stride=2),
    Block(kernel=5, expand=576, out=96, se=True, act="hardswish"),
    Block(kernel=5, expand=576, out=96, se=True, act="hardswish", feature=True),
)


def _at_output_stride_8(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """Trade every stride that would shrink below 1/8 for dilation in the blocks behind it.

    The block that loses its stride still has the dilation of those before it, as in the released networks.
    """
    stride, dilation, result = 2, 1, []  # the stem has stride 2
    for block in blocks:
        lost = block.stride if stride * block.stride > 8 else 1
        result.append(replace(block, stride=block.stride // lost, dilation=dilation))
        stride, dilation = stride * block.stride // lost, dilation * lost
    return tuple(result)


ARCHITECTURES = {
    "large": LARGE,
    "small": SMALL,
    "large_os8": _at_output_stride_8(LARGE),
    "small_os8": _at_output_stride_8(SMALL),
}


def scaled_width(width: float) -> int:
    """Round a width to the nearest multiple of 8, at least 8 and never below 90 % of it."""
    rounded = max(8, int(width + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * width else rounded


class ConvBN(nn.Layer):
    """Bias-free convolution, batch normalisation without weight decay, and an activation (or None)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int = 1,
        dilation: int = 1,
        depthwise: bool = False,
        act: str | None = None,
    ) -> None:
        super().__init__()
        # Paddle's default counts all groups' channels as fan-in: far too small for depthwise kernels.
        attr = paddle.ParamAttr(initializer=KaimingNormal())
        if depthwise:
            self.conv: nn.Layer = DepthwiseConv2D(out_channels, kernel, stride, dilation, weight_attr=attr)
        else:
            self.conv = nn.Conv2D(
                in_channels,
                out_channels,
                kernel,
                stride=stride,
                padding=(kernel - 1) // 2,
                weight_attr=attr,
                bias_attr=False,
            )
        self.bn = nn.BatchNorm2D(
            out_channels,
            weight_attr=paddle.ParamAttr(regularizer=L2Decay(0.0)),
            bias_attr=paddle.ParamAttr(regularizer=L2Decay(0.0)),
        )
        self._act = act

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map [N, in_channels, H, W] to [N, out_channels, ceil(H / stride), ceil(W / stride)]."""
        x = self.conv(x)
        if self._act == "hardswish":
            return norm_hardswish(self.bn, x)
        return relu_(self.bn(x)) if self._act == "relu" else self.bn(x)


class SqueezeExcite(nn.Layer):
    """Channel attention from globally pooled features (paper, section 5.3)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2D(1)
        self.conv1 = nn.Conv2D(channels, channels // 4, 1)
        self.conv2 = nn.Conv2D(channels // 4, channels, 1)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Scale each channel of x [N, C, H, W] by a gate in [0, 1]."""
        # The mean's gradient does not keep x; the pooling's does, but is what other runtimes know best.
        is_lean = self.training and computes_here(x)
        pooled = x.mean([2, 3], keepdim=True) if is_lean else self.pool(x)  # [N, C, 1, 1]
        # The released weights were trained with slope 0.2, not with the paper's 1/6.
        gate = F.hardsigmoid(self.conv2(F.relu(self.conv1(pooled))), slope=0.2, offset=0.5)
        return _Gate.apply(x, gate) if is_lean else x * gate


class _Gate(PyLayer):
    """x * gate, for a hardsigmoid's gate, which keeps the result, as the next convolution does, and not x.

    Where the gate is 0, its own gradient cannot be had from that; but there the hardsigmoid passes none on.
    """

    @staticmethod
    def forward(ctx: Any, x: paddle.Tensor, gate: paddle.Tensor) -> paddle.Tensor:
        y = x * gate
        ctx.save_for_backward(y.detach(), gate)
        ctx.frozen = x.stop_gradient, gate.stop_gradient
        return y

    @staticmethod
    def backward(ctx: Any, gradient: paddle.Tensor) -> Any:
        """Return the gradients by x and gate, None for what is frozen."""
        y, gate = ctx.saved_tensor()
        is_x_frozen, is_gate_frozen = ctx.frozen
        by_gate = None
        if not is_gate_frozen:
            by_gate = (gradient * y).sum([2, 3], keepdim=True) / gate.clip(min=1e-30)
        return None if is_x_frozen else gradient * gate, by_gate


class InvertedResidual(nn.Layer):
    """Expand 1x1, depthwise kxk, squeeze-excite, project 1x1; plus the input if shapes agree (Figure 4)."""

    def __init__(self, in_channels: int, block: Block, scale: float) -> None:
        super().__init__()
        expand, out = scaled_width(block.expand * scale), scaled_width(block.out * scale)
        self._residual = block.stride == 1 and in_channels == out
        self.expand_conv = ConvBN(in_channels, expand, 1, act=block.act)
        self.bottleneck_conv = ConvBN(
            expand, expand, block.kernel, block.stride, block.dilation, depthwise=True, act=block.act
        )
        self.mid_se = SqueezeExcite(expand) if block.se else None
        self.linear_conv = ConvBN(expand, out, 1)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map [N, in_channels, H, W] to [N, out, ceil(H / stride), ceil(W / stride)]."""
        y = self.bottleneck_conv(self.expand_conv(x))
        if self.mid_se is not None:
            y = self.mid_se(y)
        y = self.linear_conv(y)
        return x + y if self._residual else y


class MobileNetV3(nn.Layer):
    """MobileNetV3 without its classifier; returns four features.

    Args:
        architecture: a key of ARCHITECTURES: "large", "small" (output stride 32), or "large_os8", "small_os8"
            (output stride 8 by dilation; paper, section 6.3).
        scale: width multiplier, > 0.
        in_channels: channels of the image.
        pretrained: path or URL of weights (a .pdparams, or an archive with one), or None.

    Attributes:
        feat_channels: widths of the four features.

    Raises:
        UserError: the pretrained weights cannot be had, read or fitted.
    """

    def __init__(
        self, architecture: str, scale: float = 1.0, in_channels: int = 3, pretrained: str | None = None
    ) -> None:
        super().__init__()
        blocks = ARCHITECTURES[architecture]
        stem = scaled_width(16 * scale)
        widths = [stem] + [scaled_width(block.out * scale) for block in blocks]
        self.conv = ConvBN(in_channels, stem, 3, stride=2, act="hardswish")
        self.blocks = nn.Sequential(
            *(InvertedResidual(width, block, scale) for width, block in zip(widths, blocks))
        )
        self._feature_blocks = [i for i, block in enumerate(blocks) if block.feature]
        self.feat_channels = [widths[i + 1] for i in self._feature_blocks]
        if pretrained is not None:
            # Published weights are for RGB; a stem for other channels starts from scratch.
            load_pretrained(self, pretrained, allow_missing=() if in_channels == 3 else ("conv.conv.",))

    def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        """Return four features of an image batch.

        Args:
            x: [N, in_channels, H, W], float32, normalised, any H and W.

        Returns:
            Features [N, feat_channels[i], H / s, W / s], rounded up; s is 4, 8, 16, 32, and at most
            8 for "..._os8".
        """
        features = []
        x = self.conv(x)  # [N, 16, H/2, W/2]
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in self._feature_blocks:
                features.append(x)
        return features


def _variant(name: str, architecture: str, scale: float) -> Callable[..., MobileNetV3]:
    """Make and register the factory of one variant."""

    def build(in_channels: int = 3, pretrained: str | None = None) -> MobileNetV3:
        return MobileNetV3(architecture, scale, in_channels, pretrained)

    build.__name__ = build.__qualname__ = name
    build.__doc__ = (
        f"MobileNetV3 '{architecture}' with width multiplier {scale}; see MobileNetV3 for the arguments."
    )
    return BACKBONES.register(build)


MobileNetV3_large_x0_35 = _variant("MobileNetV3_large_x0_35", "large", 0.35)
MobileNetV3_large_x0_5 = _variant("MobileNetV3_large_x0_5", "large", 0.5)
MobileNetV3_large_x0_75 = _variant("MobileNetV3_large_x0_75", "large", 0.75)
MobileNetV3_large_x1_0 = _variant("MobileNetV3_large_x1_0", "large", 1.0)
MobileNetV3_large_x1_25 = _variant("MobileNetV3_large_x1_25", "large", 1.25)
MobileNetV3_large_x1_0_os8 = _variant("MobileNetV3_large_x1_0_os8", "large_os8", 1.0)
MobileNetV3_small_x0_35 = _variant("MobileNetV3_small_x0_35", "small", 0.35)
MobileNetV3_small_x0_5 = _variant("MobileNetV3_small_x0_5", "small", 0.5)
MobileNetV3_small_x0_75 = _variant("MobileNetV3_small_x0_75", "small", 0.75)
MobileNetV3_small_x1_0 = _variant("MobileNetV3_small_x1_0", "small", 1.0)
MobileNetV3_small_x1_25 = _variant("MobileNetV3_small_x1_25", "small", 1.25)
MobileNetV3_small_x1_0_os8 = _variant("MobileNetV3_small_x1_0_os8", "small_os8", 1.0)
