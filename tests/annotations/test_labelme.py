"""labelme's JSON: shapes, images beside or inside of the files, and what is wrong with them."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from paddleseg_lite.annotations import IGNORED, UNLABELED, Choices, open_source
from paddleseg_lite.datasets.reading.png import encode_png
from paddleseg_lite.errors import UserError
from tests.datasets.test_mutations import mutate, outcome

from .written import SIZE, agree, kinds, label_of, photo, with_odd_value, write, write_json


def shape(label: str, points: Any, kind: str = "polygon", **more: Any) -> dict[str, Any]:
    """Return a shape as labelme 5 writes it."""
    return {
        "label": label, "points": points, "group_id": None, "description": "", "shape_type": kind,
        "flags": {}, "mask": None, **more,
    }  # fmt: skip


def write_labelme(path: Path, *shapes: Any, size: tuple[int, int] = SIZE, **more: Any) -> None:
    """Write a file as labelme 5 does, and its image beside it."""
    write(path.with_suffix(".jpg"), photo(size))
    content = {
        "version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": path.with_suffix(".jpg").name,
        "imageData": None, "imageHeight": size[0], "imageWidth": size[1],
    }  # fmt: skip
    write_json(path, {**content, **more})


def drawn_by_pillow(draw: Any) -> np.ndarray:
    """Return what labelme's own conversion makes of a shape, bool [H, W]: it draws with Pillow."""
    picture = Image.new("L", SIZE[::-1])
    draw(ImageDraw.Draw(picture))
    return np.array(picture) > 0


def distance_from_border(mask: np.ndarray) -> np.ndarray:
    """Return how far each pixel is from the border of a mask."""
    inner, outer = (cv2.distanceTransform((m).astype(np.uint8), cv2.DIST_L2, 5) for m in (mask, ~mask))
    return np.maximum(inner, outer)


POLYGON = [[5.2, 4.7], [50.9, 10.1], [33.3, 35.6], [20.5, 18.2]]


@pytest.mark.parametrize(
    ("kind", "points", "draw"),
    [
        ("polygon", POLYGON, lambda d: d.polygon([tuple(p) for p in POLYGON], 1, 1)),
        ("rectangle", [[30.4, 30.9], [10.2, 5.5]], lambda d: d.rectangle([10.2, 5.5, 30.4, 30.9], 1, 1)),
        ("circle", [[30, 20], [30, 8]], lambda d: d.ellipse([18, 8, 42, 32], 1, 1)),
        ("line", [[5, 5], [50, 30]], lambda d: d.line([(5, 5), (50, 30)], 1, 10)),
        ("linestrip", [[8, 8], [50, 8], [50, 30]], lambda d: d.line([(8, 8), (50, 8), (50, 30)], 1, 10)),
        ("point", [[30, 20]], lambda d: d.ellipse([25, 15, 35, 25], 1, 1)),
    ],
)
def test_shapes_are_those_of_labelme_to_a_pixel_at_the_border(tmp_path, kind, points, draw):
    """Protects areas from being shifted, or smaller than what was drawn."""
    write_labelme(tmp_path / "a.json", shape("road", points, kind))
    source = open_source(tmp_path)
    assert (source.format, source.classes) == ("labelme", ("road",))
    assert not source.findings
    mask, wanted = label_of(source, "a") == 0, drawn_by_pillow(draw)
    # Pillow cuts the corner of a bend, which is round here.
    limit = 4 if kind == "linestrip" else 1.5
    assert (distance_from_border(wanted)[mask != wanted] <= limit).all()
    assert abs(mask.mean() - wanted.mean()) < 0.02


def test_a_polygon_on_whole_pixels_is_exact(tmp_path):
    """Protects against half a pixel of shift, which small objects would feel."""
    write_labelme(tmp_path / "a.json", shape("road", [[10, 5], [20, 5], [20, 9], [10, 9]]))
    y, x = np.nonzero(label_of(open_source(tmp_path), "a") == 0)
    assert (x.min(), x.max(), y.min(), y.max(), len(x)) == (10, 20, 5, 9, 55)


def test_later_shapes_lie_over_earlier_ones(tmp_path):
    """Protects what was drawn on top."""
    low, high = shape("a", [[0, 0], [30, 0], [30, 30]]), shape("b", [[0, 0], [30, 0], [30, 30], [0, 30]])
    write_labelme(tmp_path / "1.json", low, high)
    write_labelme(tmp_path / "2.json", high, low)
    source = open_source(tmp_path)
    assert (label_of(source, "1")[5, 20], label_of(source, "2")[5, 20]) == (1, 0)


