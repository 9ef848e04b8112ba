"""Losses: each is called as loss(logits, label) and returns a scalar.

Of pixels: logits [N, C, H, W] and label [N, H, W]; of whole images: logits [N, C] and label [N].
"""

from paddleseg_lite.losses.classification import CELoss
from paddleseg_lite.losses.criterion import Criterion
from paddleseg_lite.losses.cross_entropy import CrossEntropyLoss
from paddleseg_lite.losses.ohem import OhemCrossEntropyLoss

__all__ = ["CELoss", "Criterion", "CrossEntropyLoss", "OhemCrossEntropyLoss"]
