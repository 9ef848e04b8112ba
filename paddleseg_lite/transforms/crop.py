"""Transforms that cut a part out of an image."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from paddleseg_lite.errors import UserError
from paddleseg_lite.registry import TRANSFORMS
from paddleseg_lite.transforms.arguments import number, ordered, padding, positive, size_pair
from paddleseg_lite.transforms.base import GeometricTransform
from paddleseg_lite.transforms.sample import Sample, render, render_array
from paddleseg_lite.transforms.window import Window

_DRAWS = 10


@TRANSFORMS.register
class RandomPaddingCrop(GeometricTransform):
    """Crop a random rectangle; what is too small is padded on the right and at the bottom first.

    Args:
        crop_size: (width, height).
        im_padding_value: padding of the image, on the scale 0 to 255.
        label_padding_value: padding of the label.
        category_max_ratio: draw again while one class covers this share of the crop's valid pixels or more;
            1.0 takes the first draw.
        ignore_index: label that doesn't count for `category_max_ratio`.
        loop_times: draws before the last one is taken as it is.
    """

    fill: tuple[float, int]

    def __init__(
        self,
        crop_size: Sequence[int] = (512, 512),
        im_padding_value: float = 127.5,
        label_padding_value: int = 255,
        category_max_ratio: float = 1.0,
        ignore_index: int = 255,
        loop_times: int = 10,
    ) -> None:
        owner = "RandomPaddingCrop"
        self.crop_size = size_pair(owner, "crop_size", crop_size)
        number(owner, "category_max_ratio", category_max_ratio, 1e-9)
        number(owner, "ignore_index", ignore_index, 0, 255)
        positive(owner, "loop_times", loop_times)
        self.fill = padding(owner, im_padding_value, label_padding_value)
        self.label_padding_value = self.fill[1]
        self.category_max_ratio = category_max_ratio
        self.ignore_index = ignore_index
        self.loop_times = loop_times
        # Weighing the classes needs the label's pixels.
        self.plannable = category_max_ratio >= 1.0

    def plan(self, window: Window, rng: np.random.Generator) -> Window:
        width, height = self.crop_size
        if (window.width, window.height) == (width, height):
            return window
        bottom, right = max(height - window.height, 0), max(width - window.width, 0)
        if bottom or right:
            window = window.pad(0, bottom, 0, right, *self.fill)
        top = int(rng.integers(0, window.height - height + 1))
        left = int(rng.integers(0, window.width - width + 1))
        return window.crop(top, left, height, width)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Crop, and draw again while one class has too large a share."""
        identity = Window.identity(*sample.size)
        window = self.plan(identity, rng)
        if not self.plannable and sample.label is not None and not sample.label_at_source:
            for _ in range(self.loop_times):
                label = render_array(sample.label, window, cv2.INTER_NEAREST_EXACT, window.label_fill)
                if self._is_mixed(label):
                    break
                window = self.plan(identity, rng)
        return render(sample, window)

    def _is_mixed(self, label: np.ndarray) -> bool:
        counts = np.bincount(label.ravel(), minlength=256)
        counts[self.ignore_index] = 0
        share = counts.max() / max(counts.sum(), 1)
        return bool(np.count_nonzero(counts) > 1 and share < self.category_max_ratio)


@TRANSFORMS.register
class RandomCenterCrop(GeometricTransform):
    """Crop away a random part, keeping at least a given share of each side.

    Args:
        retain_ratio: (of the width, of the height), each in [0, 1]. Pixels to lose are drawn uniformly below
            side x (1 - ratio), then how many of them are lost on the left (top).
    """

    def __init__(self, retain_ratio: Sequence[float] = (0.5, 0.5)) -> None:
        if not isinstance(retain_ratio, (list, tuple)) or len(retain_ratio) != 2:
            raise UserError(f"RandomCenterCrop: retain_ratio must be two numbers, got {retain_ratio!r}")
        for ratio in retain_ratio:
            number("RandomCenterCrop", "retain_ratio", ratio, 0, 1)
        self.retain_ratio = (retain_ratio[0], retain_ratio[1])

    def plan(self, window: Window, rng: np.random.Generator) -> Window:
        keep_x, keep_y = self.retain_ratio
        left, width = self._draw(window.width, keep_x, rng)
        top, height = self._draw(window.height, keep_y, rng)
        return window.crop(top, left, height, width)

    @staticmethod
    def _draw(side: int, keep: float, rng: np.random.Generator) -> tuple[int, int]:
        lost = int(rng.integers(max(int(side * (1 - keep)), 1)))
        before = int(rng.integers(max(lost, 1)))
        return before, side - lost


