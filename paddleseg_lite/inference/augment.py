"""Images -> logits: plain, flipped, at several scales, in sliding windows.

The only place that does so, for evaluation and prediction alike, so that the two cannot diverge. The
mean over the passes is taken by `runners`: of tensors, or of a runtime's arrays.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Union

import numpy as np
import paddle
from paddle import Tensor

from paddleseg_lite.errors import UserError
from paddleseg_lite.inference.logits import best_classes, best_with_confidence, stacked
from paddleseg_lite.inference.runners import Network, Runner, Runtime, runner_of
from paddleseg_lite.kernels.argmax import argmax_classes
from paddleseg_lite.kernels.memory import array_if_here

Size = tuple[int, int]
Values = Union[np.ndarray, Tensor]  # an array, or a tensor on another device than the CPU
_log = logging.getLogger(__name__)
_told: set[Size] = set()  # windows of which it was logged that they are larger than an image


@dataclass(frozen=True)
class InferenceOptions:
    """How images become logits; the defaults are one plain forward pass.

    Attributes:
        scales: factors on both sides of the image, each > 0.
        flip_horizontal: also run the image mirrored left to right.
        flip_vertical: also run it upside down; with both flips, all four combinations run.
        crop_size: (width, height) of a sliding window in pixels, or None for whole images.
        stride: (width, height) of the window's step in pixels; needed with `crop_size`.

    Raises:
        UserError: a scale, a window or a step that is not positive, or one of crop_size and stride alone.
    """

    scales: tuple[float, ...] = (1.0,)
    flip_horizontal: bool = False
    flip_vertical: bool = False
    crop_size: Size | None = None
    stride: Size | None = None

    def __post_init__(self) -> None:
        if not self.scales or not all(0 < scale < math.inf for scale in self.scales):
            raise UserError(f"scales are {list(self.scales)}; give one or more factors above 0")
        if (self.crop_size is None) != (self.stride is None):
            raise UserError(
                f"a sliding window needs both crop_size and stride (width height), found "
                f"crop_size {self.crop_size} and stride {self.stride}"
            )
        for name, size in (("crop_size", self.crop_size), ("stride", self.stride)):
            if size is not None and (len(size) != 2 or min(size) < 1):
                raise UserError(f"{name} is {list(size)}; give a width and a height of 1 pixel or more")
        if self.crop_size and self.stride and any(s > c for s, c in zip(self.stride, self.crop_size)):
            raise UserError(
                f"the stride {list(self.stride)} is larger than the window {list(self.crop_size)} and would "
                f"leave pixels out; give a stride of at most the window's size"
            )

    @property
    def flips(self) -> list[list[int]]:
        """Axes of [N, C, H, W] to flip, one list for each pass."""
        horizontal = [[], [3]] if self.flip_horizontal else [[]]
        vertical = [[], [2]] if self.flip_vertical else [[]]
        return [v + h for v in vertical for h in horizontal]


PLAIN = InferenceOptions()


def augmented_logits(
    model: Network | Runtime,
    images: Any,
    scales: tuple[float, ...] = (1.0,),
    flip_horizontal: bool = False,
    flip_vertical: bool = False,
    crop_size: Size | None = None,
    stride: Size | None = None,
) -> Any:
    """Return the mean logits over all scales and flips, at the images' own size.

    Args:
        model: images -> [logits, ...]; the first entry counts. Put into eval mode by the caller. Or a
            Runtime.
        images: float32 [N, C, H, W], normalised; a tensor, or for a Runtime an array.
        scales, flip_horizontal, flip_vertical, crop_size, stride: see InferenceOptions.

    Returns:
        float32 [N, num_classes, H, W], a tensor or an array as `images` is.

    Raises:
        UserError: see InferenceOptions.
    """
    options = InferenceOptions(tuple(scales), flip_horizontal, flip_vertical, crop_size, stride)
    return infer(model, images, options)


@paddle.no_grad()
def infer(model: Network | Runtime, images: Any, options: InferenceOptions) -> Any:
    """`augmented_logits`, with the options in one object."""
    logits = _mean_logits(model, images, options)
    return stacked(logits) if isinstance(model, Runtime) else logits


@paddle.no_grad()
def infer_labels(model: Network | Runtime, images: np.ndarray | Tensor, options: InferenceOptions) -> Values:
    """Return the class of the highest mean logit, uint8 [N, H, W].

    Args:
        model: see `augmented_logits`.
        images: float32 [N, C, H, W], normalised; for a Runtime an array.
        options: scales, flips, sliding windows.

    Returns:
        An array, or of a live network on another device than the CPU a tensor there.
    """
    if isinstance(model, Runtime):
        return np.stack([best_classes(logits) for logits in _mean_logits(model, images, options)])
    return argmax_classes(infer(model, _tensor(images), options))


def infer_with_confidence(
    runtime: Runtime, images: np.ndarray, options: InferenceOptions
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return `infer_labels` of a runtime, and the confidence in each, image by image."""
    return [best_with_confidence(logits) for logits in _mean_logits(runtime, images, options)]


