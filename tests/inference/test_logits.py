"""What protects the fast way from coarse logits to labels: it is the slow way, strip by strip."""

from __future__ import annotations

import tracemalloc

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest

from paddleseg_lite.inference.logits import Dense, Mean, Resized, add_into, best_classes, to_array


def interpolated(array, size, align_corners):
    return F.interpolate(
        paddle.to_tensor(array[None]), list(size), mode="bilinear", align_corners=align_corners
    ).numpy()[0]


@pytest.fixture(params=["1", "3"])
def threads(request, monkeypatch):
    """One thread, or several that share the rows."""
    monkeypatch.setenv("OMP_NUM_THREADS", request.param)


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize(
    ("small", "large"), [((16, 20), (128, 160)), ((7, 9), (97, 131)), ((40, 60), (33, 57)), ((1, 1), (5, 70))]
)
def test_resized_is_paddles_resize(threads, small, large, align_corners):
    """Every pixel, at whole and odd factors, up and down, whatever rows are asked for."""
    array = np.random.default_rng(0).standard_normal((5, *small)).astype(np.float32)
    expected = interpolated(array, large, align_corners)
    resized = Resized(Dense(array), large, align_corners)
    assert resized.shape == (5, *large)
    np.testing.assert_allclose(to_array(resized), expected, atol=1e-4)
    middle = large[0] // 2
    np.testing.assert_allclose(resized.rows(middle, middle + 1), expected[:, middle : middle + 1], atol=1e-4)
    total = np.ones_like(expected)
    add_into(total, resized)
    np.testing.assert_allclose(total, expected + 1, atol=1e-4)


def test_best_classes_are_the_argmax(threads):
    """The first of equals wins, negative logits and class 255 too; flipped views are read as they lie."""
    array = np.random.default_rng(0).integers(-3, 3, (7, 80, 33)).astype(np.float32)
    for logits in (array, array[:, ::-1, ::-1], -np.abs(array)):
        np.testing.assert_array_equal(best_classes(Dense(logits)), logits.argmax(0))
    many = np.full((256, 2, 3), -1, np.float32)
    many[255] = 0
    assert (best_classes(Dense(many)) == 255).all()


def test_mean_keeps_what_is_coarse_and_adds_up_what_is_not():
    """A sum of alike coarse maps is one coarse map; others are kept beside it; full ones share one array."""
    rng = np.random.default_rng(0)
    size = (64, 96)
    coarse = [rng.standard_normal((3, 8, 12)).astype(np.float32) for _ in range(2)]
    other = rng.standard_normal((3, 4, 6)).astype(np.float32)
    full = [rng.standard_normal((3, *size)).astype(np.float32) for _ in range(2)]
    expected = [interpolated(array, size, False) for array in (*coarse, other)] + [
        array.copy() for array in full
    ]
    mean = Mean()
    tracemalloc.start()
    for array in (*coarse, other):
        mean.add(Resized(Dense(array.copy()), size))
    assert tracemalloc.get_traced_memory()[0] < full[0].nbytes / 2
    for array in full:
        mean.add(Dense(array.copy()))
    assert tracemalloc.get_traced_memory()[0] < full[0].nbytes * 3 / 2
    tracemalloc.stop()
    np.testing.assert_allclose(to_array(mean), np.mean(expected, axis=0), atol=1e-5)
