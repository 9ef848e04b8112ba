"""Transforms that put a margin around an image."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from paddleseg_lite.errors import UserError
from paddleseg_lite.registry import TRANSFORMS
from paddleseg_lite.transforms.arguments import number, padding, size_pair
from paddleseg_lite.transforms.base import GeometricTransform
from paddleseg_lite.transforms.window import Window


class _Padding(GeometricTransform):
    fill: tuple[float, int]

    def __init__(self, im_padding_value: float, label_padding_value: int) -> None:
        self.fill = padding(type(self).__name__, im_padding_value, label_padding_value)
        self.label_padding_value = self.fill[1]


@TRANSFORMS.register
class Padding(_Padding):
    """Pad on the right and at the bottom.

    Args:
        target_size: (width, height), not smaller than the image.
        im_padding_value: padding of the image, on the scale 0 to 255.
        label_padding_value: padding of the label.
    """

    def __init__(
        self, target_size: Sequence[int], im_padding_value: float = 127.5, label_padding_value: int = 255
    ) -> None:
        super().__init__(im_padding_value, label_padding_value)
        self.target_size = size_pair("Padding", "target_size", target_size)

    def plan(self, window: Window, rng: np.random.Generator) -> Window:
        """Pad the canvas.

        Raises:
            UserError: it is larger than `target_size`.
        """
        width, height = self.target_size
        if window.width > width or window.height > height:
            raise UserError(
                f"Padding: an image of {window.width}x{window.height} (width x height) is larger than "
                f"target_size {width}x{height}; raise target_size, or put a Resize or a crop before Padding"
            )
        return window.pad(0, height - window.height, 0, width - window.width, *self.fill)


@TRANSFORMS.register
class PaddingByAspectRatio(_Padding):
    """Pad on the right or at the bottom until width / height = `aspect_ratio`.

    Args:
        aspect_ratio: width / height, above 0.
        im_padding_value: padding of the image, on the scale 0 to 255.
        label_padding_value: padding of the label.
    """

    def __init__(
        self, aspect_ratio: float = 1, im_padding_value: float = 127.5, label_padding_value: int = 255
    ) -> None:
        super().__init__(im_padding_value, label_padding_value)
        self.aspect_ratio = number("PaddingByAspectRatio", "aspect_ratio", aspect_ratio, 1e-3, 1e3)

    def plan(self, window: Window, rng: np.random.Generator) -> Window:
        height = max(int(window.width / self.aspect_ratio), window.height)
        width = max(int(window.height * self.aspect_ratio), window.width)
        return window.pad(0, height - window.height, 0, width - window.width, *self.fill)


@TRANSFORMS.register
class ScalePadding(_Padding):
    """Pad to a square with the image in the middle, then resize (image: cubic, label: nearest).

    Args:
        target_size: (width, height) at the end.
        im_padding_value: padding of the image, on the scale 0 to 255.
        label_padding_value: padding of the label.
    """

    resamples = True

    def __init__(
        self,
        target_size: Sequence[int] = (512, 512),
        im_padding_value: float = 127.5,
        label_padding_value: int = 255,
    ) -> None:
        super().__init__(im_padding_value, label_padding_value)
        self.target_size = size_pair("ScalePadding", "target_size", target_size)

    def plan(self, window: Window, rng: np.random.Generator) -> Window:
        side = max(window.height, window.width)
        top, left = (side - window.height) // 2, (side - window.width) // 2
        bottom, right = side - window.height - top, side - window.width - left
        width, height = self.target_size
        return window.pad(top, bottom, left, right, *self.fill).resize(height, width, cv2.INTER_CUBIC)