def test_masks_embedded_images_and_names_that_are_not_counted(tmp_path):
    """Protects what labelme's AI tools draw, files without their images, and `__ignore__`."""
    patch = np.zeros((6, 8), np.uint8)
    patch[1:, 2:] = 1
    mask = base64.b64encode(encode_png(patch)).decode()
    image = base64.b64encode(encode_png(photo(SIZE))).decode()
    shapes = [
        shape("car", [[50, 3], [57, 8]], "mask", mask=mask),
        shape("__ignore__", [[0, 20], [9, 29]], "rectangle"),
    ]
    write_labelme(tmp_path / "x/a.json", *shapes, imageData=image)
    (tmp_path / "x/a.jpg").unlink()
    source = open_source(tmp_path)
    item = source.items[0]
    assert (source.classes, item.name, source.image_file(item)) == (("car",), "x/a", None)
    assert (source.image(item) == photo(SIZE)).all()
    label = source.label(item)
    assert (label[3:9, 50:58] == np.where(patch, 0, UNLABELED)).all()
    assert (label[20:30, 0:10] == IGNORED).all()
    assert (label == 0).sum() == patch.sum()


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("is_turned", [True, False])
def test_the_annotated_size_tells_how_the_image_lay(tmp_path, orientation, is_turned):
    """Protects photos of phones: labelme shows them upright, but its old versions did not."""
    exif = Image.Exif()
    exif[274] = orientation
    stored = np.zeros((*SIZE, 3), np.uint8)
    stored[5:15, 10:20] = 255
    Image.fromarray(stored).save(tmp_path / "a.png", exif=exif)
    turns = {6: -1, 8: 1}.get(orientation, 0) if is_turned else 0
    if orientation == 3:  # which the size says nothing about: upright is meant
        turns = 2
    seen = np.rot90(stored[..., 0] > 0, turns)
    y, x = np.nonzero(seen)
    points = [[int(x.min()), int(y.min())], [int(x.max()), int(y.max())]]
    write_labelme(tmp_path / "b.json", shape("car", points, "rectangle"))
    content = json.loads((tmp_path / "b.json").read_text())
    content.update(imagePath="a.png", imageHeight=seen.shape[0], imageWidth=seen.shape[1])
    write_json(tmp_path / "a.json", content)
    (tmp_path / "b.json").unlink()
    source = open_source(tmp_path)
    item = source.items[0]
    assert ((source.label(item) == 0) == (source.image(item)[..., 0] > 0)).all()


def test_images_are_found_where_they_are_now(tmp_path):
    """Protects annotations that were moved, or come from Windows."""
    write_labelme(tmp_path / "train/a.json", shape("x", POLYGON), imagePath="..\\images\\a.jpg")
    (tmp_path / "images/sub").mkdir(parents=True)
    (tmp_path / "train/a.jpg").rename(tmp_path / "images/a.jpg")
    write(tmp_path / "images/sub/a.jpg", photo((9, 9)))
    write_labelme(tmp_path / "b.json", shape("x", POLYGON), imagePath="/home/somebody/elsewhere.jpg")
    source = open_source(tmp_path)
    assert [item.name for item in source.items] == ["b", "images/a", "images/sub/a"]
    assert source.image_file(source.items[1]) == tmp_path / "images/a.jpg"
    assert kinds(source) == {"no annotation": ("images/sub/a",)}


def test_what_is_odd_is_named_and_the_rest_goes_on(tmp_path):
    """Protects a hundred good files from one bad one, and the user from not knowing of it."""
    write_labelme(
        tmp_path / "a.json",
        shape("Road", POLYGON),
        shape("road", [[1, 1], [90, 1], [90, 30]]),
        shape("road", [[1, 1], [1, 1], [1, 1]]),
        shape("road", [[1, 1], [2, "x"]]),
        shape("road", [[1, 1], [2, 2]], "cuboid"),
        shape("road", [[1, 1], [2, 2]], "mask", mask="AAAA"),
        shape("road", [[1e400, 1], [2, 2], [3, 3]]),
    )
    write_labelme(tmp_path / "b.json")
    (tmp_path / "c.json").write_text('{"shapes": [')
    write(tmp_path / "c.jpg", photo(SIZE))
    write_labelme(tmp_path / "d.json", shape("Road", POLYGON), imageData=None)
    (tmp_path / "d.jpg").unlink()
    write_labelme(tmp_path / "e.json", shape("Road", POLYGON), imageHeight=10**9, imageWidth=10**9)
    write(tmp_path / "f.jpg", photo(SIZE))
    source = open_source(tmp_path)
    found = {kind: len(names) for kind, names in kinds(source).items()}
    assert found == {
        "damaged file": 1, "no image": 1, "outside": 1, "empty shape": 1, "damaged shape": 3,
        "unknown shape": 1,
        "no shapes": 1, "no annotation": 1, "names alike": 1,
    }  # fmt: skip
    assert source.classes == ("Road", "road")
    assert [item.name for item in source.items] == ["a", "b", "e", "f"]
    assert (label_of(source, "b") == UNLABELED).all()
    with pytest.raises(UserError, match=r"e\.json is for 1000000000x1000000000 pixels"):
        label_of(source, "e")
    joined = open_source(tmp_path, choices=Choices({"Road": "road"}))
    assert joined.classes == ("road",)
    # What cannot be read says itself what to do.
    damaged = next(finding for finding in source.findings if finding.kind == "damaged file")
    assert damaged.message.endswith("save it anew in labelme, or remove it")


