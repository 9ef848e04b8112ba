"""What protects polygons: they are the mask's pixels, and labelme's can be corrected and read back."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from paddleseg_lite.annotations import open_source
from paddleseg_lite.inference.polygons import MIN_PIXELS, labelme_shapes, regions
from paddleseg_lite.inference.segmentation import Segmentation

CLASSES = ("road", "sky", "tree", "car")


def blobs(size: tuple[int, int], seed: int = 0, smooth: float = 6) -> np.ndarray:
    """A mask of four classes with islands and holes of all shapes."""
    noise = np.random.default_rng(seed).normal(size=(4, *size)).astype(np.float32)
    return np.stack([cv2.GaussianBlur(plane, (0, 0), smooth) for plane in noise]).argmax(0).astype(np.uint8)


def rings() -> np.ndarray:
    """Squares in each other: a hole in a hole, and the outermost class once more in the middle."""
    mask = np.zeros((60, 80), np.uint8)
    for edge, class_id in ((8, 1), (14, 2), (20, 1), (26, 0)):
        mask[edge:-edge, edge:-edge] = class_id
    return mask


def diagonal() -> np.ndarray:
    """A ring that is closed by a corner alone: what is inside touches what is outside by the other corner."""
    mask = np.zeros((40, 40), np.uint8)
    mask[8:32, 8:32] = 1
    mask[12:28, 12:28] = 0
    mask[8:12, 8:12] = 0
    mask[7:12, 12] = 1  # now only (12, 12) and (11, 11) touch
    return mask


def near_borders(mask: np.ndarray, distance: int) -> np.ndarray:
    """Where another class is at most so many pixels away."""
    window = np.ones((2 * distance + 1,) * 2, np.uint8)
    return cv2.dilate(mask, window) != cv2.erode(mask, window)


def read_back(folder: Path, mask: np.ndarray) -> np.ndarray:
    """Write a mask as labelme's file, in a folder of the images' folder; return what a source makes of it."""
    image = np.zeros((*mask.shape, 3), np.uint8)
    cv2.imwrite(str(folder / "a.png"), image)
    found = Segmentation(mask, image, CLASSES, np.zeros((4, 3), np.uint8), path=str(folder / "a.png"))
    found.save(folder / "polygon_prediction" / "a.json", "polygons")
    source = open_source(folder)
    assert source.format == "labelme"
    ids = [CLASSES.index(name) for name in source.classes]
    label = source.label(source.items[0])
    return np.where(label < 0, label, np.array(ids)[label])


@pytest.mark.parametrize("mask", [blobs((90, 120)), rings(), diagonal()], ids=["blobs", "rings", "diagonal"])
def test_regions_are_the_masks_pixels(mask):
    """Outline and holes, filled as cv2 does, give each region again, to the pixel."""
    drawn = np.full(mask.shape, 255, np.uint8)
    for region in regions(mask, min_pixels=1):
        alone = np.zeros(mask.shape, np.uint8)
        cv2.drawContours(alone, [region.outline, *region.holes], -1, 1, cv2.FILLED)
        assert alone.sum() == region.pixels
        drawn[alone > 0] = region.class_id
    np.testing.assert_array_equal(drawn, mask)
    if mask.shape == (60, 80):
        assert [(region.class_id, len(region.holes)) for region in regions(mask)] == [
            (0, 1), (0, 0), (1, 1), (1, 1), (2, 1)
        ]  # fmt: skip


def test_small_regions_are_left_out():
    """The stated threshold: 15 pixels are a speck, 16 are none."""
    mask = np.zeros((30, 30), np.uint8)
    mask[2:5, 2:7], mask[10:14, 10:14] = 1, 2
    assert MIN_PIXELS == 16
    assert [region.class_id for region in regions(mask)] == [0, 2]
    assert [shape["label"] for shape in labelme_shapes(mask, CLASSES)] == ["road", "tree"]


@pytest.mark.parametrize("seed", range(3))
def test_labelme_files_give_the_mask_again(tmp_path, seed):
    """By the source that `init` reads, up to border pixels: no gap between regions, few points to move."""
    mask = blobs((120, 160), seed)
    back = read_back(tmp_path, mask)
    wrong = back != mask
    assert (back >= 0).all()
    assert (wrong & ~near_borders(mask, 2)).sum() <= 2 * MIN_PIXELS, "a speck may be lost"
    assert wrong.mean() < 0.04
    points = sum(len(shape["points"]) for shape in labelme_shapes(mask, CLASSES))
    assert points < 0.7 * sum(len(region.outline) for region in regions(mask))


@pytest.mark.parametrize("mask", [rings(), diagonal()], ids=["rings", "diagonal"])
def test_holes_are_drawn_later(tmp_path, mask):
    """What lies in a hole is painted after what is around it, however the classes are ordered."""
    assert not ((read_back(tmp_path, mask) != mask) & ~near_borders(mask, 1)).any()
    np.testing.assert_array_equal(
        read_back(tmp_path, mask)[30:, 30:], mask[30:, 30:]
    ) if mask is rings else None


def test_labelmes_own_conversion_agrees():
    """labelme draws polygons with Pillow, in their order."""
    mask = blobs((120, 160), seed=5)
    picture = Image.new("L", mask.shape[::-1], 255)
    for shape in labelme_shapes(mask, CLASSES):
        color = CLASSES.index(shape["label"])
        points = [tuple(point) for point in shape["points"]]
        ImageDraw.Draw(picture).polygon(points, fill=color, outline=color)
    assert not ((np.array(picture) != mask) & ~near_borders(mask, 2)).any()


def test_specks_take_the_class_around_them():
    """A person has none to remove, and no pixel stays without a class; of specks alone they stay."""
    mask = np.zeros((20, 20), np.uint8)
    mask[5, 5] = mask[5, 19] = 1
    mask[:, 10:] += 2
    shapes = labelme_shapes(mask, CLASSES)
    assert [shape["label"] for shape in shapes] == ["road", "tree"]
    assert len(labelme_shapes(np.array([[0, 1]], np.uint8), CLASSES)) == 2


def test_a_line_one_pixel_wide_is_a_polygon():
    """labelme's own reader refuses polygons of two points."""
    mask = np.zeros((30, 60), np.uint8)
    mask[10, 5:50] = 1
    assert all(len(shape["points"]) >= 3 for shape in labelme_shapes(mask, CLASSES))
    assert labelme_shapes(mask, CLASSES)[1]["label"] == "sky"


def test_rows_and_columns_of_pixels_are_read_back(tmp_path):
    """They have an area: `init` leaves out what has none, as slips of a hand."""
    mask = np.zeros((30, 60), np.uint8)
    mask[0, 5:50] = mask[-1, 5:50] = 1
    mask[10, 5:50] = 2
    mask[5:25, -1] = 3
    np.testing.assert_array_equal(read_back(tmp_path, mask), mask)
    assert not open_source(tmp_path).findings
    picture = Image.new("L", mask.shape[::-1], 255)
    for shape in labelme_shapes(mask, CLASSES):  # as labelme draws it
        color = CLASSES.index(shape["label"])
        ImageDraw.Draw(picture).polygon([tuple(point) for point in shape["points"]], color, color)
    np.testing.assert_array_equal(np.array(picture), mask)
