"""Top-1 and top-5 of a classifier, by hand and on a data set."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import paddle
import pytest

from paddleseg_lite.datasets import ImageNetDataset
from paddleseg_lite.inference.classify import evaluate_classes, hits
from paddleseg_lite.inference.evaluate import EvaluationStopped
from paddleseg_lite.transforms import Normalize


@pytest.mark.parametrize(
    ("logits", "label", "expected"),
    [
        ([9, 8, 7, 6, 5, 4, 3], 0, (True, True)),
        ([9, 8, 7, 6, 5, 4, 3], 1, (False, True)),
        ([9, 8, 7, 6, 5, 4, 3], 4, (False, True)),
        ([9, 8, 7, 6, 5, 4, 3], 5, (False, False)),
        ([1, 1, 1, 1, 1, 1, 1], 0, (True, True)),  # of equal ones the smaller id is first
        ([1, 1, 1, 1, 1, 1, 1], 4, (False, True)),
        ([1, 1, 1, 1, 1, 1, 1], 5, (False, False)),
        ([np.nan] * 7, 0, (False, False)),
        ([0, np.nan, 0, 0, 0, 0, 0], 1, (False, False)),
        ([2, 1, 0], 2, (False, True)),  # of less than five classes each is among the first five
        ([np.nan] * 3, 0, (False, False)),  # but NaN
        ([0, np.nan, 0], 1, (False, False)),
        ([0, np.nan, 0], 0, (False, True)),
    ],
)
def test_hits_by_hand(logits: list[float], label: int, expected: tuple[bool, bool]) -> None:
    """The class's place in the order of the logits, counted from the highest."""
    found = hits(paddle.to_tensor([logits] * 2, "float32"), paddle.to_tensor([label, label]))
    assert [hit.numpy().tolist() for hit in found] == [[top] * 2 for top in expected]


@pytest.fixture
def data(tmp_path: Path) -> ImageNetDataset:
    """Seven images of classes 0 to 6; the image of class k is k x 10 everywhere, in two sizes."""
    lines = []
    for label in range(7):
        side = 8 if label < 3 else 6
        assert cv2.imwrite(str(tmp_path / f"{label}.png"), np.full((side, 8, 3), label * 10, np.uint8))
        lines.append(f"{label}.png {label}\n")
    (tmp_path / "list.txt").write_text("".join(lines))
    return ImageNetDataset([Normalize(mean=(0,), std=(1,))], str(tmp_path), "list.txt", 7, mode="val")


def brightness(images: paddle.Tensor) -> list[paddle.Tensor]:
    """Take an image of class k for one of class k + 1, then k, k - 1, ...; class 6 is right."""
    kind = (images.mean([1, 2, 3]) * 25.5).round().unsqueeze(1)
    ids = paddle.arange(7, dtype="float32")
    return [paddle.where(ids <= kind + 1, ids, -ids)]


@pytest.mark.parametrize("batch_size", [1, 2, 5])
@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_data_set_is_scored(data: ImageNetDataset, batch_size: int, num_workers: int) -> None:
    """1 of 7 first, all among five; images of two sizes do not share a batch, and none is left out."""
    shapes = []

    def model(images: paddle.Tensor) -> list[paddle.Tensor]:
        shapes.append(images.shape)
        return brightness(images)

    found = evaluate_classes(model, data, batch_size, num_workers)
    assert (found.images, found.top1, found.top5) == (7, pytest.approx(1 / 7), 1)
    assert found.summary() == "#Images: 7 top-1: 0.1429 top-5: 1.0000"
    assert sum(shape[0] for shape in shapes) == 7
    assert max(shape[0] for shape in shapes) == min(batch_size, 4)


def test_an_evaluation_that_is_told_to_stop(data: ImageNetDataset) -> None:
    """After the batch under way, as that of segmentation."""
    with pytest.raises(EvaluationStopped):
        evaluate_classes(brightness, data, stop=lambda: True)
