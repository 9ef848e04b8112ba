"""A batch's memory on its way into a pass."""

from __future__ import annotations

import gc
import weakref
from itertools import islice

import numpy as np
import pytest

from paddleseg_lite.datasets.loading import workers
from paddleseg_lite.datasets.loading.loader import Batch, train_batches
from paddleseg_lite.engine.feed import Pass
from paddleseg_lite.kernels.aligned import copy
from paddleseg_lite.losses import Criterion, CrossEntropyLoss, OhemCrossEntropyLoss
from tests.toys import Squares


def test_a_worker_does_not_overwrite_what_has_not_been_computed() -> None:
    """A pass that waits for its turn holds its slot, though its arrays are gone."""
    stream = train_batches(Squares("train"), 2, 0, 8 * workers.SLOTS, num_workers=1)
    batch = next(stream)
    expected = batch.images.copy()
    one = Pass(batch)
    del batch
    one.upload()
    places = {each.images.ctypes.data for each in islice(stream, 4 * workers.SLOTS)}
    assert len(places) >= 2, "the other slots went round"
    images, _ = one.take()
    assert images.data_ptr() not in places
    np.testing.assert_array_equal(images.numpy(), expected)
    stream.close()


def test_a_pass_lets_go_of_what_it_has_handed_out() -> None:
    """Else a worker has no slot for the next batch, and copies are made."""
    images = copy(np.ones((1, 3, 4, 4), np.float32))
    one = Pass(Batch(images, copy(np.zeros((1, 4, 4), np.uint8)), ["a.png"]))
    memory = weakref.ref(images.base.base if images.base.base is not None else images.base)
    del images
    tensors = one.take()
    gc.collect()
    assert memory() is not None
    del tensors
    gc.collect()
    assert memory() is None
    assert one.paths == ["a.png"]


def test_shares_are_what_a_loss_divides_by_over_the_mean() -> None:
    """Half of one pass is ignored: it counts half as much as the other; OHEM's mean is its own."""
    criterion = Criterion([CrossEntropyLoss(), OhemCrossEntropyLoss()], [1.0, 1.0])
    passes = []
    for ignored in (0, 2):
        labels = np.zeros((1, 4, 4), np.uint8)
        labels[:, :ignored] = 255
        passes.append(Pass(Batch(np.zeros((1, 3, 4, 4), np.float32), labels, [])))
    counts = [one.count(criterion) for one in passes]
    assert counts == [[16.0, 1.0], [8.0, 1.0]]
    assert [one.shares([12.0, 1.0]) for one in passes] == [
        [pytest.approx(4 / 3), 1.0],
        [pytest.approx(2 / 3), 1.0],
    ]
    assert passes[0].shares([0.0, 1.0]) == [1.0, 1.0], "all pixels of all passes are ignored"
