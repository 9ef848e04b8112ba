"""Transforms that turn an image; they can't be planned, and can't be undone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from paddleseg_lite.errors import UserError
from paddleseg_lite.registry import TRANSFORMS
from paddleseg_lite.transforms.arguments import number, ordered, padding, size_pair
from paddleseg_lite.transforms.base import Transform
from paddleseg_lite.transforms.sample import Sample, padding_value, planes_of


class _Warp(Transform):
    """Shared by transforms that send image and label through one 2x3 matrix."""

    def __init__(self, im_padding_value: float, label_padding_value: int) -> None:
        self.im_padding_value, self.label_padding_value = padding(
            type(self).__name__, im_padding_value, label_padding_value
        )

    def _warp(self, sample: Sample, matrix: np.ndarray, size: tuple[int, int]) -> Sample:
        if sample.label_at_source:
            raise UserError(
                f"{type(self).__name__} cannot be undone, so predictions would not fit the labels; "
                "remove it from the 'val' data set's transforms"
            )
        image, label = sample.image, sample.label
        fill = padding_value(image, self.im_padding_value)
        # Plane by plane: a border color has at most 4 channels in cv2.
        planes = [_warp_plane(plane, matrix, size, cv2.INTER_LINEAR, fill) for plane in planes_of(image)]
        if label is not None:
            label = _warp_plane(label, matrix, size, cv2.INTER_NEAREST, self.label_padding_value)
        return replace(sample, image=np.stack(planes, axis=-1), label=label)


def _warp_plane(
    plane: np.ndarray, matrix: np.ndarray, size: tuple[int, int], interpolation: int, fill: float
) -> np.ndarray:
    return cv2.warpAffine(
        plane, matrix, size, flags=interpolation, borderMode=cv2.BORDER_CONSTANT, borderValue=fill
    )


@TRANSFORMS.register
class RandomRotation(_Warp):
    """Rotate about the centre; the canvas grows so that nothing is lost.

    Args:
        max_rotation: the angle is drawn from [-max_rotation, max_rotation] degrees; 0 turns it off.
        im_padding_value: padding of the image, on the scale 0 to 255.
        label_padding_value: padding of the label.
    """

    def __init__(
        self, max_rotation: float = 15, im_padding_value: float = 127.5, label_padding_value: int = 255
    ) -> None:
        super().__init__(im_padding_value, label_padding_value)
        self.max_rotation = number("RandomRotation", "max_rotation", max_rotation)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the rotated sample."""
        if self.max_rotation <= 0:
            return sample
        height, width = sample.size
        centre = (width // 2, height // 2)
        matrix = cv2.getRotationMatrix2D(centre, rng.uniform(-self.max_rotation, self.max_rotation), 1.0)
        cos, sin = abs(matrix[0, 0]), abs(matrix[0, 1])
        size = (int(height * sin + width * cos), int(height * cos + width * sin))
        matrix[:, 2] = matrix[:, 2] + np.array(size) / 2 - centre
        return self._warp(sample, matrix, size)


@TRANSFORMS.register
class RandomAffine(_Warp):
    """Fit the image to a size, then shift, rotate and scale it at random about the middle.

    Args:
        size: (width, height) of the result.
        translation_offset: the middle moves by up to this many pixels, horizontally and vertically.
        max_rotation: the angle is drawn from [-max_rotation, max_rotation] degrees.
        min_scale_factor: smallest scale; at 1.0 the image fits `size` (mean of width's and height's ratio).
        max_scale_factor: largest scale.
        im_padding_value: padding of the image, on the scale 0 to 255.
        label_padding_value: padding of the label.
    """

    def __init__(
        self,
        size: Sequence[int] = (224, 224),
        translation_offset: float = 0,
        max_rotation: float = 15,
        min_scale_factor: float = 0.75,
        max_scale_factor: float = 1.25,
        im_padding_value: float = 128,
        label_padding_value: int = 255,
    ) -> None:
        super().__init__(im_padding_value, label_padding_value)
        self.size = size_pair("RandomAffine", "size", size)
        self.translation_offset = number("RandomAffine", "translation_offset", translation_offset)
        self.max_rotation = number("RandomAffine", "max_rotation", max_rotation)
        names = ("min_scale_factor", "max_scale_factor")
        ordered("RandomAffine", names[0], min_scale_factor, names[1], max_scale_factor, least=1e-3)
        self.scale_factors = (min_scale_factor, max_scale_factor)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the transformed sample, `size` large."""
        canvas = np.array(self.size) / 2  # its middle, (x, y)
        middle = (np.array(sample.size[::-1]) - 1) / 2  # that of the image
        shift = self.translation_offset * rng.uniform(-1, 1, 2)
        angle = np.deg2rad(self.max_rotation * rng.uniform(-1, 1))
        scale = rng.uniform(*self.scale_factors) * np.mean(canvas / np.maximum(middle, 0.5))
        turn = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        # The point that lies `shift` beside the image's middle goes to where it lies so on the canvas, and
        # the image turns about it.
        offset = canvas + shift - turn @ (middle + shift)
        return self._warp(sample, np.column_stack([turn, offset]), self.size)
