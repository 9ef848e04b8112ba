"""LPSNet (Zhang, Yao, Qiu, Mei, IJCV 2023, arXiv 2207.13600).

The paper's title is "Lightweight and Progressively-Scalable Networks for Semantic Segmentation".
"""

from __future__ import annotations

from collections.abc import Sequence

import paddle
import paddle.nn as nn
from paddle import Tensor

from paddleseg_lite.checkpoint.weights import load_pretrained
from paddleseg_lite.errors import UserError
from paddleseg_lite.kernels.resize import resize
from paddleseg_lite.models.blocks import ConvBNReLU
from paddleseg_lite.registry import MODELS

_FIRST_INTERACTION = 3  # the stage, from 0, before which the paths interact first; then before each one


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


def _scaled(image: Tensor, ratio: float) -> Tensor:
    """Resize both sides of [N, C, H, W] to int(ratio x side)."""
    if ratio == 1:
        return image
    height, width = image.shape[2:]
    return resize(image, [int(ratio * height), int(ratio * width)], align_corners=True)


def interact(feats: Sequence[Tensor]) -> list[Tensor]:
    """Let paths at several scales see each other: each feature becomes the sum of all, at its own size.

    Args:
        feats: one for each path, [N, C, H_i, W_i].

    Returns:
        As many, of the same shapes, all computed from what `feats` was.
    """
    return [
        sum((resize(feat, own.shape[2:], align_corners=True) for feat in feats if feat is not own), own)
        for own in feats
    ]


class LPSNetBackbone(nn.Layer):
    """The stack of paths without a classifier: LPSNet and LPSNetClassifier build upon it.

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

    def features(self, x: Tensor) -> list[Tensor]:
        """Return each path's last feature, [N, channels[-1], ratio x H / 16, ratio x W / 16].

        Args:
            x: [N, in_channels, H, W], float32, normalised.
        """
        feats = [_scaled(x, ratio) for ratio in self._ratios]  # [N, in_channels, ratio x H, ratio x W]
        for number, stages in enumerate(zip(*self.nets)):  # one stage of each path
            if number >= _FIRST_INTERACTION:
                feats = interact(feats)
            feats = [stage(feat) for stage, feat in zip(stages, feats)]  # half the size, but for the last
        return feats

    def forward(self, x: Tensor) -> list[Tensor]:
        """The same as `features`; for sub-classes to replace."""
        return self.features(x)

    def extra_repr(self) -> str:
        """Return the ratios, which no layer shows: exports are kept under a key that is made of `repr`."""
        return f"scale_ratios={self._ratios}"


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

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return [logits], logits being [N, num_classes, H, W], for x [N, C, H, W] (float32, normalised)."""
        first, *others = self.features(x)  # [N, C, H/16, W/16] times each path's ratio
        feats = [first] + [resize(feat, first.shape[2:], align_corners=True) for feat in others]
        logits = self.head(paddle.concat(feats, axis=1))  # [N, num_classes, H/16, W/16] times the first ratio
        return [resize(logits, x.shape[2:], align_corners=True)]
