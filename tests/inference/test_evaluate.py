"""What protects evaluation: batch size and workers do not matter, labels keep their size."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

import paddleseg_lite.inference.evaluate as engine
from paddleseg_lite.inference.augment import InferenceOptions
from paddleseg_lite.inference.evaluate import batches_of_one_shape, evaluate
from paddleseg_lite.inference.logits import Dense, Resized
from paddleseg_lite.metrics.calibration import Calibration
from paddleseg_lite.transforms import Compose, Sample
from tests.toys import PixelNet, Squares


@pytest.fixture
def confusions(monkeypatch):
    """Every confusion matrix that evaluate() sums up."""
    seen = []

    def scores(confusion, classes):
        seen.append(confusion)
        return original(confusion, classes)

    original = engine.scores
    monkeypatch.setattr(engine, "scores", scores)
    return seen


@pytest.fixture
def model():
    paddle.seed(0)
    return PixelNet()


@pytest.mark.parametrize("resize", [False, True])
def test_batch_size_and_workers_leave_the_confusion_matrix_alone(model, confusions, resize):
    """Images of several sizes, in batches of 1, 2 and 4, read here or by workers: the same counts."""
    dataset = Squares("val", length=9, sizes=(32, 32, 40), resize=resize)
    for batch_size, num_workers in [(1, 0), (2, 0), (4, 2)]:
        evaluate(model, dataset, batch_size=batch_size, num_workers=num_workers)
    first, *others = confusions
    for other in others:
        np.testing.assert_array_equal(first, other)
    valid = sum(int((dataset.draw(index)[1] != 255).sum()) for index in range(len(dataset)))
    assert first.sum() == valid, "every valid pixel at the label's own size counts once"


@pytest.mark.parametrize("num_workers", [0, 1])
def test_images_that_nothing_normalises_are_floats_too(num_workers):
    """Protects configs without Normalize: the network gets 0 to 255, float32, however the images are read."""
    data, seen = Squares("val", 2), []
    data.transforms = Compose([])

    def network(images):
        seen.append(images)
        return [paddle.concat([100 - images[:, :1], images[:, :1] - 100], axis=1)]

    assert evaluate(network, data, num_workers=num_workers).miou > 0.99
    assert all(images.dtype == paddle.float32 and float(images.max()) > 150 for images in seen)


def test_a_perfect_network_scores_one():
    """With logits made from brightness, mIoU is 1: nothing is shifted, transposed or resized away."""

    def bright(images):
        grey = images.mean(axis=1, keepdim=True)
        return [paddle.concat([-grey, grey], axis=1)]

    for inference in (
        InferenceOptions(),
        InferenceOptions(flip_horizontal=True, crop_size=(20, 16), stride=(8, 8)),
    ):
        metrics = evaluate(bright, Squares("val", sizes=(32, 48)), inference)
        assert metrics.miou == 1.0
        assert metrics.accuracy == 1.0


def test_evaluation_runs_in_eval_mode(model):
    """Batch statistics of the evaluated images must not leak into the result or into the weights."""
    model.train()
    before = model.bn._mean.numpy().copy()
    evaluate(model, Squares("val"))
    assert not model.training
    np.testing.assert_array_equal(model.bn._mean.numpy(), before)


def test_batches_hold_one_shape_and_keep_the_order():
    """A new shape begins a new batch; nothing is padded, dropped or reordered."""
    shapes = [(4, 4), (4, 4), (4, 4), (4, 6), (4, 4)]
    samples = [
        Sample.from_source(np.zeros((*shape, 3), np.uint8), path=str(i)) for i, shape in enumerate(shapes)
    ]
    batches = [[sample.path for sample in batch] for batch in batches_of_one_shape(samples, 2)]
    assert batches == [["0", "1"], ["2"], ["3"], ["4"]]


class Coarse:
    """A runtime with logits an eighth as large as the image, which are enlarged when they are asked for."""

    name = "coarse"

    def maps(self, images, axes):
        maps = []
        for index, (_, height, width) in enumerate(image.shape for image in images):
            size = (5, -(-height // 8), -(-width // 8))
            logits = np.random.default_rng([index, height]).normal(size=size).astype(np.float32)
            maps.append(Resized(Dense(np.flip(logits, [axis - 1 for axis in axes])), (height, width)))
        return maps


@pytest.mark.parametrize("resize", [False, True])
@pytest.mark.parametrize("flips", [False, True])
def test_asking_for_confidence_changes_no_prediction(resize, flips):
    """A runtime's classes are taken strip by strip, with the confidence of logits in full: the same ones."""
    dataset = Squares("val", length=3, sizes=(100, 77), resize=resize)
    dataset.num_classes, dataset.classes = 5, tuple("abcde")
    options = InferenceOptions(flip_horizontal=flips)
    plain = evaluate(Coarse(), dataset, options)
    sure = Calibration(dataset.classes)
    np.testing.assert_array_equal(
        evaluate(Coarse(), dataset, options, metrics=[sure]).confusion, plain.confusion
    )
    assert 0 < sure.result()["accuracy"] < 1
    assert sure.result()["accuracy"] == pytest.approx(plain.accuracy)
