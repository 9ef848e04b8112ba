"""What travels through the transforms: an image, its label, and the way back to the source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from paddleseg_lite.errors import UserError
from paddleseg_lite.transforms.window import Cut, Window

MOST_CHANNELS = 128  # that cv2 takes at a time; an image may have more


@dataclass(frozen=True)
class Sample:
    """An image on its way from the disk to the network.

    Attributes:
        image: [H, W, C], RGB when C is 3; uint8 or uint16 as read, float32 after Normalize. It may be a
            memory map, since nothing writes into it, or before the first transform whatever has a shape and a
            dtype, gives an array when it is indexed, and can be made one by np.asarray.
        label: [H, W] uint8 class ids, or None. At the image's size, or at the source's if `label_at_source`.
            A whole image has int64 [], which comes behind the transforms.
        path: the image's file, for messages and results.
        source_size: (height, width) before any transform.
        windows: the geometry done so far, oldest first.
        label_at_source: leave the label alone and keep the way back open; what evaluation and prediction do.
    """

    image: np.ndarray
    label: np.ndarray | None = None
    path: str = ""
    source_size: tuple[int, int] = (0, 0)
    windows: tuple[Window, ...] = ()
    label_at_source: bool = False

    @classmethod
    def from_source(
        cls, image: np.ndarray, label: np.ndarray | None = None, path: str = "", label_at_source: bool = False
    ) -> Sample:
        """Make a sample from an image [H, W, C] or [H, W] just read, and its label."""
        image = image if image.ndim == 3 else image[..., None]
        return cls(image, label, path, (image.shape[0], image.shape[1]), (), label_at_source)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the image now."""
        return self.image.shape[0], self.image.shape[1]

    def loaded(self) -> Sample:
        """Return the sample with its image and label as arrays; both stay as they are if they are."""
        if isinstance(self.image, np.ndarray) and (self.label is None or isinstance(self.label, np.ndarray)):
            return self
        label = None if self.label is None else np.asarray(self.label)
        return replace(self, image=np.asarray(self.image), label=label)

    def restore(self, array: Any) -> Any:
        """Put a prediction for the transformed image back on the source's pixels.

        Args:
            array: [C, h, w] or [h, w] at the image's present size; floats (logits) are resized bilinearly,
                integers (class ids) to the nearest. A tensor, of logits [C, h, w], stays on its device.

        Returns:
            [C, H, W] or [H, W] at `source_size`.
        """
        for window in reversed(self.windows):
            array = window.restore(array)
        return array


def render(sample: Sample, window: Window) -> Sample:
    """Return the sample as seen through the window: one cut, one resize, one flip.

    Raises:
        UserError: the label stays at the source, and the window would lose part of the image.
    """
    if window == Window.identity(*sample.size):
        return sample
    if sample.label_at_source and not window.shows_all:
        raise UserError(
            f"{sample.path or 'an image'}: a transform cuts part of the image away, but evaluation and "
            "prediction need all of it; remove random crops from the 'val' data set's transforms"
        )
    label = sample.label
    if label is not None and not sample.label_at_source:
        label = render_array(label, window, cv2.INTER_NEAREST_EXACT, window.label_fill)
    return replace(
        sample,
        image=render_array(sample.image, window, window.interpolation, window.image_fill),
        label=label,
        windows=(*sample.windows, window),
    )


def render_array(array: np.ndarray, window: Window, interpolation: int, fill: float) -> np.ndarray:
    """Return an image [H, W, C] (or a label [H, W]) as the window's canvas, contiguous, same dtype."""
    shape = (window.height, window.width, *array.shape[2:])
    rows, columns = window.y.cut(), window.x.cut()
    if rows is None or columns is None:
        return np.full(shape, padding_value(array, fill), array.dtype)
    piece = _read(array, rows, columns, interpolation)
    if piece.shape != shape:
        canvas = np.full(shape, padding_value(array, fill), array.dtype)
        height, width = piece.shape[:2]
        canvas[rows.first : rows.first + height, columns.first : columns.first + width] = piece
        piece = canvas
    code = {(True, True): -1, (True, False): 0, (False, True): 1}.get((window.y.flipped, window.x.flipped))
    if code is None:
        return np.ascontiguousarray(piece)
    if piece.ndim == 2:
        return cv2.flip(piece, code)
    return by_groups(lambda group: cv2.flip(group, code), piece)


