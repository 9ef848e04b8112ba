"""What becomes of what nobody annotated."""

from __future__ import annotations

import numpy as np
import pytest

from paddleseg_lite.annotations.source import IGNORED, UNLABELED
from paddleseg_lite.errors import UserError
from paddleseg_lite.prepare.unlabeled import decide

from .stub import SIZE, StubSource

LABEL = np.array([[0, 1, UNLABELED, IGNORED]], np.int16)


def source(tmp_path, **options):
    return StubSource(tmp_path, ["a", "b", "c"], **options)


@pytest.mark.parametrize(
    ("format", "choice", "classes", "ids", "left_out"),
    [
        ("labelme", None, ("background", "leaf", "stem"), [1, 2, 0, 255], set()),
        ("coco", "ignore", ("leaf", "stem"), [0, 1, 255, 255], set()),
        ("masks", None, ("leaf", "stem"), [0, 1, 255, 255], set()),
        ("masks", "background", ("background", "leaf", "stem"), [1, 2, 0, 255], set()),
        ("cvat", "drop", ("background", "leaf", "stem"), [1, 2, 0, 255], set()),
    ],
)
def test_pixels_that_nothing_covers(tmp_path, format, choice, classes, ids, left_out):
    """Background where people draw things; nothing that counts where masks are complete."""
    found = decide(source(tmp_path, format=format), choice)
    assert found.classes == classes
    assert found.apply(LABEL).tolist() == [ids]
    assert found.apply(LABEL).dtype == np.uint8
    assert len(found.palette) == len(classes)
    assert found.left_out == left_out
    assert "--unlabeled" in found.note or choice


def test_a_background_of_the_source_is_the_background(tmp_path):
    """Also under labelme's name for it, and wherever it stands."""
    found = decide(source(tmp_path, classes=("leaf", "_Background_")), None)
    assert found.classes == ("leaf", "_Background_")
    assert found.apply(LABEL).tolist() == [[0, 1, 1, 255]]


@pytest.mark.parametrize("workers", [0, 2])
def test_where_every_pixel_is_covered_no_background_is_added(tmp_path, workers):
    """It would be a class without a pixel; one gap is enough, a damaged item is none; it can be chosen."""
    whole = source(tmp_path, label_of=lambda name: np.ones(SIZE, np.int16), bad=("a",))
    found = decide(whole, None, workers)
    assert found.classes == ("leaf", "stem")
    assert "every pixel is covered" in found.note
    assert decide(whole, "background").classes == ("background", "leaf", "stem")
    gap = source(tmp_path, label_of=lambda name: np.full(SIZE, UNLABELED if name == "c" else 1, np.int16))
    assert decide(gap, None, workers).classes == ("background", "leaf", "stem")


def test_images_without_annotation_are_asked_about(tmp_path):
    """No format tells whether they show nothing or wait to be annotated."""
    bare = source(tmp_path, bare=("b",))
    with pytest.raises(UserError, match=r"1 image \(b\) of 3 without.*--unlabeled background.*drop.*ignore"):
        decide(bare, None)
    assert decide(bare, "background").left_out == frozenset()
    assert decide(bare, "drop").left_out == decide(bare, "ignore").left_out == {"b"}
    assert decide(bare, "drop").classes[0] == "background"
    assert "left out" in decide(bare, "drop").note


def test_colors(tmp_path):
    """The source's, with black for a background that is added; ignored pixels are not black."""
    palette = np.array([[10, 20, 30], [40, 50, 60]], np.uint8)
    found = decide(source(tmp_path, palette=palette), None)
    assert found.palette.tolist() == [[0, 0, 0], [10, 20, 30], [40, 50, 60]]
    assert found.file_palette()[[1, 255]].tolist() == [[10, 20, 30], [224, 224, 192]]
    default = decide(source(tmp_path), None)
    assert default.palette[0].tolist() == [0, 0, 0]
    assert len(np.unique(default.palette, axis=0)) == 3


def test_a_source_without_classes_is_refused(tmp_path):
    """There would be nothing but background to learn."""
    with pytest.raises(UserError, match="no class is annotated on 3 images"):
        decide(source(tmp_path, classes=()), None)


def test_no_id_is_left(tmp_path):
    """255 classes and a background are more than a label file has ids."""
    many = source(tmp_path, classes=tuple(f"class {number}" for number in range(255)))
    with pytest.raises(UserError, match="no id is left for the background"):
        decide(many, None)
    assert len(decide(many, "ignore").classes) == 255
