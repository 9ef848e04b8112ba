"""Images whose pixels say where they come from."""

from __future__ import annotations

import numpy as np

from paddleseg_lite.transforms import Sample

STEP = 250  # of the 16-bit ramp, per source pixel; 0 is left to padding
OUTSIDE = 255


def coordinates(height: int, width: int, label_axis: int = 1) -> Sample:
    """Return a sample of at most 255x255 whose image holds (y + 1, x + 1) * STEP and whose label y or x.

    Interpolation between pixels of a ramp gives the very position it was taken from.
    """
    y, x = np.mgrid[:height, :width]
    image = np.dstack([(y + 1) * STEP, (x + 1) * STEP]).astype(np.uint16)
    return Sample.from_source(image, (y, x)[label_axis].astype(np.uint8))


def positions(sample: Sample, axis: int) -> np.ndarray:
    """Return the source position (pixel centres are whole numbers) that each image pixel shows."""
    return sample.image[..., axis] / STEP - 1


def picture(height: int, width: int) -> Sample:
    """Return a smooth RGB picture with a label of 19 classes."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    waves = [np.sin(x / 9 + y / 23), np.cos(y / 11), np.sin((x + y) / 17)]
    image = np.rint(127 + 120 * np.dstack(waves)).astype(np.uint8)
    return Sample.from_source(image, ((x // 13 + y // 11) % 19).astype(np.uint8), "picture.png")
