"""Random erasing (Zhong et al. 2017, arXiv 1708.04896)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from paddleseg_lite.errors import UserError
from paddleseg_lite.registry import TRANSFORMS
from paddleseg_lite.transforms.arguments import number, one_of, ordered, positive
from paddleseg_lite.transforms.base import Transform
from paddleseg_lite.transforms.sample import Sample

MODES = ("const", "rand", "pixel")


@TRANSFORMS.register
class RandomErasing(Transform):
    """Replace the pixels of a random rectangle; behind Normalize. The label stays.

    Args:
        EPSILON: probability that it happens.
        sl, sh: smallest and largest area, as shares of the image's; drawn uniformly.
        r1: the aspect, height by width, is drawn uniformly from [r1, 1 / r1].
        attempt: draws before the image is left as it is: a rectangle must be smaller than it on both sides.
        mode: what is put there: "const", zero, the mean behind Normalize; "rand", a color drawn from a normal
            distribution; "pixel", such a color for each pixel.
    """

    def __init__(
        self,
        EPSILON: float = 0.5,
        sl: float = 0.02,
        sh: float = 0.4,
        r1: float = 0.3,
        attempt: int = 100,
        mode: str = "const",
    ) -> None:
        owner = "RandomErasing"
        self.EPSILON = number(owner, "EPSILON", EPSILON, 0, 1)
        ordered(owner, "sl", sl, "sh", sh, least=1e-6)
        self.areas = (sl, number(owner, "sh", sh, sl, 1))
        self.r1 = number(owner, "r1", r1, 1e-6, 1)
        self.attempt = positive(owner, "attempt", attempt)
        self.mode = one_of(owner, "mode", mode, MODES)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample, part of its image erased.

        Raises:
            UserError: the image is not normalised yet.
        """
        if sample.image.dtype != np.float32:
            raise UserError(
                f"RandomErasing needs a normalised image, got {sample.image.dtype}; put it behind Normalize"
            )
        if rng.random() >= self.EPSILON:
            return sample
        for _ in range(self.attempt):
            area, aspect = np.prod(sample.size) * rng.uniform(*self.areas), rng.uniform(self.r1, 1 / self.r1)
            height, width = round(np.sqrt(area * aspect)), round(np.sqrt(area / aspect))
            if 0 < height < sample.size[0] and 0 < width < sample.size[1]:
                top, left = (
                    int(rng.integers(0, side - own + 1)) for side, own in zip(sample.size, (height, width))
                )
                image = sample.image.copy("K")
                rectangle = image[top : top + height, left : left + width]
                rectangle[...] = self._content(rectangle.shape, rng)
                return replace(sample, image=image)
        return sample

    def _content(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        sizes = {"const": (), "rand": shape[2:], "pixel": shape}
        return np.zeros(()) if self.mode == "const" else rng.standard_normal(sizes[self.mode], np.float32)
