"""Losses: each is called as loss(logits [N, C, H, W], label [N, H, W]) and returns a scalar."""

from paddleseg_lite.losses.criterion import Criterion
from paddleseg_lite.losses.cross_entropy import CrossEntropyLoss
from paddleseg_lite.losses.ohem import OhemCrossEntropyLoss

__all__ = ["Criterion", "CrossEntropyLoss", "OhemCrossEntropyLoss"]
