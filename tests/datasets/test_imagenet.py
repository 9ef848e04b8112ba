"""Images with one class each: lists and folders, what is refused, and the batches made of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from paddleseg_lite.datasets import ImageNetDataset, eval_samples, train_batches
from paddleseg_lite.errors import UserError
from paddleseg_lite.transforms import MixupOperator, Normalize, RandomErasing, RandomResizedCrop, Resize

CLASSES = ("car", "pole", "road")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three folders with three images each, of several sizes; image i of class k has the color 20 k + i."""
    for label, name in enumerate(CLASSES):
        for number in range(3):
            path = tmp_path / name / "deep" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(path), np.full((20 + number, 30, 3), 20 * label + number, np.uint8))
    (tmp_path / ".hidden").mkdir()
    return tmp_path


def written(root: Path, lines: str, name: str = "train_list.txt") -> str:
    (root / name).write_text(lines, encoding="utf-8")
    return name


def test_folders_are_classes(root: Path) -> None:
    """In the order of their names; hidden ones and files beside them are none."""
    written(root, "")
    data = ImageNetDataset([Resize((8, 8))], str(root), num_classes=3)
    assert (data.classes, len(data)) == (CLASSES, 9)
    sample = data.sample(4)
    assert (sample.label.shape, sample.label.dtype, int(sample.label)) == ((), np.int64, 1)
    assert (sample.image == 21).all()
    assert data.describe() == (
        "ImageNetDataset train: 9 images, 3 classes (car, pole, road); the first image is 30x20 (width x "
        "height), 8x8 after the transforms"
    )


def test_a_list_names_images_and_classes(root: Path) -> None:
    """PaddleClas' `path label`, by any delimiter; a class may be 255 or more."""
    lines = "car/deep/0.png, 255\n\nroad/deep/2.png,999\n"
    data = ImageNetDataset([], str(root), written(root, lines), delimiter=",")
    assert data.pairs == [(str(root / "car/deep/0.png"), 255), (str(root / "road/deep/2.png"), 999)]
    assert (data.num_classes, data.classes[999]) == (1000, "class 999")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "car/deep/0.png",
            "line 2: 'car/deep/0.png' is not 'image class'; correct the line or set delimiter",
        ),
        ("my car.png 1", "line 2: 'my car.png 1' is not 'image class'"),
        (
            "car/deep/0.png cat",
            "line 2: the class of car/deep/0.png is 'cat'; allowed are whole numbers from 0 to 2",
        ),
        ("car/deep/0.png 3", "line 2: the class of car/deep/0.png is '3'; allowed"),
        ("car/deep/0.png -1", "is '-1'; allowed"),
        ("car/deep/0.png 1.0", "is '1.0'; allowed"),
        ("car/deep/9.png 1", "line 2: there is no file .*9.png; correct the line or the folder"),
        ("a b c\nd e f\ng h i\nj k l", "; and 1 more$"),
    ],
)
def test_lines_that_are_refused(root: Path, line: str, message: str) -> None:
    """Before training, with the line's number."""
    path = written(root, f"car/deep/1.png 0\n{line}\n")
    with pytest.raises(UserError, match=message):
        ImageNetDataset([], str(root), path, num_classes=3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_root": "ROOT/none"}, "image_root: there is no folder .*/none"),
        (
            {"cls_label_path": "none.txt"},
            "cls_label_path: there is no file none.txt, neither as it is nor in",
        ),
        ({"cls_label_path": "empty.txt"}, "empty.txt lists no image"),
        ({"num_classes": 1000}, "has 3 folders, each a class, but num_classes is 1000; set num_classes"),
        ({"image_root": "ROOT/pole", "num_classes": 1}, "image_root: no image in the folders of"),
        ({"cls_label_path": "empty.txt", "delimiter": ""}, "delimiter must be a string that isn't empty"),
        ({"mode": "val", "batch_transforms": [MixupOperator()]}, "batch_transforms are for training"),
    ],
)
def test_data_that_are_refused(root: Path, arguments: dict, message: str) -> None:
    """Each in one sentence."""
    written(root, "", "empty.txt")
    shutil.rmtree(root / "pole" / "deep")
    (root / "pole" / "nothing").mkdir()
    given = {"image_root": "ROOT", "num_classes": 3, **arguments}
    with pytest.raises(UserError, match=message):
        ImageNetDataset([], **{**given, "image_root": given["image_root"].replace("ROOT", str(root))})