def test_classes_that_a_file_lists_are_there_in_their_order(tmp_path):
    """Predictions list the network's: what it never saw on these photos stays a class, and ids stay."""
    write_labelme(tmp_path / "a.json", shape("sky", POLYGON), classes=["road", "bus", "sky"])
    write_labelme(tmp_path / "b.json", shape("bird", POLYGON), classes=["road", "bus", "sky"])
    write_labelme(tmp_path / "c.json", shape("sky", POLYGON), classes={"of": "another tool"})
    source = open_source(tmp_path)
    assert source.classes == ("road", "bus", "sky", "bird")
    assert not source.findings
    joined = open_source(tmp_path, choices=Choices({"bus": None, "bird": "road"}))
    assert joined.classes == ("road", "sky")


def test_a_class_that_nobody_drew_yet_can_be_named(tmp_path):
    """So that ids stay when the first one is drawn; a name that becomes another one is misspelt."""
    write_labelme(tmp_path / "a.json", shape("sky", POLYGON))
    source = open_source(tmp_path, choices=Choices({"sky": "sky", "bus": "bus"}))
    assert source.classes == ("sky", "bus")
    assert not source.findings
    misspelt = open_source(tmp_path, choices=Choices({"skyy": "sky"}))
    assert kinds(misspelt) == {"no such class": ("'skyy'; did you mean 'sky'?",)}


def test_a_misspelt_class_is_named_with_the_common_one(tmp_path):
    """One slip in many files; the common name is what it is to become."""
    write_labelme(tmp_path / "a.json", *[shape("road", POLYGON)] * 10, shape("raod", POLYGON))
    (finding,) = open_source(tmp_path).findings
    assert (finding.kind, finding.groups) == ("names alike", (("road", "raod"),))
    assert finding.names == ("'road' (10 drawn) = 'raod' (1 drawn)",)
    assert not open_source(tmp_path, choices=Choices({"raod": "road"})).findings


def test_a_folder_without_a_usable_file_says_what_it_has(tmp_path):
    """Protects a user who gave the wrong folder."""
    (tmp_path / "a.json").write_text('{"shapes": 3}')
    with pytest.raises(UserError, match="no labelme JSON that can be used: 1 file that cannot be read"):
        open_source(tmp_path)


def test_a_mutated_file_is_read_or_named(tmp_path):
    """Protects from a trace for whatever a file holds."""
    mask = base64.b64encode(encode_png(np.ones((6, 8), np.uint8))).decode()
    image = base64.b64encode(encode_png(photo(SIZE))).decode()
    write_labelme(
        tmp_path / "a.json",
        shape("car", [[50, 3], [57, 8]], "mask", mask=mask),
        shape("road", [[8, 8], [50, 8]], "line"),
        imageData=image,
    )
    (tmp_path / "a.jpg").unlink()
    data, rng, read = (tmp_path / "a.json").read_bytes(), np.random.default_rng(0), 0
    write_labelme(tmp_path / "b.json", shape("car", POLYGON))
    for count in range(200):
        if count % 2:
            (tmp_path / "a.json").write_bytes(mutate(data, rng))
        else:
            write_json(tmp_path / "a.json", with_odd_value(json.loads(data), rng))

        source = open_source(tmp_path)
        for item in source.items:
            found = outcome(lambda source=source, item=item: agree(source, item))
            assert found is True or str(tmp_path) in found
            read += found is True
    assert read > 220


def test_a_pipe_named_as_json_is_not_waited_for(tmp_path):
    """Protects from a folder whose format nobody would ever be told."""
    write_labelme(tmp_path / "a.json", shape("car", POLYGON))
    os.mkfifo(tmp_path / "b.json")
    source = open_source(tmp_path)
    assert [agree(source, item) for item in source.items] == [True]
