"""What a result says, shows and writes."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest

from paddleseg_lite.datasets.reading.images import read_stored_label
from paddleseg_lite.errors import UserError
from paddleseg_lite.inference.segmentation import KINDS, Segmentation

CLASSES = ("road", "sky", "tree", "car", "dog")
PALETTE = np.array([[10, 20, 30], [200, 100, 50], [0, 255, 0], [255, 0, 0], [9, 9, 9]], np.uint8)


@pytest.fixture
def found(tmp_path):
    """A photo of 40x20 pixels: half road, a quarter sky, a fifth trees, and a car."""
    mask = np.zeros((20, 40), np.uint8)
    mask[:10, :20], mask[:10, 20:36], mask[:10, 36:] = 1, 2, 3
    image = np.full((20, 40, 3), 100, np.uint8)
    path = tmp_path / "photos" / "a b.png"
    path.parent.mkdir()
    cv2.imwrite(str(path), image)
    confidence = np.full(mask.shape, 0.5, np.float32)
    return Segmentation(mask, image, CLASSES, PALETTE, confidence=confidence, path=str(path))


def test_it_says_what_was_found(found):
    """The source, width x height, and the largest classes; of an array and of a frame as well."""
    assert repr(found) == (
        f"<Segmentation of {found.path!r}, 40x20: road 50.0%, sky 25.0%, tree 20.0%, 1 more>"
    )
    whole = np.zeros((4, 6), np.uint8)
    assert repr(Segmentation(whole, found.image, CLASSES, PALETTE)) == (
        "<Segmentation of an image, 6x4: road 100.0%>"
    )
    frame = Segmentation(whole, found.image, CLASSES, PALETTE, path="drive.mp4", frame=7)
    assert repr(frame) == "<Segmentation of 'drive.mp4', frame 7, 6x4: road 100.0%>"


def test_shares(found):
    """Of all classes, in their order, so that results are lines of one table; of one name they add up."""
    assert found.shares == {"road": 0.5, "sky": 0.25, "tree": 0.2, "car": 0.05, "dog": 0.0}
    assert list(found.shares) == list(CLASSES)
    twice = Segmentation(found.mask, found.image, ("a", "a", "b", "b", "b"), PALETTE)
    assert twice.shares == {"a": 0.75, "b": 0.25}


def test_a_plot_is_nobodys_current_figure(found, tmp_path):
    """Image and overlay, a legend of what was found; pyplot is not even imported."""
    had_pyplot = "matplotlib.pyplot" in sys.modules
    figure = found.plot()
    left, right = figure.axes
    np.testing.assert_array_equal(right.images[0].get_array(), found.overlay())
    np.testing.assert_array_equal(left.images[0].get_array(), found.image)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "road 50.0%", "sky 25.0%", "tree 20.0%", "car 5.0%"
    ]  # fmt: skip
    figure.savefig(tmp_path / "figure.png", dpi=40)
    assert (tmp_path / "figure.png").stat().st_size > 0
    assert ("matplotlib.pyplot" in sys.modules) == had_pyplot


def test_a_plot_names_classes_as_they_are(found, tmp_path):
    """labelme's own `_background_` is not left out, and dollars make no formula, which may be a wrong one."""
    names = ("_background_", "$\\frac$", "5 $ or $", "car")
    figure = replace(found, classes=names).plot()
    figure.savefig(tmp_path / "figure.png", dpi=40)
    shown = [text.get_text().rpartition(" ")[0] for text in figure.legends[0].get_texts()]
    assert shown == list(names)


def test_json(found):
    """Shares, size, and polygons by class, those of the stated size."""
    content = json.loads(found.to_json())
    assert content["path"] == found.path
    assert content["size"] == {"width": 40, "height": 20}
    assert content["shares"] == found.shares
    assert [(part["class"], part["pixels"]) for part in content["polygons"]] == [
        ("road", 400), ("sky", 200), ("tree", 160), ("car", 40)
    ]  # fmt: skip
    assert sorted(content["polygons"][1]["outline"]) == [[0, 0], [0, 9], [19, 0], [19, 9]]
    fewer = json.loads(found.to_json(min_pixels=50))
    assert [part["class"] for part in fewer["polygons"]] == ["road", "sky", "tree"]
    assert fewer["min_pixels"] == 50
    assert fewer["shares"] == found.shares


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_saved(found, tmp_path, kind):
    """As the files of predict.py are; the folder is made."""
    path = tmp_path / "new" / f"a{KINDS[kind].ending}"
    found.save(path, kind)
    if kind == "json":
        assert path.read_text() == found.to_json() + "\n"
    elif kind == "polygons":
        content = json.loads(path.read_text())
        assert content["imagePath"] == "../photos/a b.png"
        assert (content["imageHeight"], content["imageWidth"], content["imageData"]) == (20, 40, None)
        assert [shape["label"] for shape in content["shapes"]] == ["road", "sky", "tree", "car"]
    elif kind in ("raw", "color"):
        np.testing.assert_array_equal(read_stored_label(path), found.mask)
    elif kind == "overlay":
        np.testing.assert_array_equal(cv2.imread(str(path))[..., ::-1], found.overlay())
    elif kind == "cityscapes":
        np.testing.assert_array_equal(read_stored_label(path), np.array([7, 8, 11, 12])[found.mask])
    else:
        np.testing.assert_array_equal(read_stored_label(path), np.full(found.mask.shape, 128))


def test_the_ending_tells_the_kind(found, tmp_path):
    """An overlay as PNG or JPEG, JSON as .json; what has no place in a file is refused before it is made."""
    for name in ("a.png", "a.jpg"):
        found.save(tmp_path / name)
        assert cv2.imread(str(tmp_path / name)).shape == (20, 40, 3)
    found.save(str(tmp_path / "a.json"))
    assert "polygons" in json.loads((tmp_path / "a.json").read_text())
    for name, kind, said in (
        ("b.jpg", "raw", r"'raw' is written as \.png"),
        ("b.png", "polygons", r"is written as \.json"),
        ("b.xyz", None, "no ending of an image"),
        ("b", None, "no ending of an image"),
        ("b.png", "mask", "kind is 'mask'; give one or more of raw"),
    ):
        with pytest.raises(UserError, match=said):
            found.save(tmp_path / name, kind)
        assert not (tmp_path / name).exists()


def test_what_was_not_asked_for_is_not_saved(found, tmp_path):
    """No confidence, no file for labelme to open: said in a sentence."""
    array = Segmentation(found.mask, found.image, CLASSES, PALETTE)
    frame = Segmentation(found.mask, found.image, CLASSES, PALETTE, path=found.path, frame=0)
    with pytest.raises(UserError, match="confidence=True"):
        array.save(tmp_path / "c.png", "confidence")
    for result in (array, frame):
        with pytest.raises(UserError, match="give a path"):
            result.save(tmp_path / "c.json", "polygons")