@TRANSFORMS.register
class RandomScaleAspect(GeometricTransform):
    """Crop a rectangle of random area and aspect, and stretch it to the size the image had.

    Args:
        min_scale: smallest area as a share of the image's; 0 turns the transform off.
        aspect_ratio: aspects are drawn from [aspect_ratio, 1 / aspect_ratio]; 0 turns the transform off.
    """

    resamples = True

    def __init__(self, min_scale: float = 0.5, aspect_ratio: float = 0.33) -> None:
        self.min_scale = number("RandomScaleAspect", "min_scale", min_scale, 0, 1)
        self.aspect_ratio = number("RandomScaleAspect", "aspect_ratio", aspect_ratio, 0, 1)

    def plan(self, window: Window, rng: np.random.Generator) -> Window:
        """Crop the canvas to the first of ten rectangles that fits, and stretch it back; else leave it."""
        if not self.min_scale or not self.aspect_ratio:
            return window
        canvas = np.array([[window.height], [window.width]])
        area = canvas.prod() * rng.uniform(self.min_scale, 1, 10)
        aspect = rng.uniform(self.aspect_ratio, 1 / self.aspect_ratio, 10) ** rng.choice([-1, 1], 10)
        sides = np.sqrt([area / aspect, area * aspect]).astype(int)  # [2, 10]: heights, widths
        fitting = sides[:, ((sides > 0) & (sides < canvas)).all(axis=0)]
        if not fitting.size:
            return window
        height, width = fitting[:, 0].tolist()
        top, left = rng.integers(canvas[:, 0] - fitting[:, 0]).tolist()
        return window.crop(top, left, height, width).resize(window.height, window.width)


@TRANSFORMS.register
class RandomResizedCrop(GeometricTransform):
    """Crop a rectangle of random area and aspect, and resize it; Inception's augmentation.

    Args:
        size: side of the result, or (width, height).
        scale: (smallest, largest) area as a share of the image's; drawn uniformly.
        ratio: (smallest, largest) aspect, width by height; its logarithm is drawn uniformly. If none of ten
            draws fits into the image, its middle is taken, as large as the aspects allow.
    """

    resamples = True

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3 / 4, 4 / 3),
    ) -> None:
        owner = type(self).__name__
        self.size = _size(owner, size)
        for name, value in (("scale", scale), ("ratio", ratio)):
            if not isinstance(value, (list, tuple)) or len(value) != 2:
                raise UserError(f"{owner}: {name} must be two numbers, got {value!r}")
            ordered(owner, f"{name}[0]", value[0], f"{name}[1]", value[1], least=1e-6)
        number(owner, "scale[1]", scale[1], 0, 1)
        self.scale, self.ratio = (scale[0], scale[1]), (ratio[0], ratio[1])

    def plan(self, window: Window, rng: np.random.Generator) -> Window:
        height, width = self._sides(window, rng)
        top = int(rng.integers(0, window.height - height + 1))
        left = int(rng.integers(0, window.width - width + 1))
        return window.crop(top, left, height, width).resize(*self.size[::-1])

    def _sides(self, window: Window, rng: np.random.Generator) -> tuple[int, int]:
        """Return the height and width of what is cropped."""
        narrow, wide = self.ratio
        for _ in range(_DRAWS):
            area = window.height * window.width * rng.uniform(*self.scale)
            aspect = np.exp(rng.uniform(np.log(narrow), np.log(wide)))
            width, height = round(np.sqrt(area * aspect)), round(np.sqrt(area / aspect))
            if 0 < width <= window.width and 0 < height <= window.height:
                return height, width
        width = max(min(window.width, round(window.height * wide)), 1)
        return max(min(window.height, round(width / narrow)), 1), width


@TRANSFORMS.register
class CenterCrop(GeometricTransform):
    """Keep the middle.

    Args:
        size: side of the result, or (width, height).
    """

    def __init__(self, size: int | Sequence[int]) -> None:
        self.size = _size(type(self).__name__, size)

    def plan(self, window: Window, rng: np.random.Generator) -> Window:
        width, height = self.size
        if window.width < width or window.height < height:
            raise UserError(
                f"CenterCrop: size is {width}x{height} (width x height), but the image has {window.width}x"
                f"{window.height}; put ResizeByShort before it"
            )
        return window.crop((window.height - height) // 2, (window.width - width) // 2, height, width)


def _size(owner: str, size: int | Sequence[int]) -> tuple[int, int]:
    """Return (width, height) of a side or of both."""
    return size_pair(owner, "size", [size, size] if isinstance(size, int) else size)
