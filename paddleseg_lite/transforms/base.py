"""What a transform is, and how several become one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np

from paddleseg_lite.errors import UserError
from paddleseg_lite.transforms.sample import Sample, render
from paddleseg_lite.transforms.window import Window

TransformLike = Callable[[Sample, np.random.Generator], Sample]


class GeometricTransform(ABC):
    """A resize, crop, padding or flip: it plans, and `render` works.

    Subclasses override `plan`. Several in a row are rendered at once by `Compose`.

    Attributes:
        plannable: False if this object needs the pixels to decide; it then runs on its own.
        resamples: whether the plan may resize; one rendering has room for one resize.
        fill: (image, label) padding values, or None if it never pads; one rendering has room for one.
    """

    plannable: bool = True
    resamples: bool = False
    fill: tuple[float, int] | None = None

    @abstractmethod
    def plan(self, window: Window, rng: np.random.Generator) -> Window:
        """Return the window after this transform, drawing what is random from `rng`."""

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Transform a sample at once."""
        return render(sample, self.plan(Window.identity(*sample.size), rng))


class Compose:
    """Several transforms in order; neighbours that can be planned touch the pixels once.

    Scaling a 2048x1024 image by 2 and cropping 1024x512 from it reads, resizes and copies only the 512x256
    pixels that are left. The result is that of the plain order: the same random draws, the same pixel grid.

    Args:
        transforms: objects called as `transform(sample, rng) -> sample`.

    Raises:
        UserError: an entry isn't callable.
    """

    def __init__(self, transforms: Sequence[TransformLike]) -> None:
        for transform in transforms:
            if not callable(transform):
                raise UserError(
                    f"transforms: {transform!r} is not a transform; each must be callable as (sample, rng)"
                )
        self.transforms = tuple(transforms)
        self._steps: list[TransformLike] = []
        for transform in self.transforms:
            last = self._steps[-1] if self._steps else None
            if isinstance(transform, GeometricTransform) and transform.plannable:
                if isinstance(last, _Plan) and last.admits(transform):
                    last.add(transform)
                else:
                    self._steps.append(_Plan(transform))
            else:
                self._steps.append(transform)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the transformed sample; all randomness comes from `rng`."""
        for step in self._steps:
            # A plan reads its window of an image that is still on the disk; anything else needs the whole.
            sample = step(sample if isinstance(step, _Plan) else sample.loaded(), rng)
        return sample.loaded()


class _Plan(GeometricTransform):
    """A run of geometric transforms with at most one resize and one pair of padding values."""

    def __init__(self, first: GeometricTransform) -> None:
        self.members = [first]
        self.resamples = first.resamples
        self.fill = first.fill

    def admits(self, transform: GeometricTransform) -> bool:
        """Whether the run can take one more member."""
        one_resize = not (self.resamples and transform.resamples)
        one_fill = self.fill is None or transform.fill is None or self.fill == transform.fill
        return one_resize and one_fill

    def add(self, transform: GeometricTransform) -> None:
        """Append a member."""
        self.members.append(transform)
        self.resamples = self.resamples or transform.resamples
        self.fill = self.fill or transform.fill

    def plan(self, window: Window, rng: np.random.Generator) -> Window:
        """Let every member have its turn."""
        for member in self.members:
            window = member.plan(window, rng)
        return window
