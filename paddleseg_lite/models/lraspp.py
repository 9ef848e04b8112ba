"""LR-ASPP segmentation (Howard et al., "Searching for MobileNetV3", ICCV 2019, section 6.3, Figure 10)."""

from __future__ import annotations

from collections.abc import Sequence

import paddle
import paddle.nn as nn
import paddle.nn.functional as F
from paddle import Tensor

from paddleseg_lite.checkpoint.weights import load_pretrained
from paddleseg_lite.errors import UserError
from paddleseg_lite.kernels.batch_norm import norm_relu
from paddleseg_lite.kernels.resize import resize
from paddleseg_lite.models.blocks import ConvBNReLU
from paddleseg_lite.registry import MODELS

_KERNEL = 49  # side of the large pooling kernel (section 6.3), in pixels of the deepest feature
_STRIDE = (16, 20)


class UpsampleConcatConv(nn.Conv2D):
    """Convolution 1x1 of concat([resize(deep), shallow]), computed without either.

    A resize mixes pixels, a 1x1 convolution channels, so they may trade places: the deeper part is convolved
    where it is small, for a quarter of the products and of the memory. The bias goes the same way: the
    weights of a resize add up to 1.
    """

    def __init__(self, in_channels: int, out_channels: int, resize_mode: str) -> None:
        super().__init__(in_channels, out_channels, 1)
        self.resize_mode = resize_mode

    def forward(self, deep: Tensor, shallow: Tensor) -> Tensor:  # type: ignore[override]
        """Map [N, C, h, w] and [N, in_channels - C, H, W] to [N, out_channels, H, W]."""
        channels = deep.shape[1]
        deep = F.conv2d(deep, self.weight[:, :channels], self.bias)  # [N, out_channels, h, w]
        # The size is asked of the convolved map, and the sum begins with it: then nothing stands between this
        # convolution and the one before it, which an exported network joins, and ONNX Runtime computes the
        # shallow map last (0.2 GB less at 2048x1024).
        shallow = F.conv2d(shallow, self.weight[:, channels:])  # [N, out_channels, H, W]
        return shallow + resize(deep, shallow.shape[2:], align_corners=False, mode=self.resize_mode)


class FeatureFusion(nn.Layer):
    """ConvBNReLU 1x1 of a deeper feature, enlarged, beside a shallower one."""

    def __init__(
        self, deep_channels: int, shallow_channels: int, out_channels: int, resize_mode: str
    ) -> None:
        super().__init__()
        self._conv = UpsampleConcatConv(deep_channels + shallow_channels, out_channels, resize_mode)
        self._batch_norm = nn.BatchNorm2D(out_channels)

    def forward(self, deep: Tensor, shallow: Tensor) -> Tensor:
        """Map [N, deep_channels, h, w] and [N, shallow_channels, H, W] to [N, out_channels, H, W]."""
        # F.relu(self._batch_norm(self._conv(deep, shallow)))
        return norm_relu(self._batch_norm, self._conv(deep, shallow))


class LRASPPHead(nn.Layer):
    """Gate the deepest feature by its pooled self, then refine it with the shallower ones.

    Args:
        in_channels: widths of the features, shallow to deep.
        inter_channels: widths given to all features but the deepest, shallow to deep.
        out_channels: width of the head.
        num_classes: classes.
        resize_mode: interpolation mode of the resizes inside the head.
        use_gap: pool globally; else by a 49x49 average with stride (16, 20).
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        inter_channels: Sequence[int],
        out_channels: int,
        num_classes: int,
        resize_mode: str,
        use_gap: bool,
    ) -> None:
        super().__init__()
        self._resize_mode = resize_mode
        self._use_gap = use_gap
        *shallow, deepest = in_channels
        deep_to_shallow = list(zip(shallow, inter_channels))[::-1]
        self.convs = nn.LayerList([nn.Conv2D(c, width, 1, bias_attr=False) for c, width in deep_to_shallow])
        self.conv_ups = nn.LayerList(
            [FeatureFusion(out_channels, width, out_channels, resize_mode) for _, width in deep_to_shallow]
        )
        pool = nn.AdaptiveAvgPool2D(1) if use_gap else nn.AvgPool2D(_KERNEL, _STRIDE)
        self.conv_w = nn.Sequential(pool, nn.Conv2D(deepest, out_channels, 1, bias_attr=False), nn.Sigmoid())
        self.conv_v = ConvBNReLU(deepest, out_channels, 1)
        self.conv_t = nn.Conv2D(out_channels, out_channels, 1, bias_attr=False)
        self.conv_out = nn.Conv2D(out_channels, num_classes, 1, bias_attr=False)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Map features [N, C_i, H_i, W_i], shallow to deep, to logits [N, num_classes, H_0, W_0]."""
        *shallow, deepest = features
        gate = self.conv_w(deepest)  # [N, out_channels, 1, 1], or the pooled map's size
        if not self._use_gap:  # a single pixel is the same everywhere
            gate = resize(gate, deepest.shape[2:], align_corners=False, mode=self._resize_mode)
        y = self.conv_t(self.conv_v(deepest) * gate)  # [N, out_channels, H_deepest, W_deepest]
        for feature, conv, conv_up in zip(shallow[::-1], self.convs, self.conv_ups):
            y = conv_up(y, conv(feature))  # [N, out_channels, H_i, W_i]
        return self.conv_out(y)


