"""The cross entropy of whole images."""

from __future__ import annotations

import paddle.nn.functional as F
from paddle import Tensor, nn

from paddleseg_lite.errors import UserError
from paddleseg_lite.registry import LOSSES


@LOSSES.register
class CELoss(nn.Layer):
    """The mean cross entropy of a batch of images with one class each, or two by mixup."""

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """Return the scalar loss of logits [N, K].

        Args:
            logits: float32.
            label: int64 [N], classes; or float32 [N, 3], one class, another, and the part of the first, whose
                loss counts so much, and that of the other the rest.

        Raises:
            UserError: the logits are of pixels.
        """
        if logits.ndim != 2:
            raise UserError("CELoss is for labels of whole images; for those of pixels give CrossEntropyLoss")
        if label.ndim == 1:
            return F.cross_entropy(logits, label)
        one, other, part = label.unbind(1)  # [N] each
        losses = [
            F.cross_entropy(logits, ids.astype("int64"), reduction="none").flatten() for ids in (one, other)
        ]
        return (part * losses[0] + (1 - part) * losses[1]).mean()
