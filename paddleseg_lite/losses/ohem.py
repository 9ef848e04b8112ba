"""Online hard example mining: learn from the pixels that the model is least sure of."""

from __future__ import annotations

from collections.abc import Sequence

import paddle
from paddle import Tensor, nn

from paddleseg_lite.errors import UserError
from paddleseg_lite.kernels.cross_entropy import pixel_cross_entropy
from paddleseg_lite.kernels.kth_smallest import kth_smallest
from paddleseg_lite.losses.cross_entropy import check_class_weights, pixel_weights
from paddleseg_lite.registry import LOSSES

_NEVER_KEPT = 2.0  # stands for the probability of ignored pixels: above every real one, below no limit


@LOSSES.register
class OhemCrossEntropyLoss(nn.Layer):
    """Cross entropy over the hardest pixels (Shrivastava et al. 2016, https://arxiv.org/abs/1604.03540).

    p is the softmax probability of a pixel's label. If more than `min_kept` pixels are valid, those with
    p < limit are kept, limit being `thresh` or, if larger, the `min_kept`-th smallest p; else all valid
    pixels are, as they are with `min_kept` 0: so it is in PaddleSeg. The loss is the sum of the kept cross
    entropies over (kept + 1e-5 x all pixels). No gradient flows through the choice.

    Args:
        thresh: in [0, 1]; a pixel this sure is easy.
        min_kept: about how many pixels of a batch to keep at least, >= 1; 0 keeps all.
        ignore_index: the label of pixels that do not count.
        weight: a factor for each class, or None for 1; applied to the cross entropy, not to the choice.

    Attributes:
        kept_fraction: the share of all pixels kept by the last call, a scalar tensor; None before. Reading
            its value waits for the GPU.

    Raises:
        UserError: `thresh` or `min_kept` is out of its range.
    """

    def __init__(
        self,
        thresh: float = 0.7,
        min_kept: int = 10000,
        ignore_index: int = 255,
        weight: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(thresh, (int, float)) or not 0.0 <= thresh <= 1.0:
            raise UserError(f"thresh is {thresh!r}; allowed is a probability from 0 to 1")
        if not isinstance(min_kept, int) or min_kept < 0:
            raise UserError(f"min_kept is {min_kept!r}; allowed is a whole number of pixels of at least 0")
        self.thresh = thresh
        self.min_kept = min_kept
        self.ignore_index = ignore_index
        self.weight = weight
        self.kept_fraction: Tensor | None = None

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """Return the scalar loss of logits [N, C, H, W] and label [N, H, W]; 0 if all pixels are ignored."""
        check_class_weights(self.weight, logits.shape[1])
        loss = pixel_cross_entropy(logits, label, self.ignore_index)  # [N, H, W]
        kept = self._choose(loss.detach(), label != self.ignore_index).astype("float32")  # [N, H, W]
        self.kept_fraction = kept.mean()
        if self.weight is not None:
            loss = loss * pixel_weights(label, self.weight, self.ignore_index)
        return (loss * kept).mean() / (self.kept_fraction + 1e-5)

    @paddle.no_grad()
    def _choose(self, loss: Tensor, valid: Tensor) -> Tensor:
        """Return the mask of the pixels to keep, [N, H, W] bool."""
        if self.min_kept == 0 or self.min_kept >= valid.size:
            return valid
        p = paddle.where(valid, paddle.exp(-loss), paddle.full_like(loss, _NEVER_KEPT))
        limit = kth_smallest(p.flatten(), self.min_kept).clip(min=self.thresh)
        # The number of valid pixels stays on the device: an `if` here would wait for the GPU.
        is_enough = valid.astype("int64").sum() > self.min_kept
        limit = paddle.where(is_enough, limit, paddle.full_like(limit, _NEVER_KEPT))
        return paddle.logical_not(p >= limit)  # not p < limit: a NaN is kept, so that the loss shows it
