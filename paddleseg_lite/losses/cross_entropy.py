"""Cross entropy per pixel, and its mean."""

from __future__ import annotations

from collections.abc import Sequence

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from paddleseg_lite.errors import UserError
from paddleseg_lite.kernels.cross_entropy import StripCrossEntropy
from paddleseg_lite.kernels.memory import computes_here
from paddleseg_lite.registry import LOSSES


def pixel_cross_entropy(logits: Tensor, label: Tensor, ignore_index: int = 255) -> Tensor:
    """Return -log softmax(logits)[label] of every pixel, from one log-softmax.

    Args:
        logits: [N, C, H, W], any float type; computed in float32.
        label: [N, H, W], any integer type; class ids in [0, C) or `ignore_index`.
        ignore_index: pixels with this label get 0, and no gradient.

    Returns:
        [N, H, W] float32, >= 0.
    """
    if logits.dtype != paddle.float32:  # before Paddle 3 astype copies in any case
        logits = logits.astype("float32")
    if computes_here(logits):
        return StripCrossEntropy.apply(logits, label, ignore_index)
    # Paddle's kernel is fused for the last axis; moving the classes there costs less than it saves.
    channels_last = logits.transpose([0, 2, 3, 1])  # [N, H, W, C]
    target = label.astype("int64").unsqueeze(-1)
    loss = F.cross_entropy(channels_last, target, ignore_index=ignore_index, reduction="none")
    return loss.squeeze(-1)


def class_weights(
    weight: Sequence[float] | None, label: Tensor, num_classes: int, valid: Tensor
) -> Tensor | None:
    """Return every pixel's class weight, [N, H, W] float32, 0 where not `valid`; None without weights.

    Raises:
        UserError: there is not one weight for each class.
    """
    if weight is None:
        return None
    if len(weight) != num_classes:
        raise UserError(
            f"the loss has {len(weight)} class weights for the model's {num_classes} classes; give one each"
        )
    table = paddle.to_tensor(list(weight), dtype="float32")
    known = paddle.where(valid, label.astype("int64"), paddle.zeros_like(label, dtype="int64"))
    return F.embedding(known, table.unsqueeze(-1)).squeeze(-1) * valid.astype("float32")


@LOSSES.register
class CrossEntropyLoss(nn.Layer):
    """The mean cross entropy over the pixels that are not ignored.

    With `weight` it is the weighted mean: sum(weight x loss) / sum(weight).

    Args:
        weight: a factor for each class, or None for 1.
        ignore_index: the label of pixels that do not count.
    """

    def __init__(self, weight: Sequence[float] | None = None, ignore_index: int = 255) -> None:
        super().__init__()
        self.weight = weight
        self.ignore_index = ignore_index

    def normaliser(self, label: Tensor) -> float:
        """Return what the mean over label [N, H, W] divides by: the pixels, or the sum of their weights."""
        valid = label != self.ignore_index
        weights = class_weights(self.weight, label, len(self.weight or ()), valid)
        return float(valid.astype("int64").sum() if weights is None else weights.sum())

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """Return the scalar loss of logits [N, C, H, W] and label [N, H, W]; 0 if all pixels are ignored."""
        loss = pixel_cross_entropy(logits, label, self.ignore_index)  # [N, H, W]
        valid = label != self.ignore_index
        weights = class_weights(self.weight, label, logits.shape[1], valid)
        if weights is None:
            weights = valid.astype("float32")
        return (loss * weights).sum() / weights.sum().clip(min=1e-8)
