"""Samples -> batches, in worker processes or not, always the same ones in the same order."""

from __future__ import annotations

import traceback
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from paddleseg_lite.datasets.loading.workers import Allocate, in_workers
from paddleseg_lite.datasets.samples import LabelledImages
from paddleseg_lite.errors import UserError
from paddleseg_lite.kernels.aligned import empty
from paddleseg_lite.transforms import Sample

Key = tuple[int, int]  # (epoch, index)
_OF_BATCH = 1  # sets the randomness of a batch apart from that of its first sample


@dataclass(frozen=True)
class Batch:
    """What one training step needs."""

    images: np.ndarray  # float32 [N, C, H, W]
    # uint8 [N, H, W], an eighth of what losses take: the training step widens them on its device. Of whole
    # images int64 [N], or what a batch transform makes of that.
    labels: np.ndarray
    paths: list[str]  # the images' files


def train_batches(
    dataset: LabelledImages,
    batch_size: int,
    start_iter: int,
    iters: int,
    seed: int = 0,
    num_workers: int = 0,
    accumulate: int = 1,
    rank: int = 0,
    world_size: int = 1,
) -> Generator[Batch, None, None]:
    """Yield the batches of iterations start_iter, ..., iters - 1 (counted from 0), `accumulate` for each.

    The epochs, each in an order of its own, follow each other without a gap; a batch may reach into the next
    one. The stream depends on `seed` alone, so a run that is resumed at start_iter goes on as if never
    interrupted, whatever the number of workers.

    Args:
        dataset: in mode 'train'.
        batch_size: samples per batch; it may exceed the data set.
        start_iter: iterations done before.
        iters: iterations of the whole run.
        seed: at least 0.
        num_workers: processes that prepare batches; 0 prepares them here.
        accumulate: batches of an iteration.
        rank: this process's number among `world_size`; together their batches of an iteration are those that
            one process would take with a batch of batch_size x accumulate x world_size.
        world_size: processes that train together.

    Raises:
        UserError: a file is wrong (also in a worker), the images of a batch differ in size, a worker died.
    """
    if batch_size < 1:
        raise UserError(f"batch_size must be at least 1, got {batch_size}")
    key_lists = _BatchKeys(len(dataset), batch_size, start_iter, iters, seed, accumulate, rank, world_size)
    for images, labels, note in _load(_Task(dataset, seed), key_lists, num_workers, empty):
        yield Batch(images, labels, [sample.path for sample in note.samples])


def eval_samples(
    dataset: LabelledImages, num_workers: int = 0, rank: int = 0, world_size: int = 1
) -> Iterator[Sample]:
    """Yield every world_size-th sample from `rank` on, in order; images float32 [H, W, C], labels as stored.

    Args:
        dataset: in mode 'val' or 'test'.
        num_workers: processes that read ahead; 0 reads here.
        rank: this process's number among `world_size`, which share the samples out among them.
        world_size: processes that evaluate together.

    Raises:
        UserError: a file is wrong (also in a worker), or a worker died.
    """
    indices = range(rank, len(dataset), world_size)
    if num_workers == 0:
        yield from (dataset.sample(index, epoch=0, seed=0) for index in indices)
        return
    key_lists = [[(0, index)] for index in indices]
    for images, labels, note in _load(_Task(dataset, seed=0), key_lists, num_workers):
        sample = note.samples[0]
        yield replace(
            sample, image=images[0].transpose(1, 2, 0), label=labels[0] if note.has_labels else None
        )


@dataclass(frozen=True)
class _BatchKeys:
    """The keys of every batch, computed when asked for; see `train_batches`."""

    length: int
    batch_size: int
    start_iter: int
    iters: int
    seed: int
    accumulate: int
    rank: int
    world_size: int

    def __iter__(self) -> Iterator[list[Key]]:
        known, order = -1, np.empty(0, np.int64)
        for iteration in range(self.start_iter, self.iters):
            first = (iteration * self.world_size + self.rank) * self.accumulate * self.batch_size
            for start in range(first, first + self.accumulate * self.batch_size, self.batch_size):
                keys: list[Key] = []
                for position in range(start, start + self.batch_size):
                    epoch, place = divmod(position, self.length)
                    if epoch != known:
                        rng = np.random.default_rng([self.seed, epoch])
                        known, order = epoch, rng.permutation(self.length)
                    keys.append((epoch, int(order[place])))
                yield keys


