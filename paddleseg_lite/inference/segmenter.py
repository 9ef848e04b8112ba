"""Images of any source through a network, several of one shape at once: for a Predictor, and for files."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from paddleseg_lite.datasets.loading.prefetch import prefetch_map, read_ahead
from paddleseg_lite.errors import UserError
from paddleseg_lite.inference.augment import PLAIN, InferenceOptions, Network, Runtime, infer_values
from paddleseg_lite.inference.evaluate import batches_of_one_shape, network_input, predict_arrays
from paddleseg_lite.inference.logits import Dense, best_classes
from paddleseg_lite.inference.segmentation import Segmentation
from paddleseg_lite.inference.sources import find_many, frames_of, is_of_frames, open_one
from paddleseg_lite.printable import printable
from paddleseg_lite.progress import Progress
from paddleseg_lite.transforms import Compose, Sample
from paddleseg_lite.transforms.base import prediction_sample

_log = logging.getLogger(__name__)
# What one image may lead to: unreadable, too small for the network (as Paddle says), or too large for memory.
_OF_ONE_IMAGE = (UserError, ValueError, RuntimeError, OSError, MemoryError)
Skip = Callable[[str, Exception], None]  # is told of an image that is left out, by its path, and why
# Class ids, probabilities and confidence; see Segmentation.
_Found = tuple[np.ndarray, "np.ndarray | None", "np.ndarray | None"]


def reason_of(path: str, error: Exception) -> str:
    """Return why an image is skipped, with its path."""
    _log.debug("the trace", exc_info=error)
    if isinstance(error, MemoryError):
        return printable(f"{path} takes more memory than there is; make the image smaller")
    return str(error) if printable(path) in str(error) else printable(f"{path}: {error}")


def _warn(path: str, error: Exception) -> None:
    _log.warning("skipped: %s", reason_of(path, error))


@dataclass(frozen=True)
class Wanted:
    """What a call asks for, as `Segmenter.wanted` has checked it."""

    probabilities: bool
    confidence: bool
    batch_size: int


@dataclass(frozen=True)
class _Prepared:
    """An image on its way to the network, with where it came from."""

    image: np.ndarray
    sample: Sample
    path: str | None
    frame: int | None = None


@dataclass
class Segmenter:
    """A network with all that it needs; for most attributes see Predictor. It is put into eval mode.

    Attributes:
        check: raises a UserError if a network input [1, C, H, W] of an image, with its name, does not fit.
        largest_batch: of the network; None for any.
    """

    network: Network | Runtime
    transforms: Compose
    classes: tuple[str, ...]
    palette: np.ndarray
    in_channels: int = 3
    inference: InferenceOptions = PLAIN
    output_op: str = "none"
    check: Callable[[np.ndarray, str], None] = lambda image, path: None
    largest_batch: int | None = None

    def __post_init__(self) -> None:
        """See the class."""
        if isinstance(self.network, paddle.nn.Layer):
            self.network.eval()

    def wanted(self, probabilities: bool, confidence: bool, batch_size: int = 1) -> Wanted:
        """Return what a call asks for; see Predictor's.

        Raises:
            UserError: it cannot be had.
        """
        if self.output_op == "argmax" and (probabilities or confidence):
            raise UserError(
                "this export gives class ids alone; export with --output_op softmax or none for probabilities"
            )
        if batch_size < 1:
            raise UserError(f"batch_size is {batch_size}; give at least 1")
        return Wanted(probabilities, confidence, min(batch_size, self.largest_batch or batch_size))

    def of_image(self, image: Any, wanted: Wanted) -> Segmentation:
        """Return what is found in an image."""
        (found,) = self._segmented([self._opened(image)], wanted)
        return found

    def of_list(self, images: Sequence[Any], wanted: Wanted) -> list[Segmentation]:
        """Return what is found in images, in their order."""
        return list(self._segmented(map(self._of_list, images), wanted))

    def of_video(self, source: str, wanted: Wanted) -> Iterator[Segmentation]:
        """Yield what is found in the frames of a video."""
        with closing(frames_of(source)) as frames, ThreadPoolExecutor(1) as reader:
            prepared = (self._prepared(image, source, frame) for frame, image in enumerate(frames))
            yield from self._segmented(read_ahead(reader, prepared), wanted)

    def of_files(
        self, files: Sequence[Path], wanted: Wanted, skip: Skip = _warn
    ) -> Generator[Segmentation, None, None]:
        """Yield what is found in files, without those that cannot be segmented, which `skip` is told of."""
        with ThreadPoolExecutor(2) as readers:
            ahead = prefetch_map(readers, self._tried, files)
            with Progress(ahead, total=len(files), desc="predict", unit="image") as bar:
                yield from self._segmented(_whole(files, bar, skip), wanted, skip)

    def _tried(self, path: Path) -> _Prepared | Exception:
        try:
            return self._opened(path)
        except _OF_ONE_IMAGE as error:
            return error

    def _of_list(self, image: Any) -> _Prepared:
        if is_of_frames(image) or find_many(image) is not None:
            raise UserError(f"{image} stands for several images; give it by itself, not in a list")
        return self._opened(image)

    def _opened(self, image: Any) -> _Prepared:
        return self._prepared(*open_one(image, self.in_channels))

    def _prepared(self, image: np.ndarray, path: str | None, frame: int | None = None) -> _Prepared:
        name = path or "an image"
        sample = prediction_sample(self.transforms, image, name)
        self.check(sample.image.transpose(2, 0, 1)[None], name)
        return _Prepared(image, sample, path, frame)

    def _segmented(
        self, prepared: Iterable[_Prepared], wanted: Wanted, skip: Skip | None = None
    ) -> Iterator[Segmentation]:
        waiting: deque[_Prepared] = deque()

        def samples() -> Iterator[Sample]:
            for item in prepared:
                waiting.append(item)
                yield item.sample

        for batch in batches_of_one_shape(samples(), wanted.batch_size):
            yield from self._results([waiting.popleft() for _ in batch], wanted, skip)

    def _results(self, items: list[_Prepared], wanted: Wanted, skip: Skip | None) -> list[Segmentation]:
        try:
            found = self._found([item.sample for item in items], wanted)
        except _OF_ONE_IMAGE as error:
            if skip is None:
                raise
            if len(items) > 1:  # one of them, or all at once, may be too much
                return [result for item in items for result in self._results([item], wanted, skip)]
            skip(str(items[0].path), error)
            return []
        return [
            Segmentation(mask, x.image, self.classes, self.palette, values, sure, x.path, x.frame)
            for x, (mask, values, sure) in zip(items, found)
        ]

    def _found(self, batch: list[Sample], wanted: Wanted) -> Sequence[_Found]:
        """Return class ids, and where they are asked for probabilities and confidence, of one shape."""
        if self.output_op == "argmax":
            return [(x.restore(ids.astype(np.uint8)), None, None) for x, ids in zip(batch, self._run(batch))]
        is_softmax = self.output_op == "softmax"
        if not wanted.probabilities and not (wanted.confidence and is_softmax):
            # The best probability is the best logit.
            maps = predict_arrays(self.network, batch, self.inference, wanted.confidence)
            return [(mask, None, sure) for mask, sure in maps]
        found: list[_Found] = []
        for sample, values in zip(batch, self._run(batch) if is_softmax else self._logits(batch)):
            values = np.ascontiguousarray(sample.restore(values))
            mask = best_classes(Dense(values))
            values = values if is_softmax else _softmax(values)
            sure = values.max(axis=0) if wanted.confidence else None
            found.append((mask, values if wanted.probabilities else None, sure))
        return found

    def _run(self, batch: list[Sample]) -> np.ndarray:
        return self.network(network_input(batch))  # type: ignore[operator,arg-type,return-value]

    def _logits(self, batch: list[Sample]) -> np.ndarray:
        return np.asarray(infer_values(self.network, network_input(batch), self.inference))


def _whole(files: Iterable[Path], found: Iterable[_Prepared | Exception], skip: Skip) -> Iterator[_Prepared]:
    for path, item in zip(files, found):
        if isinstance(item, Exception):
            skip(str(path), item)
        else:
            yield item


def _softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax over the first axis; the logits are overwritten where they can be."""
    values = logits if logits.flags.writeable else logits.copy()
    values -= values.max(axis=0)
    np.exp(values, out=values)
    values /= values.sum(axis=0)
    return values