def _read(array: np.ndarray, rows: Cut, columns: Cut, interpolation: int) -> np.ndarray:
    """Return the part of the source that the canvas shows, resized; nothing else of the source is read."""
    if rows.scale == columns.scale == 1.0:
        return array[rows.nearest[0] : rows.nearest[-1] + 1, columns.nearest[0] : columns.nearest[-1] + 1]
    if interpolation == cv2.INTER_NEAREST_EXACT:
        # cv2 rounds a slice's scale to whole pixels here, which would shift labels against images.
        return np.take(array[rows.nearest], columns.nearest, axis=1)
    piece = array[rows.start : rows.stop, columns.start : columns.stop]
    if not (rows.fits and columns.fits):
        return _warp_slice(piece, rows, columns, interpolation)
    # Given a scale instead of a size, cv2 keeps the whole image's grid whatever the slice.
    # It takes any number of planes, but not with every interpolation, so they go in by fours.
    fours = [piece[..., i : i + 4] for i in range(0, piece.shape[2], 4)]
    fours = [cv2.resize(four, None, None, columns.scale, rows.scale, interpolation) for four in fours]
    piece = np.dstack(fours) if len(fours) > 1 else fours[0].reshape(*fours[0].shape[:2], piece.shape[2])
    height, width = rows.last - rows.first, columns.last - columns.first
    return piece[rows.skip : rows.skip + height, columns.skip : columns.skip + width]


def _warp_slice(piece: np.ndarray, rows: Cut, columns: Cut, interpolation: int) -> np.ndarray:
    """Resize a slice whose pixel grid no resize would hit; rare (padding before a resize), and slower."""
    matrix = np.zeros((2, 3))
    for axis, cut in enumerate((columns, rows)):
        matrix[axis, axis] = 1 / cut.scale
        matrix[axis, 2] = (cut.first + 0.5 - cut.offset) / cut.scale - 0.5 - cut.start
    size = (columns.last - columns.first, rows.last - rows.first)
    flags = cv2.WARP_INVERSE_MAP | (cv2.INTER_LINEAR if interpolation == cv2.INTER_AREA else interpolation)
    planes = [
        cv2.warpAffine(plane, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        for plane in planes_of(piece)
    ]
    return np.stack(planes, axis=-1)


def planes_of(image: np.ndarray) -> list[np.ndarray]:
    """Return the channels of an image [H, W, C] as arrays [H, W]."""
    return [plane for group in _groups(image) for plane in cv2.split(group)]


def by_groups(change: Callable[[np.ndarray], np.ndarray], image: np.ndarray) -> np.ndarray:
    """Return what a function of cv2's makes of an image [H, W, C], whatever C is."""
    # cv2 drops a single channel's axis.
    done = [change(group).reshape(group.shape) for group in _groups(image)]
    return done[0] if len(done) == 1 else np.concatenate(done, axis=2)


def _groups(image: np.ndarray) -> list[np.ndarray]:
    return [image[..., i : i + MOST_CHANNELS] for i in range(0, image.shape[2], MOST_CHANNELS)]


def padding_value(array: np.ndarray, fill: float) -> float:
    """Return a padding value of the scale 0..255 for the array's dtype, rounded as cv2 does for integers."""
    if array.ndim == 3 and array.dtype == np.uint16:
        fill = fill * 257
    return float(np.rint(fill)) if np.issubdtype(array.dtype, np.integer) else fill
