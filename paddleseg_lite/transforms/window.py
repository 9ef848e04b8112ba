"""Axis-aligned geometry as a plan: which part of the source a canvas shows, and where.

A resize, crop, padding or flip only changes numbers here; `render` later touches each pixel once, and only
the pixels that survive. Positions are edges: pixel i covers [i, i + 1), so a resize by r multiplies them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

# A canvas whose pixel grid is this close to the plain order's (in pixels) counts as the same.
GRID_TOLERANCE = 1 / 64
# Source pixels that the widest interpolation kernel (Lanczos, 8 taps) looks at on each side.
KERNEL_REACH = 4
# Keeps positions that are whole but for floating-point errors on their own pixel.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Cut:
    """The slice of one source axis that is read, and which of its resized pixels reach the canvas."""

    # first, last: canvas pixels (last is exclusive) that show the source, before any flip
    first: int
    last: int
    # start, stop: source pixels to read for them
    start: int
    stop: int
    skip: int  # pixels of the resized slice before the first one that is shown
    # scale, offset: the axis' own, before any flip
    scale: float
    offset: float
    fits: bool  # the resized slice has the canvas' pixel grid, to within GRID_TOLERANCE
    is_whole: bool  # the shown range begins and ends at pixel edges
    nearest: np.ndarray  # [last - first] the source pixel under the centre of each shown canvas pixel


@dataclass(frozen=True)
class Axis:
    """One axis of a window: canvas position = scale * source position + offset."""

    source: int  # length of the source, pixels
    size: int  # length of the canvas, pixels
    scale: float  # canvas pixels per source pixel; negative when flipped
    offset: float  # canvas position of the source's edge 0
    # low, high: canvas range that shows the source; the rest is padding
    low: float
    high: float
    # begin, end: source pixels that interpolation may look at: a crop before the resize hides the others
    begin: int
    end: int

    @classmethod
    def whole(cls, length: int) -> Axis:
        """Return the axis that shows a source of `length` pixels as it is."""
        return cls(length, length, 1.0, 0.0, 0.0, float(length), 0, length)

    def crop(self, start: int, size: int) -> Axis:
        """Keep `size` canvas pixels from `start` on."""
        low, high = (min(max(edge - start, 0.0), float(size)) for edge in (self.low, self.high))
        return replace(self, size=size, offset=self.offset - start, low=low, high=high)

    def pad(self, before: int, after: int) -> Axis:
        """Add canvas pixels that show nothing."""
        return replace(
            self,
            size=self.size + before + after,
            offset=self.offset + before,
            low=self.low + before,
            high=self.high + before,
        )

    def resize(self, size: int) -> Axis:
        """Stretch the canvas to `size` pixels; only what is visible now can be interpolated from."""
        ratio = size / self.size
        begin, end = sorted(round((edge - self.offset) / self.scale) for edge in (self.low, self.high))
        return replace(
            self,
            size=size,
            scale=self.scale * ratio,
            offset=self.offset * ratio,
            low=self.low * ratio,
            high=self.high * ratio,
            begin=begin,
            end=end,
        )

    def flip(self) -> Axis:
        """Mirror the canvas."""
        return replace(
            self,
            scale=-self.scale,
            offset=self.size - self.offset,
            low=self.size - self.high,
            high=self.size - self.low,
        )

    @property
    def flipped(self) -> bool:
        """Whether the canvas runs against the source."""
        return self.scale < 0

    @property
    def shows_all(self) -> bool:
        """Whether no source pixel was cropped away."""
        return (self.high - self.low) / abs(self.scale) > self.source - 0.5

    def cut(self) -> Cut | None:
        """Return what to read from the source and where it goes, or None when the canvas shows padding only.

        Resizing a slice puts its first pixel on a pixel of its own, so the slice starts where the whole
        image's resized grid has a pixel edge too: the planned canvas then equals the plain one.
        """
        axis = self.flip() if self.flipped else self
        first, last = _pixel(axis.low), _pixel(axis.high)
        if first >= last:
            return None
        reach = KERNEL_REACH + math.ceil(1 / axis.scale)
        wanted = math.floor((first - axis.offset) / axis.scale) - reach
        wanted = min(max(wanted, axis.begin), axis.end - 1)
        stop = min(math.ceil((last - axis.offset) / axis.scale) + reach, axis.end)

        starts = np.arange(axis.begin, wanted + 1)
        edges = axis.scale * starts + axis.offset
        misfit = np.abs(edges - np.rint(edges))
        fitting = np.flatnonzero(misfit <= GRID_TOLERANCE)
        start = int(starts[fitting[-1] if fitting.size else -1])
        skip = first - _pixel(axis.scale * start + axis.offset)
        under = (np.arange(first, last) + 0.5 - axis.offset) / axis.scale + ROUNDING
        nearest = np.clip(under.astype(np.intp), axis.begin, axis.end - 1)
        is_whole = abs(axis.low - first) < ROUNDING and abs(axis.high - last) < ROUNDING
        return Cut(
            first, last, start, stop, skip, axis.scale, axis.offset, fitting.size > 0, is_whole, nearest
        )


def _pixel(edge: float) -> int:
    """Return the first pixel whose centre lies at or behind `edge`."""
    return math.ceil(edge - 0.5 - ROUNDING)


@dataclass(frozen=True)
class Window:
    """The map between a source image and the canvas made from it."""

    # y, x: the vertical and the horizontal axis
    y: Axis
    x: Axis
    # cv2's constant for resizing images; labels are always resized to the nearest
    interpolation: int = cv2.INTER_LINEAR
    image_fill: float = 127.5  # padding value of images, on the scale 0 to 255
    label_fill: int = 255  # padding value of labels

    @classmethod
    def identity(cls, height: int, width: int) -> Window:
        """Return the window that shows a source of this size as it is."""
        return cls(Axis.whole(height), Axis.whole(width))

    @property
    def height(self) -> int:
        """Height of the canvas, pixels."""
        return self.y.size

    @property
    def width(self) -> int:
        """Width of the canvas, pixels."""
        return self.x.size

    @property
    def shows_all(self) -> bool:
        """Whether every source pixel is on the canvas."""
        return self.y.shows_all and self.x.shows_all

    def crop(self, top: int, left: int, height: int, width: int) -> Window:
        """Keep a rectangle of the canvas, which must contain it."""
        return replace(self, y=self.y.crop(top, height), x=self.x.crop(left, width))

    def pad(self, top: int, bottom: int, left: int, right: int, image_fill: float, label_fill: int) -> Window:
        """Add padding around the canvas."""
        y, x = self.y.pad(top, bottom), self.x.pad(left, right)
        return replace(self, y=y, x=x, image_fill=image_fill, label_fill=label_fill)

    def resize(self, height: int, width: int, interpolation: int = cv2.INTER_LINEAR) -> Window:
        """Stretch the canvas to `height` x `width`, at least 1 x 1."""
        y, x = self.y.resize(max(height, 1)), self.x.resize(max(width, 1))
        return replace(self, y=y, x=x, interpolation=interpolation)

    def flip_horizontal(self) -> Window:
        """Mirror left and right."""
        return replace(self, x=self.x.flip())

    def flip_vertical(self) -> Window:
        """Mirror top and bottom."""
        return replace(self, y=self.y.flip())

    def restore(self, array: Any) -> Any:
        """Undo the window: cut padding away, flip back, resize to the source.

        Args:
            array: [C, height, width] or [height, width] on the canvas. Floats (logits, probabilities) are
                resized bilinearly, integers (class ids) to the nearest. A tensor: logits [C, height, width].

        Returns:
            The same at the source's size, same dtype; of a tensor one that never left its device.

        Raises:
            ValueError: the array isn't of the canvas' size, or part of the source isn't on the canvas.
        """
        if tuple(array.shape[-2:]) != (self.height, self.width):
            raise ValueError(f"array of {tuple(array.shape[-2:])}, canvas of {(self.height, self.width)}")
        rows, columns = self.y.cut(), self.x.cut()
        if rows is None or columns is None or not self.shows_all:
            raise ValueError("part of the source is not on the canvas, so it cannot be restored")
        if not isinstance(array, np.ndarray):
            return self._restore_tensor(array, rows, columns)
        array = array[..., :: -1 if self.y.flipped else 1, :: -1 if self.x.flipped else 1]
        size = (self.y.source, self.x.source)
        out = np.empty(array.shape[:-2] + size, array.dtype)
        for plane, target in zip(array.reshape(-1, self.height, self.width), out.reshape(-1, *size)):
            target[...] = _restore_plane(np.ascontiguousarray(plane), rows, columns, size)
        return out

    def _restore_tensor(self, logits: Any, rows: Cut, columns: Cut) -> Any:
        """Return `restore` of logits [C, height, width] that lie on a device."""
        from paddleseg_lite.kernels.resize import resample, resize  # only who has a tensor imports Paddle

        if not (rows.is_whole and columns.is_whole):
            lines = [(axis.scale, axis.offset, axis.source) for axis in (self.y, self.x)]
            return resample(logits.unsqueeze(0), *lines)[0]
        axes = [axis for axis, side in ((1, self.y), (2, self.x)) if side.flipped]
        logits = logits.flip(axes) if axes else logits
        logits = logits[:, rows.first : rows.last, columns.first : columns.last]
        size = [self.y.source, self.x.source]
        if list(logits.shape[1:]) == size:
            return logits
        return resize(logits.unsqueeze(0), size, align_corners=False)[0]


def _restore_plane(plane: np.ndarray, rows: Cut, columns: Cut, size: tuple[int, int]) -> np.ndarray:
    """Return an unflipped canvas [H, W] at the source's size."""
    is_integer = np.issubdtype(plane.dtype, np.integer)
    if rows.is_whole and columns.is_whole:
        plane = plane[rows.first : rows.last, columns.first : columns.last]
        how = cv2.INTER_NEAREST_EXACT if is_integer else cv2.INTER_LINEAR
        return plane if plane.shape == size else cv2.resize(plane, size[::-1], interpolation=how)
    # The image begins or ends inside a pixel (it was padded, then resized): no slice is exactly the image.
    matrix = np.zeros((2, 3))
    for axis, cut in enumerate((columns, rows)):
        matrix[axis, axis] = cut.scale
        matrix[axis, 2] = cut.offset + 0.5 * cut.scale - 0.5  # from edges to pixel centres
    how = cv2.WARP_INVERSE_MAP | (cv2.INTER_NEAREST if is_integer else cv2.INTER_LINEAR)
    return cv2.warpAffine(plane, matrix, size[::-1], flags=how, borderMode=cv2.BORDER_REPLICATE)
