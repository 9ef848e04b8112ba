"""Transforms that change an image's size."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from paddleseg_lite.errors import UserError
from paddleseg_lite.registry import TRANSFORMS
from paddleseg_lite.transforms.arguments import number, one_of, ordered, positive, size_pair
from paddleseg_lite.transforms.base import GeometricTransform
from paddleseg_lite.transforms.window import Window

# Labels and nearest images take the pixel under the new pixel's centre, so they stay aligned with
# bilinear images; cv2.INTER_NEAREST would be off by up to half a pixel.
INTERPOLATIONS = {
    "NEAREST": cv2.INTER_NEAREST_EXACT,
    "LINEAR": cv2.INTER_LINEAR,
    "CUBIC": cv2.INTER_CUBIC,
    "AREA": cv2.INTER_AREA,
    "LANCZOS4": cv2.INTER_LANCZOS4,
}


class _Resizing(GeometricTransform):
    resamples = True


def _resize_by(window: Window, ratio: float) -> Window:
    return window.resize(round(window.height * ratio), round(window.width * ratio))


@TRANSFORMS.register
class Resize(_Resizing):
    """Resize to a given size.

    Args:
        target_size: (width, height).
        keep_ratio: keep the aspect; the longer side fits the longer of `target_size`, the shorter
            the shorter.
        size_divisor: round both sides up to a multiple of this, or None.
        interp: NEAREST, LINEAR, CUBIC, AREA, LANCZOS4, or RANDOM (a new draw for each image).
    """

    def __init__(
        self,
        target_size: Sequence[int] = (512, 512),
        keep_ratio: bool = False,
        size_divisor: int | None = None,
        interp: str = "LINEAR",
    ) -> None:
        self.target_size = size_pair("Resize", "target_size", target_size)
        self.keep_ratio = keep_ratio
        self.size_divisor = None if size_divisor is None else positive("Resize", "size_divisor", size_divisor)
        self.interp = one_of("Resize", "interp", interp, [*INTERPOLATIONS, "RANDOM"])

    def plan(self, window: Window, rng: np.random.Generator) -> Window:
        name = rng.choice(list(INTERPOLATIONS)) if self.interp == "RANDOM" else self.interp
        width, height = self.target_size
        if self.keep_ratio:
            sides = (window.width, window.height)
            ratio = min(max(self.target_size) / max(sides), min(self.target_size) / min(sides))
            width, height = (round(side * ratio) for side in sides)
        if self.size_divisor:
            width, height = (math.ceil(s / self.size_divisor) * self.size_divisor for s in (width, height))
        return window.resize(height, width, INTERPOLATIONS[str(name)])


@TRANSFORMS.register
class ResizeByLong(_Resizing):
    """Resize so that the longer side has `long_size` pixels, keeping the aspect."""

    def __init__(self, long_size: int) -> None:
        self.long_size = positive("ResizeByLong", "long_size", long_size)

    def plan(self, window: Window, rng: np.random.Generator) -> Window:
        return _resize_by(window, self.long_size / max(window.height, window.width))


@TRANSFORMS.register
class ResizeByShort(_Resizing):
    """Resize so that the shorter side has `short_size` pixels, keeping the aspect.

    Args:
        short_size: pixels, or a list of which one is drawn for each image.
        max_size: the longer side stays within this.
    """

    def __init__(self, short_size: int | Sequence[int], max_size: float = 1e10) -> None:
        sizes = list(short_size) if isinstance(short_size, (list, tuple)) else [short_size]
        self.short_sizes = [positive("ResizeByShort", "short_size", size) for size in sizes]
        if not self.short_sizes:
            raise UserError("ResizeByShort: short_size must be a positive integer or a list of them, got []")
        self.max_size = number("ResizeByShort", "max_size", max_size, 1)

    def plan(self, window: Window, rng: np.random.Generator) -> Window:
        short, long = sorted((window.height, window.width))
        size = int(rng.choice(self.short_sizes)) if len(self.short_sizes) > 1 else self.short_sizes[0]
        if size / short * long > self.max_size:
            size = max(int(self.max_size / long * short), 1)
        return _resize_by(window, size / short)


@TRANSFORMS.register
class LimitLong(_Resizing):
    """Bring the longer side into [min_long, max_long], keeping the aspect; None is no limit."""

    def __init__(self, max_long: int | None = None, min_long: int | None = None) -> None:
        self.max_long = None if max_long is None else positive("LimitLong", "max_long", max_long)
        self.min_long = None if min_long is None else positive("LimitLong", "min_long", min_long)
        if self.max_long and self.min_long and self.min_long > self.max_long:
            raise UserError(f"LimitLong: min_long ({min_long}) must not exceed max_long ({max_long})")

    def plan(self, window: Window, rng: np.random.Generator) -> Window:
        long = max(window.height, window.width)
        if self.max_long and long > self.max_long:
            return _resize_by(window, self.max_long / long)
        if self.min_long and long < self.min_long:
            return _resize_by(window, self.min_long / long)
        return window


@TRANSFORMS.register
class ResizeRangeScaling(_Resizing):
    """Resize so that the longer side has a number of pixels drawn uniformly from [min_value, max_value]."""

    def __init__(self, min_value: float = 400, max_value: float = 600) -> None:
        ordered("ResizeRangeScaling", "min_value", min_value, "max_value", max_value, least=1)
        self.min_value = min_value
        self.max_value = max_value

    def plan(self, window: Window, rng: np.random.Generator) -> Window:
        long = int(rng.uniform(self.min_value, self.max_value) + 0.5)
        return _resize_by(window, long / max(window.height, window.width))


@TRANSFORMS.register
class ResizeStepScaling(_Resizing):
    """Scale by a random factor, keeping the aspect.

    Args:
        min_scale_factor: smallest factor.
        max_scale_factor: largest factor.
        scale_step_size: factors are drawn from equal steps of about this width, both ends included; 0 draws
            any factor in between.
    """

    def __init__(
        self, min_scale_factor: float = 0.75, max_scale_factor: float = 1.25, scale_step_size: float = 0.25
    ) -> None:
        owner = "ResizeStepScaling"
        ordered(owner, "min_scale_factor", min_scale_factor, "max_scale_factor", max_scale_factor, least=1e-3)
        number(owner, "scale_step_size", scale_step_size, 0)
        self.min_scale_factor = min_scale_factor
        self.max_scale_factor = max_scale_factor
        self.scale_step_size = scale_step_size

    def plan(self, window: Window, rng: np.random.Generator) -> Window:
        return _resize_by(window, self._draw(rng))

    def _draw(self, rng: np.random.Generator) -> float:
        low, high = self.min_scale_factor, self.max_scale_factor
        if low == high:
            return low
        if self.scale_step_size == 0:
            return float(rng.uniform(low, high))
        # Without the 1e-9, (1.25 - 0.95) / 0.1 loses its last step to rounding.
        steps = int((high - low) / self.scale_step_size + 1 + 1e-9)
        return float(rng.choice(np.linspace(low, high, steps)))
