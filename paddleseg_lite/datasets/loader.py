"""Samples -> batches, in worker processes or not, always the same ones in the same order."""

from __future__ import annotations

import logging
import shutil
import traceback
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import paddle

from paddleseg_lite.datasets.base import SegmentationDataset
from paddleseg_lite.datasets.workers import SHARED_MEMORY, cause_of_death, start_worker
from paddleseg_lite.errors import UserError
from paddleseg_lite.transforms import Sample

logger = logging.getLogger(__name__)

Key = tuple[int, int]  # (epoch, index)
PREFETCH = 2  # batches that each worker may have ready; Paddle's default


@dataclass(frozen=True)
class Batch:
    """What one training step needs.

    Attributes:
        images: float32 [N, C, H, W].
        labels: uint8 [N, H, W], an eighth of what losses take: the training step widens them on its device.
        paths: the images' files.
    """

    images: paddle.Tensor
    labels: paddle.Tensor
    paths: list[str]


def train_batches(
    dataset: SegmentationDataset,
    batch_size: int,
    start_iter: int,
    iters: int,
    seed: int = 0,
    num_workers: int = 0,
    accumulate: int = 1,
    rank: int = 0,
    ranks: int = 1,
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
        rank: this process's number among `ranks`; together their batches of an iteration are those that one
            process would take with a batch of batch_size x accumulate x ranks.
        ranks: processes that train together.

    Raises:
        UserError: a file is wrong (also in a worker), the images of a batch differ in size, a worker died.
    """
    if batch_size < 1:
        raise UserError(f"batch_size must be at least 1, got {batch_size}")
    key_lists = _BatchKeys(len(dataset), batch_size, start_iter, iters, seed, accumulate, rank, ranks)
    loaded = _load(_Task(dataset, seed), key_lists, num_workers, stays_on_cpu=False)
    for images, labels, note in loaded:
        yield Batch(images, labels, [sample.path for sample in note.samples])


def eval_samples(
    dataset: SegmentationDataset, num_workers: int = 0, rank: int = 0, ranks: int = 1
) -> Iterator[Sample]:
    """Yield samples rank, rank + ranks, ... once, in order; images float32 [H, W, C], labels at source size.

    Args:
        dataset: in mode 'val' or 'test'.
        num_workers: processes that read ahead; 0 reads here.
        rank: this process's number among `ranks`, which share the samples out among them.
        ranks: processes that evaluate together.

    Raises:
        UserError: a file is wrong (also in a worker), or a worker died.
    """
    key_lists = [[(0, index)] for index in range(rank, len(dataset), ranks)]
    for images, labels, note in _load(_Task(dataset, seed=0), key_lists, num_workers, stays_on_cpu=True):
        sample = note.samples[0]
        label = labels.numpy()[0] if note.has_labels else None
        yield replace(sample, image=images.numpy()[0].transpose(1, 2, 0), label=label)


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
    ranks: int

    def __len__(self) -> int:
        return max(self.iters - self.start_iter, 0) * self.accumulate

    def __iter__(self) -> Iterator[list[Key]]:
        known, order = -1, np.empty(0, np.int64)
        for iteration in range(self.start_iter, self.iters):
            first = (iteration * self.ranks + self.rank) * self.accumulate * self.batch_size
            for start in range(first, first + self.accumulate * self.batch_size, self.batch_size):
                keys: list[Key] = []
                for position in range(start, start + self.batch_size):
                    epoch, place = divmod(position, self.length)
                    if epoch != known:
                        rng = np.random.default_rng([self.seed, epoch])
                        known, order = epoch, rng.permutation(self.length)
                    keys.append((epoch, int(order[place])))
                yield keys


@dataclass(frozen=True)
class _Failure:
    """An exception on its way from a worker, as text.

    Attributes:
        message: what the main process raises.
        is_users: it was a UserError; anything else is a bug, and `message` has its trace.
    """

    message: str
    is_users: bool


class _Task(paddle.io.Dataset):
    """A data set addressed by keys; errors are handed on as values, since Paddle would hide them."""

    def __init__(self, dataset: SegmentationDataset, seed: int) -> None:
        self.dataset = dataset
        self.seed = seed

    def __getitem__(self, key: Any) -> Sample | _Failure:
        epoch, index = key
        try:
            return self.dataset.sample(index, epoch, self.seed)
        except UserError as error:
            return _Failure(str(error), is_users=True)
        except Exception:
            return _Failure(f"a data transform or reader failed:\n{traceback.format_exc()}", is_users=False)

    def __len__(self) -> int:
        return len(self.dataset)


@dataclass(frozen=True)
class _Note:
    """What travels beside the arrays.

    Attributes:
        samples: without image and label.
        has_labels: False if the labels' array is a stand-in.
        failure: what went wrong; the arrays are stand-ins then.
    """

    samples: tuple[Sample, ...] = ()
    has_labels: bool = True
    failure: _Failure | None = None


Collated = tuple[np.ndarray, np.ndarray, _Note]
Loaded = tuple[paddle.Tensor, paddle.Tensor, _Note]
NOTHING = np.zeros(1, np.uint8)


def _collate(samples: Sequence[Sample | _Failure]) -> Collated:
    """Stack samples: float32 [N, C, H, W], uint8 [N, H, W]."""
    good = [sample for sample in samples if isinstance(sample, Sample)]
    if len(good) < len(samples):
        failure = next(sample for sample in samples if isinstance(sample, _Failure))
        return NOTHING, NOTHING, _Note(failure=failure)
    notes = tuple(replace(sample, image=NOTHING, label=None) for sample in good)
    first = good[0]
    for sample in good[1:]:
        if sample.image.shape != first.image.shape:
            return NOTHING, NOTHING, _Note(failure=_Failure(_size_message(first, sample), is_users=True))
    images = np.stack([sample.image.transpose(2, 0, 1) for sample in good]).astype(np.float32, copy=False)
    if first.label is None:
        return images, NOTHING, _Note(notes, has_labels=False)
    return images, np.stack([sample.label for sample in good if sample.label is not None]), _Note(notes)


def _size_message(one: Sample, other: Sample) -> str:
    sizes = [f"{s.path} has {s.size[1]}x{s.size[0]} with {s.image.shape[2]} channels" for s in (one, other)]
    return (
        f"the images of a batch must agree in size after the transforms, but {' and '.join(sizes)}; end the "
        "geometry with RandomPaddingCrop or Resize, or set batch_size to 1"
    )


def _load(
    task: _Task, key_lists: Iterable[list[Key]], num_workers: int, stays_on_cpu: bool
) -> Iterator[Loaded]:
    """Yield collated batches as tensors, with their notes.

    Raises:
        UserError: what a sample raised, message unchanged, or a worker died.
        RuntimeError: any other exception of a sample, with its trace.
    """
    source = (
        _in_workers(task, key_lists, num_workers, stays_on_cpu)
        if num_workers
        else _here(task, key_lists, stays_on_cpu)
    )
    for images, labels, note in source:
        if note.failure:
            raise (
                UserError(note.failure.message)
                if note.failure.is_users
                else RuntimeError(note.failure.message)
            )
        yield images, labels, note


def _here(task: _Task, key_lists: Iterable[list[Key]], stays_on_cpu: bool) -> Iterator[Loaded]:
    place = paddle.CPUPlace() if stays_on_cpu else None
    for keys in key_lists:
        images, labels, note = _collate([task[key] for key in keys])
        yield paddle.to_tensor(images, place=place), paddle.to_tensor(labels, place=place), note


def _in_workers(
    task: _Task, key_lists: Iterable[list[Key]], num_workers: int, stays_on_cpu: bool
) -> Iterator[Loaded]:
    options: dict[str, Any] = {
        "batch_sampler": key_lists,
        "collate_fn": _collate,
        "num_workers": num_workers,
        "places": [paddle.CPUPlace()] if stays_on_cpu else None,
        "use_shared_memory": _fits_shared_memory(task, key_lists, num_workers),
        "prefetch_factor": PREFETCH,
        "worker_init_fn": start_worker,
    }
    state = np.random.get_state()
    batches = iter(paddle.io.DataLoader(task, **options))
    np.random.set_state(state)  # Paddle draws a seed for its workers: not from what a resumed run continues
    try:
        yield from batches
    except SystemError as error:  # Paddle's word for it, some seconds after the death
        raise UserError(
            f"a data worker died{cause_of_death(batches)}; use fewer workers (--num_workers), or 0 to see "
            "what happens"
        ) from error


def _fits_shared_memory(task: _Task, key_lists: Iterable[list[Key]], num_workers: int) -> bool:
    """Whether the prefetched batches fit into /dev/shm; a container often has 64 MB there."""
    if not SHARED_MEMORY.is_dir():
        return False
    keys = next(iter(key_lists), None)
    if keys is None:
        return True
    images, labels, _ = _collate([task[keys[0]]])
    needed = (images.nbytes + labels.nbytes) * len(keys) * num_workers * PREFETCH
    free = shutil.disk_usage(SHARED_MEMORY).free
    if needed > free:
        logger.warning(
            "%s has %.0f MB free, but prefetching %d batches needs %.0f MB: the workers send them through "
            "pipes instead, which is slower. Use fewer workers, or a larger one (docker run --shm-size)",
            *(SHARED_MEMORY, free / 2**20, num_workers * PREFETCH, needed / 2**20),
        )
    return needed <= free
