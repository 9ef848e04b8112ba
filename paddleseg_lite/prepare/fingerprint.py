"""The fingerprint of a data set, from which its config is made; after nnU-Net (Isensee et al. 2021)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from paddleseg_lite.datasets.class_weights import median_frequency
from paddleseg_lite.prepare.measure import BINS, Measured


class Fingerprint:
    """Sums over images, added one by one.

    Args:
        classes: K names.

    Attributes:
        images: how many.
        sizes: images by (height, width).
        bits: images by bits of a channel.
        class_pixels, class_images, class_context: int64 [K]; pixels of each class, images that show it, and
            labelled pixels of those.
        ignored: pixels that do not count.
        objects: int64 [K, BINS], connected areas by size.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self.images = self.ignored = 0
        self.sizes: Counter[tuple[int, int]] = Counter()
        self.bits: Counter[int] = Counter()
        self.class_pixels, self.class_images, self.class_context = np.zeros((3, len(classes)), np.int64)
        self.objects = np.zeros((len(classes), BINS), np.int64)
        self._sums: Any = 0.0
        self._squares: Any = 0.0

    def add(self, measured: Measured) -> None:
        """Add an image and its label."""
        self.images += 1
        self.sizes[measured.size] += 1
        self.bits[measured.bits] += 1
        present = measured.class_pixels > 0
        self.class_pixels += measured.class_pixels
        self.class_images += present
        self.class_context += np.where(present, measured.class_pixels.sum(), 0)
        self.ignored += measured.ignored
        self.objects += measured.objects
        self._sums, self._squares = self._sums + measured.sums, self._squares + measured.squares

    @property
    def pixels(self) -> int:
        """All pixels."""
        return sum(height * width * count for (height, width), count in self.sizes.items())

    @property
    def mean(self) -> list[float]:
        """The mean of each channel, on a scale of 0 to 1."""
        return [round(float(value), 5) for value in np.atleast_1d(self._sums / max(self.pixels, 1))]

    @property
    def std(self) -> list[float]:
        """The standard deviation of each channel, over all pixels of all images."""
        count = max(self.pixels, 1)
        variance = np.atleast_1d(self._squares / count - (self._sums / count) ** 2)
        return [round(float(value), 5) for value in np.sqrt(variance.clip(min=0))]

    def median_size(self) -> tuple[int, int]:
        """Return (height, width), the median of each."""
        sides = np.array([size for size, count in self.sizes.items() for _ in range(count)])
        height, width = np.median(sides, axis=0).astype(int).tolist()
        return height, width

    def object_sides(self) -> list[int | None]:
        """Return the side of a square as large as each class's median object, in pixels; None without any."""
        sides: list[int | None] = []
        for row in self.objects:
            if not row.sum():
                sides.append(None)
                continue
            middle = int(np.searchsorted(row.cumsum(), row.sum() / 2))
            sides.append(max(1, round(2 ** ((middle + 0.5) / 4))))
        return sides

    def weights(self) -> list[float]:
        """Return a weight for each class; see `median_frequency`."""
        weights: list[float] = median_frequency(self.class_pixels, self.class_context).tolist()
        return weights

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        height, width = self.median_size()
        sides = self.object_sides()
        return {
            "images": self.images,
            "median_size": {"width": width, "height": height},
            "sizes": [
                {"width": width, "height": height, "images": count}
                for (height, width), count in sorted(self.sizes.items(), key=lambda pair: (-pair[1], pair[0]))
            ],
            "channels": len(self.mean),
            "bits": {str(bits): count for bits, count in sorted(self.bits.items())},
            "mean": self.mean,
            "std": self.std,
            "ignored_pixels": self.ignored,
            "classes": [
                {
                    "id": index,
                    "name": name,
                    "pixels": int(self.class_pixels[index]),
                    "images": int(self.class_images[index]),
                    "objects": int(self.objects[index].sum()),
                    "median_object_side": sides[index],
                }
                for index, name in enumerate(self.classes)
            ],
        }
