"""Crops for pretraining: where they are cut, and that they are of their class."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import make_crops
from benchmarks.make_crops import squares
from demo.streetscenes.files import claim_folder, write_scene
from paddleseg_lite.datasets import ImageNetDataset
from paddleseg_lite.datasets.cityscapes import Cityscapes


def drawn() -> np.ndarray:
    """Return 100x200 pixels with an object of 20x10, a small one, one in the corner, and ground, class 2."""
    label = np.full((100, 200), 2, np.uint8)
    label[40:60, 50:60] = 1
    label[40:45, 80:85] = 1
    label[90:, 190:] = 1
    return label


def test_squares_around_regions() -> None:
    """The longer side and a fifth of it on each side, moved into the image; small ones are left out."""
    found = list(squares(drawn(), 1, np.random.default_rng(0), smallest=10, largest=64))
    assert found == [(36, 41, 28), (86, 186, 14)]


def test_of_a_pole_a_part_is_taken() -> None:
    """Four times as wide as it: else nearly all of the crop would be something else."""
    label = np.zeros((100, 200), np.uint8)
    label[10:90, 60:66] = 1
    ((top, left, side),) = squares(label, 1, np.random.default_rng(0), smallest=10, largest=64)
    assert side == 24
    assert (label[top : top + side, left : left + side] == 1).mean() >= 0.15


def test_a_large_region_is_cut() -> None:
    """A square of the largest side, around a pixel of the region, inside of the image."""
    label = drawn()
    for seed in range(20):
        ((top, left, side),) = squares(label, 2, np.random.default_rng(seed), smallest=10, largest=64)
        part = label[top : top + side, left : left + side]
        assert (side, part.shape) == (64, (64, 64))
        assert (part == 2).any()
    assert list(squares(label, 3, np.random.default_rng(0), 10, 64)) == []


def test_a_set_is_made_of_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CamVid's pedestrians are StreetScenes' persons; a class without crops has its folder all the same."""
    streets, camvid = tmp_path / "streets", tmp_path / "camvid"
    claim_folder(streets, seed=0, width=128, height=64)
    camvid.mkdir()
    image, label = np.full((64, 128, 3), 90, np.uint8), np.full((64, 128), 255, np.uint8)
    label[20:40, 30:50] = 9  # pedestrian
    for split in ("train", "val"):
        write_scene(streets, split, 0, 0, 128, 64)
        assert cv2.imwrite(str(camvid / f"{split}.png"), image)
        assert cv2.imwrite(str(camvid / f"{split}_label.png"), label)
        (camvid / f"{split}.txt").write_text(f"{split}.png {split}_label.png\n")
    given = {"save_dir": tmp_path / "crops", "camvid": camvid, "streetscenes": streets, "size": 32}
    flags = [text for name, value in given.items() for text in (f"--{name}", str(value))]
    monkeypatch.setattr(sys, "argv", ["make_crops.py", *flags])
    make_crops.main()
    for split in ("train", "val"):
        data = ImageNetDataset([], str(tmp_path / "crops" / split), num_classes=19, mode=split)
        assert sorted(data.classes) == sorted(Cityscapes.classes)
        assert (tmp_path / "crops" / split / "person" / "camvid_00000.jpg").exists()
        assert data.sample(0).image.shape == (32, 32, 3)
        assert len(data) > 3
