"""LPSNet (Zhang, Yao, Qiu, Mei, IJCV 2023, arXiv 2207.13600).

The paper's title is "Lightweight and Progressively-Scalable Networks for Semantic Segmentation".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import paddle
import paddle.nn as nn

from paddleseg_lite.checkpoint.weights import load_pretrained
from paddleseg_lite.errors import UserError
from paddleseg_lite.models.blocks import ConvBNReLU, resize
from paddleseg_lite.registry import MODELS

_FIRST_EXCHANGE = 3  # the paths exchange features before this stage (from 0) and before each one after it


class LPSNetBackbone(nn.Layer):
    """The stack of paths without a classifier: for LPSNet and for an ImageNet classifier to build upon.

    Sub-classes add their own layers and call `features`; thus the weights' names (`nets.PATH.STAGE.LAYER...`)
    are the same in all of them.

    Args:
        depths: convolutions of each stage.
        channels: width of each stage.
        scale_ratios: the image's scale for each path; ratios that are not positive are left out.
        in_channels: channels of the image.

    Attributes:
        out_channels: width of the concatenated features.

    Raises:
        UserError: no positive ratio, or depths and channels differ in number.
    """

    def __init__(
        self,
        depths: Sequence[int],
        channels: Sequence[int],
        scale_ratios: Sequence[float],
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self._ratios = [ratio for ratio in scale_ratios if ratio > 0]
        if not self._ratios:
            raise UserError(f"LPSNet: scale_ratios is {list(scale_ratios)}; give at least one positive ratio")
        if len(depths) != len(channels) or not depths or min(depths) < 1:
            raise UserError(
                f"LPSNet: depths is {list(depths)} and channels {list(channels)}; give one depth of at "
                "least 1 and one width for each stage"
            )
        self.out_channels = channels[-1] * len(self._ratios)
        self.nets = nn.LayerList([_path(depths, channels, in_channels) for _ in self._ratios])

    def features(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        """Return each path's last feature, [N, channels[-1], ratio x H / 16, ratio x W / 16].

        Args:
            x: [N, in_channels, H, W], float32, normalised.
        """
        feats = [self._scaled(x, ratio) for ratio in self._ratios]
        paths = cast("list[nn.LayerList]", list(self.nets))
        for stage in range(len(paths[0])):
            if stage >= _FIRST_EXCHANGE:
                feats = _exchange(feats)
            feats = [path[stage](feat) for path, feat in zip(paths, feats)]
        return feats

    @staticmethod
    def _scaled(x: paddle.Tensor, ratio: float) -> paddle.Tensor:
        if ratio == 1:
            return x
        height, width = x.shape[2:]
        return resize(x, [int(ratio * height), int(ratio * width)], align_corners=True)

    def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        """The same as `features`; for sub-classes to replace."""
        return self.features(x)


@MODELS.register
class LPSNet(LPSNetBackbone):
    """Paths of plain 3x3 convolutions at several image scales that exchange features, LPS-Net in the paper.

    Args:
        depths: convolutions of each stage, five for the published networks.
        channels: width of each stage.
        scale_ratios: the image's scale for each path; ratios that are not positive are left out.
        num_classes: classes.
        in_channels: channels of the image.
        pretrained: path or URL of weights, or None. The classifier is left as it is if theirs is another, as
            in weights pretrained on ImageNet.

    Raises:
        UserError: the arguments contradict each other, or the pretrained weights cannot be had or do not fit.
    """

    def __init__(
        self,
        depths: Sequence[int],
        channels: Sequence[int],
        scale_ratios: Sequence[float],
        num_classes: int,
        in_channels: int = 3,
        pretrained: str | None = None,
    ) -> None:
        super().__init__(depths, channels, scale_ratios, in_channels)
        self.head = nn.Conv2D(self.out_channels, num_classes, 1)
        if pretrained is not None:
            load_pretrained(self, pretrained, allow_missing=("head.",))

    def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        """Return [logits], logits being [N, num_classes, H, W], for x [N, C, H, W] (float32, normalised)."""
        first, *others = self.features(x)
        size = first.shape[2:]
        feats = [first] + [resize(feat, size, align_corners=True) for feat in others]
        logits = self.head(paddle.concat(feats, axis=1))  # [N, num_classes, H/16, W/16] times the first ratio
        return [resize(logits, x.shape[2:], align_corners=True)]


def _path(depths: Sequence[int], channels: Sequence[int], in_channels: int) -> nn.LayerList:
    """Build one path: stages of 3x3 convolutions, all but the last stage halving the size first."""
    stages = []
    for stage, (depth, width) in enumerate(zip(depths, channels)):
        stride = 2 if stage < len(depths) - 1 else 1
        layers = [ConvBNReLU(in_channels, width, 3, stride, bias=False)]
        layers += [ConvBNReLU(width, width, 3, bias=False) for _ in range(depth - 1)]
        stages.append(nn.Sequential(*layers))
        in_channels = width
    return nn.LayerList(stages)


def _exchange(feats: list[paddle.Tensor]) -> list[paddle.Tensor]:
    """Add to each path's feature all the others, resized to it, the paper's interaction across scales."""
    exchanged = []
    for i, feat in enumerate(feats):
        total = feat
        for j, other in enumerate(feats):
            if j != i:
                total = total + resize(other, feat.shape[2:], align_corners=True)
        exchanged.append(total)
    return exchanged
