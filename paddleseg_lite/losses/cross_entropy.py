"""The mean cross entropy, and what each pixel weighs in it."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from paddleseg_lite.errors import UserError
from paddleseg_lite.kernels.cross_entropy import check_ids, check_labels, pixel_cross_entropy
from paddleseg_lite.registry import LOSSES


def pixel_weights(label: Tensor, weight: Sequence[float] | None, ignore_index: int) -> Tensor:
    """Return what each pixel counts, float32 like label [N, H, W]: its class's weight or 1, 0 if ignored.

    Raises:
        UserError: with `weight`, on a CPU, a label is no class.
    """
    valid = label != ignore_index
    counted = valid.astype("float32")
    if weight is None:
        return counted
    ids = label.astype("int64")
    ids = paddle.where(valid, ids, paddle.zeros_like(ids))
    check_labels(ids, len(weight), ignore_index)
    table = _table(tuple(weight), paddle.get_device())
    return F.embedding(ids, table).squeeze(-1) * counted


@functools.lru_cache(maxsize=16)
def _table(weight: tuple[float, ...], device: str) -> Tensor:
    """Return class weights, float32 [C, 1], on Paddle's device. An upload in each step would wait."""
    return paddle.to_tensor(weight, "float32", device).unsqueeze(-1)


def check_class_weights(weight: Sequence[float] | None, num_classes: int) -> None:
    """Refuse weights of other classes than the model's.

    Raises:
        UserError: there is not one weight for each class.
    """
    if weight is not None and len(weight) != num_classes:
        raise UserError(
            f"the loss has {len(weight)} class weights for the model's {num_classes} classes; give one each"
        )


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

    def normaliser(self, label: np.ndarray) -> float:
        """Return what the mean over label [N, H, W] divides by: the pixels, or the sum of their weights.

        Raises:
            UserError: with `weight`, a label is no class.
        """
        valid = label != self.ignore_index
        if self.weight is None:
            return float(np.count_nonzero(valid))
        check_ids(np.where(valid, label, 0), len(self.weight), self.ignore_index)
        return float(np.bincount(label[valid], minlength=len(self.weight)) @ self.weight)

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """Return the scalar loss of logits [N, C, H, W] and label [N, H, W]; 0 if all pixels are ignored."""
        check_class_weights(self.weight, logits.shape[1])
        loss = pixel_cross_entropy(logits, label, self.ignore_index)  # [N, H, W]
        weights = pixel_weights(label, self.weight, self.ignore_index)  # [N, H, W]
        return (loss * weights).sum() / weights.sum().clip(min=1e-8)
