"""Batches: the same whatever the workers, resumable, and errors that arrive."""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
import pytest

import paddleseg_lite.transforms as T
from paddleseg_lite.datasets import eval_samples, train_batches
from paddleseg_lite.errors import UserError
from tests.datasets.written_pairs import dataset, write_pairs

AUGMENT = [T.ResizeStepScaling(), T.RandomPaddingCrop((16, 12)), T.RandomDistort(), T.Normalize()]


@pytest.fixture
def folder(tmp_path):
    """A folder with five pairs."""
    return write_pairs(tmp_path)


def contents(batches):
    """Return everything in the batches, comparable."""
    return [(b.images.tobytes(), b.labels.tobytes(), tuple(b.paths)) for b in batches]


def test_batches_are_the_same_with_and_without_workers(folder):
    """Protects reproducibility: 0, 1 and 3 workers."""
    data = dataset(folder, AUGMENT)
    expected = contents(train_batches(data, 2, 0, 6, seed=3))
    for workers in (1, 3):
        assert contents(train_batches(data, 2, 0, 6, seed=3, num_workers=workers)) == expected
    assert contents(train_batches(data, 2, 0, 6, seed=4)) != expected


def test_resumed_run_goes_on_where_it_stopped(folder):
    """Protects exact resuming, in the middle of an epoch."""
    data = dataset(folder, AUGMENT)
    whole = contents(train_batches(data, 2, 0, 8, seed=1))
    assert contents(train_batches(data, 2, 3, 8, seed=1)) == whole[3:]
    assert list(train_batches(data, 2, 8, 8, seed=1)) == []


def test_each_epoch_shows_each_image_once_in_a_new_order(folder):
    """Protects the stream: no image dropped at an epoch's end, no two epochs alike."""
    paths = [path for batch in train_batches(dataset(folder, AUGMENT), 2, 0, 10) for path in batch.paths]
    epochs = [paths[start : start + 5] for start in range(0, 20, 5)]
    assert all(len(set(epoch)) == 5 for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_batch_larger_than_the_data_set(folder):
    """Protects tiny data sets: PaddleSeg drops the only, incomplete batch and trains on nothing."""
    (batch,) = train_batches(dataset(folder, AUGMENT), 12, 0, 1)
    assert batch.images.shape == (12, 3, 12, 16)
    assert sorted(Counter(batch.paths).values()) == [2, 2, 2, 3, 3]


def test_shapes_and_types(folder):
    """Protects what models and losses are given."""
    (batch,) = train_batches(dataset(folder, AUGMENT), 2, 0, 1)
    assert batch.images.dtype == np.float32
    assert batch.labels.shape == (2, 12, 16)
    assert batch.labels.dtype == np.uint8
    (raw,) = train_batches(dataset(folder, [T.Resize((16, 12))]), 2, 0, 1)
    assert raw.images.dtype == np.float32
    assert raw.images.max() > 1, "without Normalize, values stay 0 to 255"


@pytest.mark.parametrize("workers", [0, 2])
def test_evaluation_goes_through_all_in_order(folder, workers):
    """Protects evaluation: every image once, geometry and labels intact, sizes that differ."""
    cv2.imwrite(str(folder / "image1.png"), np.zeros((30, 40, 3), np.uint8))
    cv2.imwrite(str(folder / "label1.png"), np.ones((30, 40), np.uint8))
    data = dataset(folder, [T.ResizeByLong(20), T.Normalize()], "val")
    samples = list(eval_samples(data, workers))
    assert [sample.path for sample in samples] == [image for image, _ in data.pairs]
    for index, sample in enumerate(samples):
        expected = data.sample(index)
        assert (sample.image == expected.image).all()
        assert (sample.label == expected.label).all()
        assert sample.windows == expected.windows
        assert sample.restore(np.zeros((4, *sample.size), np.float32)).shape[1:] == sample.source_size


@pytest.mark.parametrize("workers", [0, 1])
def test_images_without_labels_are_evaluated_to_predict(folder, workers):
    """Protects test mode: no label is None, not an array."""
    (folder / "list.txt").write_text("image0.png\n")
    (sample,) = eval_samples(dataset(folder, [T.Normalize()], "test"), workers)
    assert sample.label is None


@pytest.mark.parametrize("workers", [0, 2])
def test_users_mistake_arrives_unchanged(folder, workers):
    """Protects the one sentence: Paddle would wrap it in a worker's trace, or lose it."""
    cv2.imwrite(str(folder / "label3.png"), np.full((24, 32), 9, np.uint8))
    data = dataset(folder, AUGMENT)
    with pytest.raises(UserError) as here:
        data.sample(3)
    with pytest.raises(UserError) as there:
        list(train_batches(data, 2, 0, 5, num_workers=workers))
    assert str(there.value) == str(here.value)
    with pytest.raises(UserError, match="label3"):
        list(eval_samples(dataset(folder, [T.Normalize()], "val"), workers))


@pytest.mark.parametrize("workers", [0, 1])
def test_bug_in_a_transform_arrives_with_its_trace(folder, workers):
    """Protects the search for a bug in somebody's own transform."""

    def broken_transform(sample, rng):
        raise KeyError("oops")

    with pytest.raises(RuntimeError, match=r"(?s)broken_transform.*KeyError: 'oops'"):
        list(train_batches(dataset(folder, [broken_transform]), 2, 0, 2, num_workers=workers))


def test_sizes_that_differ_in_a_batch_are_named(folder):
    """Protects from np.stack's message, which names no file."""
    cv2.imwrite(str(folder / "image1.png"), np.zeros((30, 40, 3), np.uint8))
    cv2.imwrite(str(folder / "label1.png"), np.ones((30, 40), np.uint8))
    with pytest.raises(UserError, match=r"(40x30.*32x24|32x24.*40x30).*RandomPaddingCrop"):
        list(train_batches(dataset(folder, [T.Normalize()]), 5, 0, 1))


def test_workers_survive_threads_of_cv2_in_the_parent(folder):
    """Protects from a hang: a forked process has none of the threads that cv2 thinks it has."""
    big = np.zeros((2000, 3000, 3), np.uint8)
    for _ in range(3):
        cv2.resize(big, (1024, 512))  # large enough for cv2 to start its threads
    batches = list(
        train_batches(dataset(folder, [*AUGMENT[:-1], T.RandomBlur(1), AUGMENT[-1]]), 2, 0, 2, num_workers=2)
    )
    assert len(batches) == 2


def test_batch_size_is_checked(folder):
    """Protects from an endless loop of empty batches."""
    with pytest.raises(UserError, match="batch_size"):
        next(train_batches(dataset(folder, AUGMENT), 0, 0, 1))


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_lie_as_tensors_do(folder, workers):
    """Protects bit-identical training for any number of workers: Paddle's sums depend on the alignment."""
    for batch in train_batches(dataset(folder, AUGMENT), 2, 0, 5, num_workers=workers):
        assert batch.images.ctypes.data % 64 == 0
