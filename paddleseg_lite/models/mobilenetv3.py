"""MobileNetV3 (Howard et al., "Searching for MobileNetV3", ICCV 2019, arXiv 1905.02244) as a backbone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import paddle
import paddle.nn as nn
import paddle.nn.functional as F
from paddle import Tensor
from paddle.nn.initializer import KaimingNormal
from paddle.regularizer import L2Decay

from paddleseg_lite.checkpoint.weights import load_pretrained
from paddleseg_lite.kernels.batch_norm import norm_hardswish, norm_relu
from paddleseg_lite.kernels.gate import gated, global_average
from paddleseg_lite.models.blocks import Conv2D
from paddleseg_lite.registry import BACKBONES

__all__ = [
    "MobileNetV3",
    "MobileNetV3_large_x0_5",
    "MobileNetV3_large_x0_35",
    "MobileNetV3_large_x0_75",
    "MobileNetV3_large_x1_0",
    "MobileNetV3_large_x1_0_os8",
    "MobileNetV3_large_x1_25",
    "MobileNetV3_small_x0_5",
    "MobileNetV3_small_x0_35",
    "MobileNetV3_small_x0_75",
    "MobileNetV3_small_x1_0",
    "MobileNetV3_small_x1_0_os8",
    "MobileNetV3_small_x1_25",
]


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
        groups: int = 1,
        act: str | None = None,
    ) -> None:
        super().__init__()
        # Paddle's default counts all groups' channels as fan-in: far too small for depthwise kernels.
        initial = paddle.ParamAttr(initializer=KaimingNormal())
        self.conv = Conv2D(
            in_channels, out_channels, kernel, stride, dilation, groups, bias=False, weight_attr=initial
        )
        undecayed = paddle.ParamAttr(regularizer=L2Decay(0.0))
        self.bn = nn.BatchNorm2D(out_channels, weight_attr=undecayed, bias_attr=undecayed)
        self._act = act

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, in_channels, H, W] to [N, out_channels, ceil(H / stride), ceil(W / stride)]."""
        x = self.conv(x)
        if self._act == "hardswish":
            return norm_hardswish(self.bn, x)  # F.hardswish(self.bn(x))
        return norm_relu(self.bn, x) if self._act == "relu" else self.bn(x)  # F.relu(self.bn(x))


class SqueezeExcite(nn.Layer):
    """Channel attention from globally pooled features (paper, section 5.3)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2D(channels, channels // 4, 1)
        self.conv2 = nn.Conv2D(channels // 4, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Scale each channel of x [N, C, H, W] by a gate in [0, 1]."""
        y = global_average(x)  # [N, C, 1, 1]: F.adaptive_avg_pool2d(x, 1)
        y = F.relu(self.conv1(y))  # [N, C/4, 1, 1]
        # The released weights were trained with slope 0.2, not with the paper's 1/6.
        gate = F.hardsigmoid(self.conv2(y), slope=0.2, offset=0.5)  # [N, C, 1, 1]
        return gated(x, gate)  # x * gate


class InvertedResidual(nn.Layer):
    """Expand 1x1, depthwise kxk, squeeze-excite, project 1x1; plus the input if shapes agree (Figure 4)."""

    def __init__(self, in_channels: int, block: Block, scale: float) -> None:
        super().__init__()
        expand, out = scaled_width(block.expand * scale), scaled_width(block.out * scale)
        self._residual = block.stride == 1 and in_channels == out
        self.expand_conv = ConvBN(in_channels, expand, 1, act=block.act)
        self.bottleneck_conv = ConvBN(
            expand, expand, block.kernel, block.stride, block.dilation, groups=expand, act=block.act
        )
        self.mid_se = SqueezeExcite(expand) if block.se else None
        self.linear_conv = ConvBN(expand, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, in_channels, H, W] to [N, out, ceil(H / stride), ceil(W / stride)]."""
        y = self.expand_conv(x)  # [N, expand, H, W]
        y = self.bottleneck_conv(y)  # [N, expand, H / stride, W / stride]
        y = y if self.mid_se is None else self.mid_se(y)
        y = self.linear_conv(y)  # [N, out, H / stride, W / stride]
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
        ends = [number for number, block in enumerate(blocks, start=1) if block.feature]
        self._stages = list(zip([0, *ends], ends))  # the first block of each and the one after its last
        self.feat_channels = [widths[end] for end in ends]
        if pretrained is not None:
            # Published weights are for RGB; a stem for other channels starts from scratch.
            load_pretrained(self, pretrained, allow_missing=() if in_channels == 3 else ("conv.conv.",))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return four features of an image batch.

        Args:
            x: [N, in_channels, H, W], float32, normalised, any H and W.

        Returns:
            Features [N, feat_channels[i], H / s, W / s], rounded up; s is 4, 8, 16, 32, and at most
            8 for "..._os8".
        """
        stem = self.conv(x)  # [N, 16, H/2, W/2]
        feature0 = self._stage(0, stem)  # [N, 24, H/4, W/4]; widths are those of the large network
        feature1 = self._stage(1, feature0)  # [N, 40, H/8, W/8]
        feature2 = self._stage(2, feature1)  # [N, 112, H/16, W/16], or at output stride 8 H/8, W/8
        feature3 = self._stage(3, feature2)  # [N, 160, H/32, W/32], or at output stride 8 H/8, W/8
        return [feature0, feature1, feature2, feature3]

    def _stage(self, number: int, x: Tensor) -> Tensor:
        """Run the blocks up to one that gives a feature."""
        for index in range(*self._stages[number]):
            x = self.blocks[index](x)
        return x


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
