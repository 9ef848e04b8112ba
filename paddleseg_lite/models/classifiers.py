"""Classifiers of whole images on the backbones, whose weights they have by name: for pretraining."""

from __future__ import annotations

from collections.abc import Sequence

import paddle
import paddle.nn as nn
from paddle import Tensor

from paddleseg_lite.checkpoint.weights import load_pretrained
from paddleseg_lite.errors import UserError
from paddleseg_lite.kernels.gate import global_average
from paddleseg_lite.models.lpsnet import LPSNetBackbone
from paddleseg_lite.models.mobilenetv3 import ARCHITECTURES, MobileNetV3
from paddleseg_lite.registry import MODELS

_HEAD = ("head.",)  # may be missing in pretrained weights, or have other classes there


def _pooled(feats: Sequence[Tensor]) -> Tensor:
    """Return the means over pixels of features [N, C_i, H_i, W_i], one beside the other: [N, sum of C_i]."""
    return paddle.concat([global_average(feat) for feat in feats], axis=1).flatten(1)


@MODELS.register
class LPSNetClassifier(LPSNetBackbone):
    """LPSNet's paths, pooled, and one linear layer to the classes.

    Args:
        depths: convolutions of each stage, five for the published networks.
        channels: width of each stage.
        scale_ratios: the image's scale for each path; ratios that are not positive are left out.
        num_classes: classes.
        in_channels: channels of the image.
        pretrained: path or URL of weights, or None. The linear layer is left as it is if theirs is another.

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
        self.head = nn.Linear(self.out_channels, num_classes)
        if pretrained is not None:
            load_pretrained(self, pretrained, allow_missing=_HEAD)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return [logits], logits being [N, num_classes], for x [N, C, H, W] (float32, normalised)."""
        return [self.head(_pooled(self.features(x)))]


@MODELS.register
class MobileNetV3Classifier(MobileNetV3):
    """MobileNetV3's last feature, pooled, and one linear layer to the classes.

    The paper's own classifier has two more layers, which no segmentation network uses.

    Args:
        architecture: "large", "small", "large_os8" or "small_os8".
        num_classes: classes.
        scale: width multiplier, > 0.
        in_channels: channels of the image.
        pretrained: path or URL of weights, or None. The linear layer is left as it is if theirs is another.

    Raises:
        UserError: there is no such architecture, or the pretrained weights cannot be had or do not fit.
    """

    def __init__(
        self,
        architecture: str,
        num_classes: int,
        scale: float = 1.0,
        in_channels: int = 3,
        pretrained: str | None = None,
    ) -> None:
        if architecture not in ARCHITECTURES:
            known = ", ".join(ARCHITECTURES)
            raise UserError(f"MobileNetV3Classifier: architecture is {architecture!r}; allowed are {known}")
        super().__init__(architecture, scale, in_channels)
        self.head = nn.Linear(self.feat_channels[-1], num_classes)
        if pretrained is not None:
            load_pretrained(self, pretrained, allow_missing=_HEAD)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return [logits], logits being [N, num_classes], for x [N, C, H, W] (float32, normalised)."""
        return [self.head(_pooled(super().forward(x)[-1:]))]