@MODELS.register
class LRASPP(nn.Layer):
    """Lite reduced atrous spatial pyramid pooling on a backbone.

    Args:
        num_classes: classes.
        backbone: a layer that returns a list of features and tells their widths in `feat_channels`.
        backbone_indices: the features the head uses, shallow to deep.
        lraspp_head_inter_chs: the width given in the head to the feature backbone_indices[i], for all but the
            deepest.
        lraspp_head_out_ch: width of the head.
        resize_mode: interpolation mode inside the head ("bilinear" or "bicubic").
        use_gap: gate by a global average, for any input size; else by a 49x49 average, for which the deepest
            feature must be 49x49 or larger (385x385 pixels at output stride 8).
        pretrained: path or URL of weights for the whole network, or None. The last convolution is left as
            it is if their classes are others.

    Raises:
        UserError: the arguments contradict each other, or the pretrained weights cannot be had or do not fit.
    """

    def __init__(
        self,
        num_classes: int,
        backbone: nn.Layer,
        backbone_indices: Sequence[int] = (0, 1, 3),
        lraspp_head_inter_chs: Sequence[int] = (32, 64),
        lraspp_head_out_ch: int = 128,
        resize_mode: str = "bilinear",
        use_gap: bool = True,
        pretrained: str | None = None,
    ) -> None:
        super().__init__()
        channels = list(getattr(backbone, "feat_channels", ()))
        if not backbone_indices or not all(0 <= i < len(channels) for i in backbone_indices):
            raise UserError(
                f"LRASPP: backbone_indices is {list(backbone_indices)}, but the backbone has "
                f"{len(channels)} features; give indices from 0 to {len(channels) - 1}, shallow to deep"
            )
        if len(lraspp_head_inter_chs) != len(backbone_indices) - 1:
            raise UserError(
                f"LRASPP: lraspp_head_inter_chs has {len(lraspp_head_inter_chs)} widths for "
                f"{len(backbone_indices)} backbone_indices; give one for each index but the last"
            )
        self.backbone = backbone
        self._indices = list(backbone_indices)
        self._use_gap = use_gap
        self.lraspp_head = LRASPPHead(
            [channels[i] for i in backbone_indices],
            lraspp_head_inter_chs,
            lraspp_head_out_ch,
            num_classes,
            resize_mode,
            use_gap,
        )
        if pretrained is not None:
            load_pretrained(self, pretrained, allow_missing=("lraspp_head.conv_out.",))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return [logits], logits being [N, num_classes, H, W], for x [N, C, H, W] (float32, normalised).

        Raises:
            UserError: `use_gap` is off and the image too small for the large kernel.
        """
        features = self.backbone(x)
        features = [features[i] for i in self._indices]  # [N, channels[i], H / s_i, W / s_i]
        if not self._use_gap:
            _check_poolable(x, features[-1])
        logits = self.lraspp_head(features)  # [N, num_classes, H / s_0, W / s_0]
        return [resize(logits, x.shape[2:], align_corners=False)]


def _check_poolable(image: Tensor, feature: Tensor) -> None:
    """Refuse an image whose deepest feature the large kernel does not fit into."""
    if not paddle.in_dynamic_mode():
        return  # an exported network's sizes are unknown when it is traced
    (height, width), (h, w) = image.shape[2:], feature.shape[2:]
    if min(h, w) < _KERNEL:
        side = (_KERNEL - 1) * max(round(height / h), round(width / w)) + 1  # sides are rounded up
        raise UserError(
            f"LRASPP with use_gap: False pools {_KERNEL}x{_KERNEL} windows, but an image of {width}x{height} "
            f"(width x height) gives it a feature of {w}x{h}; use images or crops of at least {side}x{side} "
            "pixels, or set use_gap: True"
        )