def infer_values(model: Network | Runtime, images: np.ndarray | Tensor, options: InferenceOptions) -> Values:
    """Return `infer`, float32 [N, num_classes, H, W]; an array or a tensor as `infer_labels` returns."""
    if isinstance(model, Runtime):
        return infer(model, images, options)
    return array_if_here(infer(model, _tensor(images), options))


def _tensor(images: np.ndarray | Tensor) -> Tensor:
    return paddle.to_tensor(images) if isinstance(images, np.ndarray) else images


def _mean_logits(model: Network | Runtime, images: Any, options: InferenceOptions) -> Any:
    """Return the mean over all scales, flips and windows: a tensor, or of a runtime a map for each image."""
    height, width = images.shape[2:]
    runner = runner_of(model, (height, width))
    for scale in options.scales:
        size = (max(int(height * scale + 0.5), 1), max(int(width * scale + 0.5), 1))
        scaled = runner.resize(images, size)
        for axes in options.flips:
            flipped = runner.flip(scaled, axes)
            # Handed over at once: a name for the logits would keep them during the next pass.
            if options.crop_size and options.stride:
                runner.add(_windowed_logits(runner, flipped, axes, options.crop_size, options.stride))
            else:
                runner.add(runner.run(flipped, axes))
    return runner.mean()


def _windowed_logits(runner: Runner, images: Any, axes: list[int], crop_size: Size, stride: Size) -> Any:
    """Return logits averaged over windows of crop_size that step by stride.

    The last window of a row or column is moved back so that none reaches past the border; an image
    smaller than the window is one window.
    """
    height, width = images.shape[2:]
    if width < crop_size[0] or height < crop_size[1]:
        _tell_large_window(crop_size, width, height)
    total = None
    rows = tuple(spans(height, crop_size[1], stride[1]))
    columns = tuple(spans(width, crop_size[0], stride[0]))
    for top, bottom in rows:
        for left, right in columns:
            window = (slice(top, bottom), slice(left, right))
            logits = runner.run(images[:, :, top:bottom, left:right], [])
            total = runner.add_window(total, logits, window, (height, width))
    return runner.divide(total, rows, columns, axes)


def _tell_large_window(crop_size: Size, width: int, height: int) -> None:
    """Log it of the first image, not of each."""
    if crop_size in _told:
        return
    _told.add(crop_size)
    _log.warning(
        f"is_slide: the window of {crop_size[0]}x{crop_size[1]} is larger than an image of {width}x{height} "
        "pixels (width x height, as the network gets it) and is cut to it; where both sides are, nothing "
        "slides: a smaller crop_size does, or no is_slide"
    )


def spans(length: int, window: int, step: int) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of windows that cover `length` pixels and end at its border."""
    if window >= length:
        yield 0, length
        return
    for start in range(0, length - window + step, step):
        start = min(start, length - window)
        yield start, start + window
