"""Images -> logits: plain, flipped, at several scales, in sliding windows.

The only place that does so, for evaluation and prediction alike, so that the two cannot diverge.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import paddle
import paddle.nn.functional as F
from paddle import Tensor

from paddleseg_lite.errors import UserError

# A network, or anything that stands for one: images [N, 3, H, W] -> [logits [N, num_classes, H, W]].
Network = Callable[[Tensor], list[Tensor]]
Size = tuple[int, int]


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
    model: Network,
    images: Tensor,
    scales: tuple[float, ...] = (1.0,),
    flip_horizontal: bool = False,
    flip_vertical: bool = False,
    crop_size: Size | None = None,
    stride: Size | None = None,
) -> Tensor:
    """Return the mean logits over all scales and flips, at the images' own size.

    Args:
        model: images -> [logits, ...]; the first entry counts. Put into eval mode by the caller.
        images: float32 [N, C, H, W], normalised.
        scales, flip_horizontal, flip_vertical, crop_size, stride: see InferenceOptions.

    Returns:
        float32 [N, num_classes, H, W].

    Raises:
        UserError: see InferenceOptions.
    """
    options = InferenceOptions(tuple(scales), flip_horizontal, flip_vertical, crop_size, stride)
    return infer(model, images, options)


def infer(model: Network, images: Tensor, options: InferenceOptions) -> Tensor:
    """`augmented_logits`, with the options in one object."""
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
    return total / count  # type: ignore[operator]  # there is at least one window


def spans(length: int, window: int, step: int) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of windows that cover `length` pixels and end at its border."""
    if window >= length:
        yield 0, length
        return
    for start in range(0, length - window + step, step):
        start = min(start, length - window)
        yield start, start + window
