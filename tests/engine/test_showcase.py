"""Validation images in the run folder: right pictures, of the best weights, and never the end of a run."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import paddle

from paddleseg_lite.engine import evaluator, task
from paddleseg_lite.engine.showcase import showcase, strip
from paddleseg_lite.inference.augment import PLAIN
from tests.engine.toy import toy_run
from tests.toys import Squares


def bright(images):
    grey = images.mean(axis=1, keepdim=True)
    return [paddle.concat([-grey, grey], axis=1)]


def test_pictures_show_image_truth_and_prediction():
    """Side by side, in the data set's colors, of images spread over the set."""
    dataset = Squares("val", length=9)
    shown = showcase(bright, dataset, PLAIN)
    assert [one.path for one in shown] == ["val_0.png", "val_2.png", "val_5.png", "val_8.png"]
    row = strip(shown[0], dataset.palette)
    image, truth = dataset.draw(0)
    np.testing.assert_array_equal(row[:, :32], image)
    np.testing.assert_array_equal(row[1:, 32:64], dataset.palette[truth[1:]])
    np.testing.assert_array_equal(row[1:, 64:], row[1:, 32:64])


def test_large_images_are_kept_small():
    """Four of a hundred megapixels each, with their labels, would not fit into memory."""
    dataset = Squares("val", length=1, sizes=(1200,))
    (shown,) = showcase(bright, dataset, PLAIN)
    assert shown.image.shape == (960, 960, 3)
    assert shown.truth.shape == shown.prediction.shape == (960, 960)
    assert set(np.unique(shown.truth)) == {0, 1, 255}, "ids are not mixed"


def test_the_sheet_is_of_the_best_weights(tmp_path, monkeypatch):
    """Of the highest mIoU, plain or averaged: a lesser one does not replace it."""
    headings = []
    real = evaluator.write_sheet

    def note(path, shown, dataset, heading):
        headings.append(heading)
        real(path, shown, dataset, heading)

    given = iter([0.5, 0.4, 0.5, 0.7, 0.6, 0.65])
    real_evaluate = task.evaluate

    def scored(*args, **options):
        return replace(real_evaluate(*args, **options), miou=next(given))

    monkeypatch.setattr(evaluator, "write_sheet", note)
    monkeypatch.setattr(task, "evaluate", scored)
    toy_run(tmp_path, iters=6, do_eval=True, use_ema=True, save_interval=2, pictures=True)
    assert headings == [
        "weights of iteration 2: mIoU 0.5000",
        "moving average of iteration 4: mIoU 0.7000",
    ]
    assert cv2.imread(str(tmp_path / "val_images.jpg")).shape[1] == 4 * 486


def test_a_sheet_that_cannot_be_drawn_ends_no_run(tmp_path, monkeypatch, caplog):
    """A warning says so; without evaluations there is none."""
    monkeypatch.setattr(task, "showcase", lambda *_: 1 / 0)
    assert toy_run(tmp_path / "a", iters=2, do_eval=True, pictures=True).iteration == 2
    assert f"cannot draw {tmp_path / 'a' / 'val_images.jpg'}: division by zero" in caplog.text
    toy_run(tmp_path / "b", iters=2, pictures=True)
    assert (tmp_path / "b" / "curves.png").exists()
    assert not (tmp_path / "b" / "val_images.jpg").exists()