def test_an_image_that_is_broken_is_named(root: Path) -> None:
    """By the data set, and by a worker."""
    (root / "car" / "deep" / "0.png").write_bytes(b"no image")
    data = ImageNetDataset([Resize((8, 8)), Normalize()], str(root), num_classes=3)
    with pytest.raises(UserError, match=r"car/deep/0.png"):
        data.sample(0)
    for num_workers in (0, 1):
        with pytest.raises(UserError, match=r"car/deep/0.png"):
            list(train_batches(data, 9, 0, 1, num_workers=num_workers))


def test_what_does_not_fit_an_image_is_told_with_its_name(root: Path) -> None:
    """Transforms know no files."""
    with pytest.raises(UserError, match=r"car/deep/0.png: RandomErasing needs a normalised image"):
        ImageNetDataset([RandomErasing()], str(root), num_classes=3).sample(0)


def mixing(root: Path) -> ImageNetDataset:
    steps = [RandomResizedCrop(8), Normalize(), RandomErasing(mode="pixel")]
    return ImageNetDataset(steps, str(root), num_classes=3, batch_transforms=[MixupOperator(0.5)])


def stream(root: Path, **options: int) -> list[tuple[np.ndarray, np.ndarray]]:
    options = {"batch_size": 4, "start_iter": 0, "iters": 6, "seed": 5, **options}
    return [(batch.images.copy(), batch.labels.copy()) for batch in train_batches(mixing(root), **options)]


def test_batches_of_classes(root: Path) -> None:
    """Labels int64 [N], each class beside its own image."""
    data = ImageNetDataset([Resize((8, 8))], str(root), num_classes=3)
    for batch in train_batches(data, batch_size=3, start_iter=0, iters=3):
        assert (batch.labels.shape, batch.labels.dtype) == ((3,), np.int64)
        np.testing.assert_array_equal(batch.images[:, 0, 0, 0] // 20, batch.labels)


@pytest.mark.parametrize("options", [{"num_workers": 1}, {"num_workers": 2}, {"start_iter": 2}])
def test_mixed_batches_are_the_same_however_they_come(root: Path, options: dict[str, int]) -> None:
    """Workers, or a run that was resumed: bit by bit those of a run in one process from the start."""
    whole = stream(root)[options.get("start_iter", 0) :]
    found = stream(root, **options)
    assert len(found) == len(whole)
    for (images, labels), (own_images, own_labels) in zip(whole, found):
        np.testing.assert_array_equal(images, own_images)
        np.testing.assert_array_equal(labels, own_labels)
        assert labels.shape == (4, 3)


def test_each_batch_is_mixed_by_a_draw_of_its_own(root: Path) -> None:
    """Also on several ranks, and with another seed."""
    parts = [float(labels[0, 2]) for _, labels in stream(root)]
    of_rank = [float(labels[0, 2]) for _, labels in stream(root, iters=3, rank=1, world_size=2)]
    assert of_rank == parts[1::2], "the very batches of one process"
    seeded = [float(labels[0, 2]) for _, labels in stream(root, seed=6)]
    assert len({*parts, *seeded}) == 12


def test_evaluation_reads_each_image_once_in_order(root: Path) -> None:
    """With its class, whatever the workers."""
    data = ImageNetDataset([Resize((8, 8)), Normalize()], str(root), num_classes=3, mode="val")
    for num_workers in (0, 2):
        labels = [int(sample.label) for sample in eval_samples(data, num_workers)]
        assert labels == [0, 0, 0, 1, 1, 1, 2, 2, 2]
