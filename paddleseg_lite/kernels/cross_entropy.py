"""Cross entropy per pixel; on a CPU by NumPy, in strips of pixels that stay in the cache."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor
from paddle.autograd import PyLayer

from paddleseg_lite.errors import UserError
from paddleseg_lite.kernels.aligned import empty
from paddleseg_lite.kernels.memory import as_array, as_tensor, computes_here
from paddleseg_lite.kernels.threads import in_threads

_STRIP = 8192  # pixels; of 19 classes they are 0.6 MB


def pixel_cross_entropy(logits: Tensor, label: Tensor, ignore_index: int = 255) -> Tensor:
    """Return -log softmax(logits)[label] of every pixel, from one log-softmax.

    Args:
        logits: [N, C, H, W], any float type; computed in float32.
        label: [N, H, W], any integer type; class ids in [0, C) or `ignore_index`.
        ignore_index: pixels with this label get 0, and no gradient.

    Returns:
        [N, H, W] float32, >= 0.

    Raises:
        UserError: on a CPU, a label is neither; on a GPU, Paddle's kernel ends the process.
    """
    if logits.dtype != paddle.float32:  # before Paddle 3 astype copies in any case
        logits = logits.astype("float32")
    if computes_here(logits):
        return _StripCrossEntropy.apply(logits, label, ignore_index)
    # Paddle's kernel is fused for the last axis; moving the classes there costs less than it saves.
    channels_last = logits.transpose([0, 2, 3, 1])  # [N, H, W, C]
    target = label.astype("int64").unsqueeze(-1)
    loss = F.cross_entropy(channels_last, target, ignore_index=ignore_index, reduction="none")
    return loss.squeeze(-1)


class _StripCrossEntropy(PyLayer):
    """`pixel_cross_entropy` strip by strip.

    Paddle's kernel wants the classes last, and it and the transposition go through memory many times. Here
    each logit is read once, and the exponentials become the gradient in place.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, label: Tensor, ignore_index: int) -> Tensor:
        """Map float32 logits [N, C, H, W] and integer labels [N, H, W] to float32 [N, H, W]."""
        n, classes, height, width = logits.shape
        scores, ids = as_array(logits).reshape(n, classes, -1), as_array(label).reshape(n, -1)
        exps = empty(scores.shape, scores.dtype)  # [N, C, HW]
        sums, loss = np.empty(ids.shape, np.float32), empty(ids.shape, scores.dtype)  # [N, HW]

        def compute(strip: tuple[int, slice]) -> None:
            image, pixels = strip
            of_label, valid = _of_label(ids[strip], ignore_index)
            check_ids(of_label[0], classes, ignore_index)
            exp = np.subtract(
                scores[image, :, pixels], scores[image, :, pixels].max(0), out=exps[image, :, pixels]
            )
            shifted = exp[of_label]
            np.exp(exp, out=exp).sum(0, out=sums[strip])
            loss[strip] = np.where(valid, np.log(sums[strip]) - shifted, 0)

        in_threads(compute, _strips(ids.shape))
        ctx.kept = exps, sums, ids, ignore_index
        return as_tensor(loss.reshape(n, height, width))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """Map the gradient by the result, [N, H, W], to that by the logits: (softmax - one-hot) x gradient.

        It works once, as in any PyLayer of Paddle's: the exponentials become the gradient.
        """
        (exps, sums, ids, ignore_index), ctx.kept = ctx.kept, None
        by_loss = as_array(gradient).reshape(ids.shape)

        def compute(strip: tuple[int, slice]) -> None:
            image, pixels = strip
            of_label, valid = _of_label(ids[strip], ignore_index)
            factor = np.where(valid, by_loss[strip], 0)
            exp = exps[image, :, pixels]
            exp *= factor / sums[strip]
            exp[of_label] -= factor

        in_threads(compute, _strips(ids.shape))
        return as_tensor(exps.reshape(len(exps), -1, *gradient.shape[1:]))


def check_labels(ids: Tensor, classes: int, ignore_index: int) -> None:
    """Refuse labels that are no classes; on a GPU, where that would wait for it, do nothing.

    Args:
        ids: integers, at least one; those that are ignored are replaced by a class.
        classes: how many there are.
        ignore_index: for the message.

    Raises:
        UserError: one is below 0, or too large.
    """
    if computes_here(ids):
        check_ids(as_array(ids), classes, ignore_index)


def check_ids(ids: np.ndarray, classes: int, ignore_index: int) -> None:
    """Refuse labels that are no classes; see `check_labels`."""
    if ids.view(f"u{ids.itemsize}").max() >= classes:  # one pass: as unsigned, those below 0 are large
        found = min(ids.min(), 0) or ids.max()
        raise UserError(
            f"a label holds {found}; allowed are the classes 0 to {classes - 1} and "
            f"ignore_index, {ignore_index}: correct the labels, num_classes or ignore_index "
            "(the command check_dataset finds the files)"
        )


def _strips(shape: tuple[int, ...]) -> list[tuple[int, slice]]:
    """Cut [N, HW] into (image, pixels)."""
    images, pixels = shape
    return [(image, slice(at, at + _STRIP)) for image in range(images) for at in range(0, pixels, _STRIP)]


def _of_label(ids: np.ndarray, ignore_index: int) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Return where in [C, pixels] the label is (class 0 if ignored), and which pixels are not ignored."""
    valid = ids != ignore_index
    return (np.where(valid, ids, 0), np.arange(len(ids))), valid
