"""What `inference.augment` asks of a network: of a live one on tensors, of a runtime on arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor

from paddleseg_lite.inference.logits import Dense, LogitMap, Mean, Resized, add_into, stacked

Size = tuple[int, int]
Window = tuple[slice, slice]
Spans = tuple[tuple[int, int], ...]  # (start, stop) of windows along an axis

# A network, or anything that stands for one: images [N, 3, H, W] -> [logits [N, num_classes, H, W]].
Network = Callable[[Tensor], "list[Tensor]"]


@runtime_checkable
class Runtime(Protocol):
    """What runs a network on arrays; deploy/runtimes.py has some.

    Attributes:
        name: for messages.
    """

    name: str

    def maps(self, images: np.ndarray, axes: list[int]) -> list[LogitMap]:
        """Return the logits of each image, flipped back.

        Args:
            images: float32 [N, C, H, W], normalised, flipped along `axes` already.
            axes: axes of [N, C, H, W] along which to flip the logits; 2, 3, both or none.

        Returns:
            N maps [num_classes, H, W], which share no memory with those of another call.
        """


class Runner(Protocol):
    """A network with the few operations of augmenting, on images and logits in a form of its own."""

    def resize(self, images: Any, size: Size) -> Any:
        """Return images [N, C, H, W] at a size, bilinear, corners not aligned."""

    def flip(self, images: Any, axes: list[int]) -> Any:
        """Return images [N, C, H, W] flipped along axes; they may be the same ones."""

    def run(self, images: Any, axes: list[int]) -> Any:
        """Return the logits of images, flipped along axes."""

    def add_window(self, total: Any, logits: Any, window: Window, size: Size) -> Any:
        """Return a sum of windows with one more; None is a sum of nothing, which gets this size."""

    def divide(self, total: Any, rows: Spans, columns: Spans, axes: list[int]) -> Any:
        """Return the logits of a sum of windows, of all pairs of spans: the mean at each pixel, flipped."""

    def add(self, logits: Any) -> None:
        """Add the logits of one pass, at any size, to the mean; they may be overwritten."""

    def mean(self) -> Any:
        """Return the mean of what was added."""


def runner_of(model: Network | Runtime, size: Size) -> Runner:
    """Return the runner of a network or runtime, with a mean at a size (height, width)."""
    return ArrayRunner(model, size) if isinstance(model, Runtime) else TensorRunner(model, size)


class TensorRunner:
    """A live network: tensors in, tensors out, and nothing leaves the device that they are on."""

    def __init__(self, network: Network, size: Size) -> None:
        self._network, self._size = network, size
        self._total: Any = None
        self._passes = 0

    def resize(self, images: Tensor, size: Size) -> Tensor:
        if tuple(images.shape[2:]) == size:
            return images
        return F.interpolate(images, list(size), mode="bilinear", align_corners=False)

    def flip(self, images: Tensor, axes: list[int]) -> Tensor:
        return paddle.flip(images, axes) if axes else images

    def run(self, images: Tensor, axes: list[int]) -> Tensor:
        return self.flip(self._network(images)[0], axes)

    def add_window(self, total: Tensor | None, logits: Tensor, window: Window, size: Size) -> Tensor:
        rows, columns = window
        total = paddle.zeros([*logits.shape[:2], *size]) if total is None else total
        total[:, :, rows, columns] += logits
        return total

    def divide(self, total: Tensor, rows: Spans, columns: Spans, axes: list[int]) -> Tensor:
        of_rows, of_columns = _covers_on_device(rows, columns, paddle.get_device())
        return self.flip(total.divide_(of_rows * of_columns), axes)

    def add(self, logits: Tensor) -> None:
        logits = self.resize(logits, self._size)
        self._passes += 1
        if self._passes == 1:
            self._total = logits
        elif self._passes == 2:
            self._total = self._total + logits  # the first one may be the network's own tensor
        else:
            self._total.add_(logits)  # in place: at 2048x1024 and 19 classes each copy is 160 MB

    def mean(self) -> Tensor:
        return self._total if self._passes == 1 else self._total.scale_(1.0 / self._passes)


class ArrayRunner:
    """A runtime: arrays in, for each image a map of logits out, coarse as long as the runtime's are so."""

    def __init__(self, runtime: Runtime, size: Size) -> None:
        self._runtime, self._size = runtime, size
        self._means: list[Mean] = []

    def resize(self, images: np.ndarray, size: Size) -> np.ndarray:
        if images.shape[2:] == size:
            return images
        return stacked([Resized(Dense(image), size) for image in images])

    def flip(self, images: np.ndarray, axes: list[int]) -> np.ndarray:
        return np.flip(images, tuple(axes))

    def run(self, images: np.ndarray, axes: list[int]) -> list[LogitMap]:
        return self._runtime.maps(np.ascontiguousarray(images), axes)

    def add_window(
        self, total: np.ndarray | None, logits: list[LogitMap], window: Window, size: Size
    ) -> np.ndarray:
        rows, columns = window
        if total is None:
            total = np.zeros((len(logits), logits[0].shape[0], *size), np.float32)
        for image, found in zip(total, logits):
            add_into(image[:, rows, columns], found)
        return total

    def divide(self, total: np.ndarray, rows: Spans, columns: Spans, axes: list[int]) -> list[LogitMap]:
        total /= np.multiply(*_covers(rows, columns))
        return [Dense(image) for image in np.flip(total, tuple(axes))]

    def add(self, logits: list[LogitMap]) -> None:
        self._means = self._means or [Mean() for _ in logits]
        for mean, found in zip(self._means, logits):
            mean.add(found if found.shape[1:] == self._size else Resized(found, self._size))

    def mean(self) -> list[Mean]:
        return self._means


def _covers(rows: Spans, columns: Spans) -> tuple[np.ndarray, np.ndarray]:
    """Return how many spans cover each row and each column, float32 [H, 1] and [1, W].

    Their product says how many windows cover each pixel.
    """
    of_rows, of_columns = (np.zeros(spans[-1][1], np.float32) for spans in (rows, columns))
    for cover, spans in ((of_rows, rows), (of_columns, columns)):
        for start, stop in spans:
            cover[start:stop] += 1
    return of_rows[:, None], of_columns[None]


@functools.lru_cache(maxsize=64)
def _covers_on_device(rows: Spans, columns: Spans, device: str) -> tuple[Tensor, Tensor]:
    """Return `_covers` on Paddle's device, which would else wait for them in each pass over each image."""
    of_rows, of_columns = _covers(rows, columns)
    return paddle.to_tensor(of_rows), paddle.to_tensor(of_columns)
