"""What a transform is, and how several become one."""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import yaml

from paddleseg_lite.errors import UserError
from paddleseg_lite.transforms.sample import Sample, render
from paddleseg_lite.transforms.window import Window

_NO_MEMORY = -4  # cv2.Error.StsNoMem

TransformLike = Callable[[Sample, np.random.Generator], Sample]


class Transform(ABC):
    """What is done to an image and its label; `repr` is its YAML, as in the list of a config."""

    _given: tuple[tuple[Any, ...], dict[str, Any]] = ((), {})  # to the constructor

    def __init_subclass__(cls, **options: Any) -> None:
        """Let a class's constructor note its arguments, for `repr`."""
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):
            cls.__init__ = _noting_arguments(cls.__init__)  # type: ignore[method-assign]

    @abstractmethod
    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the transformed sample; all randomness comes from `rng`."""

    def apply(
        self, image: np.ndarray, label: np.ndarray | None = None, seed: int | Sequence[int] = 0
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray | None]:
        """Transform an image by hand, and its label with it, as in training.

        Args:
            image: [H, W, C] or [H, W], RGB when C is 3; uint8 or uint16, float32 after Normalize; left as it
                is, like the label.
            label: class ids, uint8 [H, W].
            seed: the same one gives the same result; [seed, epoch, index] is what a data set draws from.

        Returns:
            The image [H', W', C] without a label, else (image, label). What did not change is not copied.

        Raises:
            UserError: the arrays are of another kind, or the transform does not fit them.
        """
        image = np.asarray(image)
        if image.ndim not in (2, 3):
            raise UserError(f"the image has the shape {list(image.shape)}; give [H, W, C] or [H, W]")
        if label is not None:
            label = np.asarray(label)
            if label.dtype != np.uint8 or label.shape != image.shape[:2]:
                raise UserError(
                    f"the label is {label.dtype} {list(label.shape)}; give class ids, uint8 "
                    f"{list(image.shape[:2])} as the image's height and width"
                )
        done = self(Sample.from_source(image, label), np.random.default_rng(seed)).loaded()
        return done.image if label is None else (done.image, done.label)

    def __repr__(self) -> str:
        """Return the YAML that makes this object, an entry of a list: its type and the arguments given."""
        given, options = self._given
        lines = [f"- type: {type(self).__name__}"]
        if given or options:
            arguments = inspect.signature(type(self)).bind(*given, **options).arguments
            text = yaml.dump(arguments, Dumper=_Flow, sort_keys=False, allow_unicode=True, width=1 << 20)
            lines += text.splitlines()
        return "\n  ".join(lines)


def _noting_arguments(construct: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(construct)
    def noting(self: Any, *args: Any, **options: Any) -> None:
        self.__dict__.setdefault(
            "_given", (args, options)
        )  # the class's own, not those for the ones it is of
        construct(self, *args, **options)

    return noting


class _Flow(yaml.SafeDumper):
    """Writes lists in one line, as configs have them, and what YAML has no word for as text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _flow_list(dumper: yaml.SafeDumper, values: Sequence[Any]) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", list(values), flow_style=True)


def _other(dumper: yaml.SafeDumper, value: Any) -> yaml.Node:
    is_array = isinstance(value, (np.generic, np.ndarray))
    return dumper.represent_data(value.tolist() if is_array else repr(value))


_Flow.add_representer(list, _flow_list)
_Flow.add_representer(tuple, _flow_list)
_Flow.add_multi_representer(object, _other)


class GeometricTransform(Transform):
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


class Compose(Transform):
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
        """Return the transformed sample; all randomness comes from `rng`.

        Raises:
            UserError: it takes more memory than there is; or a transform says what is wrong.
        """
        try:
            for step in self._steps:
                # A plan reads its window of an image that is still on the disk; others need the whole.
                sample = step(sample if isinstance(step, _Plan) else sample.loaded(), rng)
            return sample.loaded()
        except (MemoryError, cv2.error) as error:
            if isinstance(error, cv2.error) and error.code != _NO_MEMORY:
                raise
            raise UserError(
                "the transforms take more memory than there is; make the image, or what becomes of it, "
                "smaller"
            ) from error

    def __repr__(self) -> str:
        """Return the YAML of the whole list."""
        return "\n".join(map(repr, self.transforms))


def prediction_sample(transforms: TransformLike, image: np.ndarray, path: str = "") -> Sample:
    """Return an image [H, W, C] as a network is to see it; what is predicted can be put back on its pixels.

    Args:
        transforms: as in evaluation.
        image: just read.
        path: its file, for messages.
    """
    return transforms(Sample.from_source(image, path=path, label_at_source=True), np.random.default_rng(0))


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
