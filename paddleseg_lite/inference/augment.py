"""Images -> logits: plain, flipped, at several scales, in sliding windows.

The only place that does so, for evaluation and prediction alike, so that the two cannot diverge.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor

from paddleseg_lite.errors import UserError
from paddleseg_lite.inference.logits import Dense, LogitMap, Mean, Resized, add_into, best_classes, stacked
from paddleseg_lite.kernels.argmax import argmax_classes

Size = tuple[int, int]


@runtime_checkable
class Runtime(Protocol):
    """What runs a network on arrays; deploy/runtimes.py has some.

    Attributes:
        name: for messages.
    """

    name: str

    def maps(self, images: np.ndarray, axes: list[int]) -> list[LogitMap]:
        """Return the logits of each image, flipped back.

        Args:
            images: float32 [N, C, H, W], normalised, flipped along `axes` already.
            axes: axes of [N, C, H, W] along which to flip the logits; 2, 3, both or none.

        Returns:
            N maps [num_classes, H, W], which share no memory with those of another call.
        """


# A network, or anything that stands for one: images [N, 3, H, W] -> [logits [N, num_classes, H, W]].
Network = Callable[[Tensor], "list[Tensor]"]


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


def infer(model: Network | Runtime, images: Any, options: InferenceOptions) -> Any:
    """`augmented_logits`, with the options in one object."""
    if isinstance(model, Runtime):
        return stacked(_mean_maps(model, images, options))
    return _mean_logits(model, images, options)


def infer_labels(model: Network | Runtime, images: np.ndarray, options: InferenceOptions) -> np.ndarray:
    """Return the class of the highest mean logit, uint8 [N, H, W].

    Args:
        model: see `augmented_logits`.
        images: float32 [N, C, H, W], normalised.
        options: scales, flips, sliding windows.
    """
    if isinstance(model, Runtime):
        return np.stack([best_classes(logits) for logits in _mean_maps(model, images, options)])
    return argmax_classes(infer(model, paddle.to_tensor(images), options))


def _mean_maps(model: Runtime, images: np.ndarray, options: InferenceOptions) -> list[LogitMap]:
    """Return the mean logits of each image, as maps that nothing has enlarged yet if the runtime's are so."""
    size = (images.shape[2], images.shape[3])
    means = [Mean() for _ in images]
    for scale in options.scales:
        scaled = _resized_images(images, tuple(max(int(side * scale + 0.5), 1) for side in size))
        for axes in options.flips:
            flipped = np.ascontiguousarray(np.flip(scaled, tuple(axes)))
            # Handed over at once: a name for the maps would keep them during the next pass.
            if options.crop_size and options.stride:
                _add(means, _windowed_maps(model, flipped, axes, options.crop_size, options.stride), size)
            else:
                _add(means, model.maps(flipped, axes), size)
    return list(means)


def _add(means: list[Mean], maps: list[LogitMap], size: Size) -> None:
    for mean, logits in zip(means, maps):
        mean.add(logits if logits.shape[1:] == size else Resized(logits, size))


def _windowed_maps(
    model: Runtime, images: np.ndarray, axes: list[int], crop_size: Size, stride: Size
) -> list[LogitMap]:
    height, width = images.shape[2:]
    total: np.ndarray | None = None
    count = np.zeros((height, width), np.float32)
    for top, bottom in spans(height, crop_size[1], stride[1]):
        for left, right in spans(width, crop_size[0], stride[0]):
            maps = model.maps(np.ascontiguousarray(images[:, :, top:bottom, left:right]), [])
            if total is None:
                total = np.zeros((len(images), maps[0].shape[0], height, width), np.float32)
            for image, logits in zip(total, maps):
                add_into(image[:, top:bottom, left:right], logits)
            count[top:bottom, left:right] += 1
    if total is None:
        raise ValueError("no window to run")
    total /= count
    return [Dense(image) for image in np.flip(total, tuple(axes))]


def _resized_images(images: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    if images.shape[2:] == size:
        return images
    return stacked([Resized(Dense(image), (size[0], size[1])) for image in images])


def _mean_logits(model: Network, images: Tensor, options: InferenceOptions) -> Tensor:
    size = images.shape[2:]
    total: Tensor | None = None
    passes = 0
    with paddle.no_grad():
        for scale in options.scales:
            scaled = resize(images, [max(int(side * scale + 0.5), 1) for side in size])
            for axes in options.flips:
                logits = windowed_logits(model, flip(scaled, axes), options.crop_size, options.stride)
                logits = resize(flip(logits, axes), size)
                passes += 1
                if total is None:
                    total = logits
                elif passes == 2:
                    total = total + logits  # the first one may be the network's own tensor
                else:
                    total.add_(logits)  # in place: at 2048x1024 and 19 classes each copy is 160 MB
    if total is None:
        raise ValueError("no scale to run at")
    return total if passes == 1 else total.scale_(1.0 / passes)


def resize(x: Tensor, size: list[int]) -> Tensor:
    """Bilinear resize of [N, C, H, W] to size [h, w]; the tensor itself where the size is right already."""
    if list(x.shape[2:]) == list(size):
        return x
    return F.interpolate(x, size, mode="bilinear", align_corners=False)


def flip(x: Tensor, axes: list[int]) -> Tensor:
    """Flip along the axes; the tensor itself for none."""
    return paddle.flip(x, axes) if axes else x


def windowed_logits(
    model: Network, images: Tensor, crop_size: Size | None = None, stride: Size | None = None
) -> Tensor:
    """Logits of whole images, or averaged over windows of crop_size that step by stride.

    The last window of a row or column is moved back so that none reaches past the border; an image
    smaller than the window is one window.
    """
    if crop_size is None or stride is None:
        return model(images)[0]
    height, width = images.shape[2:]
    total, count = None, paddle.zeros([1, 1, height, width])
    for top, bottom in spans(height, crop_size[1], stride[1]):
        for left, right in spans(width, crop_size[0], stride[0]):
            logits = model(images[:, :, top:bottom, left:right])[0]
            if total is None:
                total = paddle.zeros([*logits.shape[:2], height, width])
            total[:, :, top:bottom, left:right] += logits
            count[:, :, top:bottom, left:right] += 1
    if total is None:
        raise ValueError("no window to run")
    return total.divide_(count)


def spans(length: int, window: int, step: int) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of windows that cover `length` pixels and end at its border."""
    if window >= length:
        yield 0, length
        return
    for start in range(0, length - window + step, step):
        start = min(start, length - window)
        yield start, start + window