class _Task:
    """Makes batches of keys; errors are handed on as values, to cross from a worker unchanged."""

    def __init__(self, dataset: LabelledImages, seed: int) -> None:
        self.dataset = dataset
        self.seed = seed

    def __call__(self, keys: Sequence[Key], allocate: Allocate = np.empty) -> Collated:
        """Return ((images, labels), note)."""
        failure: Exception
        try:
            return self._collated(keys, allocate)
        except UserError as error:
            failure = UserError(str(error))
        except Exception:  # its class may not be known to the receiver, so its trace goes as text
            failure = RuntimeError(f"a data transform or reader failed:\n{traceback.format_exc()}")
        return (NOTHING, NOTHING), _Note(failure=failure)

    def _collated(self, keys: Sequence[Key], allocate: Allocate) -> Collated:
        """Stack samples, one at a time in memory: float32 [N, C, H, W], labels [N, ...].

        Raises:
            UserError: a sample is wrong, or their sizes differ.
        """
        images = labels = NOTHING
        notes: list[Sample] = []
        for position, (epoch, index) in enumerate(keys):
            sample = self.dataset.sample(index, epoch, self.seed)
            planes = sample.image.transpose(2, 0, 1)
            if not notes:
                images = allocate((len(keys), *planes.shape), np.float32)
                if sample.label is not None:
                    labels = allocate((len(keys), *sample.label.shape), sample.label.dtype)
            elif planes.shape != images.shape[1:]:
                raise UserError(_size_message(notes[0].path, images.shape[1:], sample.path, planes.shape))
            images[position] = planes
            if sample.label is not None:
                labels[position] = sample.label
            notes.append(replace(sample, image=NOTHING, label=None))
        # A batch is told by its first sample, which no other one has, on whatever rank and worker.
        rng = np.random.default_rng([self.seed, *keys[0], _OF_BATCH])
        for transform in self.dataset.batch_transforms:
            labels = transform(images, labels, rng)
        return (images, labels), _Note(tuple(notes), has_labels=labels is not NOTHING)


@dataclass(frozen=True)
class _Note:
    """What travels beside the arrays."""

    samples: tuple[Sample, ...] = ()  # without image and label
    has_labels: bool = True  # False if the labels' array is a stand-in
    failure: Exception | None = None  # what went wrong; the arrays are stand-ins then


Collated = tuple[tuple[np.ndarray, np.ndarray], _Note]
NOTHING = np.zeros(1, np.uint8)


def _size_message(one: str, its_shape: tuple[int, ...], other: str, other_shape: tuple[int, ...]) -> str:
    sizes = [
        f"{path} has {width}x{height} with {channels} channels"
        for path, (channels, height, width) in ((one, its_shape), (other, other_shape))
    ]
    return (
        f"the images of a batch must agree in size after the transforms, but {' and '.join(sizes)}; end the "
        "geometry with RandomPaddingCrop or Resize, or set batch_size to 1"
    )


def _load(
    task: _Task, key_lists: Iterable[list[Key]], num_workers: int, allocate: Allocate = np.empty
) -> Iterator[tuple[np.ndarray, np.ndarray, _Note]]:
    """Yield collated batches with their notes; without workers, `allocate` makes their arrays.

    Raises:
        UserError: what a sample raised, message unchanged, or a worker died.
        RuntimeError: any other exception of a sample, with its trace.
    """
    first = next(iter(key_lists), None)
    collated: Iterator[Collated]
    if num_workers == 0 or first is None:
        collated = (task(keys, allocate) for keys in key_lists)
    else:
        arrays, _ = task(first)  # how much room a batch takes; that of another size has twice as much
        collated = in_workers(task, key_lists, num_workers, 2 * sum(array.nbytes for array in arrays))
    for (images, labels), note in collated:
        if note.failure:
            raise note.failure
        yield images, labels, note
