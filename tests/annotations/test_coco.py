"""COCO's JSON: what pycocotools makes of it, splits, and what is wrong with it."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from paddleseg_lite.annotations import IGNORED, UNLABELED, Choices, open_source
from paddleseg_lite.errors import UserError
from tests.datasets.test_mutations import mutate, outcome

from .written import SIZE, agree, kinds, label_of, photo, with_odd_value, write, write_json

TRIANGLE = [5.0, 5.0, 50.5, 8.0, 20.0, 35.5]
SQUARE = [30.0, 20.0, 45.0, 20.0, 45.0, 35.0, 30.0, 35.0]
CATEGORIES = [{"id": 7, "name": "car"}, {"id": 3, "name": "road"}]


def annotation(category: int, segmentation: Any, image: int = 1, **more: Any) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "segmentation": segmentation, "iscrowd": 0, **more}


def write_coco(path: Path, *annotations: Any, images: Any = None, categories: Any = CATEGORIES) -> Path:
    """Write a file as the COCO API reads it; ids of annotations are their numbers."""
    if images is None:
        images = [{"id": 1, "file_name": "a.jpg", "height": SIZE[0], "width": SIZE[1]}]
        write(path.parent / "a.jpg", photo(SIZE))
    numbered = [{"id": number, **raw} for number, raw in enumerate(annotations, 1)]
    write_json(path, {"images": images, "annotations": numbered, "categories": categories})
    return path


def coded(mask: np.ndarray, is_compressed: bool) -> dict[str, Any]:
    """Return run lengths as COCO's files have them."""
    if is_compressed:
        found = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
        return {"size": found["size"], "counts": found["counts"].decode()}
    flat = mask.T.reshape(-1).astype(int)
    ends = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *ends, flat.size]).tolist()
    return {"size": list(mask.shape), "counts": [0, *counts] if flat[0] else counts}


@pytest.mark.parametrize("is_compressed", [True, False])
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_masks_come_back_from_run_lengths(is_compressed, tmp_path_factory, seed):
    """Protects every pixel of a mask on its way through COCO's file."""
    folder = tmp_path_factory.mktemp("coco")
    noise = cv2.GaussianBlur(np.random.default_rng(seed).normal(size=SIZE), (0, 0), 4)
    label = np.where(noise > 0.05, 0, np.where(noise < -0.05, 1, UNLABELED))
    parts = [coded(label == index, is_compressed) for index in (0, 1)]
    objects = [annotation(category, part) for category, part in zip((3, 7), parts)]
    source = open_source(write_coco(folder / "a.json", *objects).parent)
    assert (source.format, source.classes) == ("coco", ("road", "car"))
    assert not source.findings
    assert (label_of(source, "a") == label).all()


def test_a_category_without_annotations_can_be_kept(tmp_path):
    """It is left out otherwise, of which there are dozens in files of some tools; and told in one order."""
    path = write_coco(tmp_path / "a.json", annotation(3, [TRIANGLE]))
    content = json.loads(path.read_text())
    content["categories"] += [{"id": 20 + number, "name": name} for number, name in enumerate("zebra")]
    write_json(path, content)
    source = open_source(tmp_path)
    assert source.classes == ("road",)
    assert kinds(source)["unused class"] == tuple(f"'{name}'" for name in ["a", "b", "car", "e", "r", "z"])
    kept = open_source(tmp_path, choices=Choices({"road": "road", "car": "car"}))
    assert kept.classes == ("road", "car")
    assert "'car'" not in kinds(kept)["unused class"]


def test_polygons_are_those_of_pycocotools(tmp_path):
    """Protects the borders, and objects of several parts."""
    objects = annotation(3, [TRIANGLE]), annotation(7, [SQUARE, [1, 1, 9, 1, 9, 9]])
    path = write_coco(tmp_path / "a.json", *objects)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(path))
    road, car = (coco.annToMask(found) > 0 for found in coco.loadAnns([1, 2]))
    label = label_of(open_source(tmp_path), "a")
    assert (label == np.where(car, 1, np.where(road, 0, UNLABELED))).all()


def test_masks_come_back_from_polygons_but_for_their_borders(tmp_path):
    """Protects objects from being shifted on their way through contours and back."""
    mask = cv2.circle(np.zeros(SIZE, np.uint8), (30, 20), 15, 1, -1)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    write_coco(tmp_path / "a.json", annotation(3, [contours[0].reshape(-1).tolist()]))
    found = label_of(open_source(tmp_path), "a") == 0
    square = np.ones((3, 3), np.uint8)
    assert found[cv2.erode(mask, square) > 0].all()
    assert not found[cv2.dilate(mask, square) == 0].any()


def test_later_objects_lie_above_and_crowds_below(tmp_path):
    """Protects objects that are drawn over others, and what is in a crowd but drawn by itself."""
    everything = coded(np.ones(SIZE, bool), True)
    write_coco(
        tmp_path / "a.json",
        annotation(7, [SQUARE]),
        annotation(3, [TRIANGLE]),
        annotation(3, everything, iscrowd=1),
    )
    label = label_of(open_source(tmp_path), "a")
    assert (label[20, 32], label[30, 42], label[1, 1]) == (0, 1, IGNORED)


def test_files_of_several_splits_are_one_source(tmp_path):
    """Protects COCO's own folders, where images of both splits may have one name."""
    for split in ("train", "val"):
        write(tmp_path / f"{split}2017/000.jpg", photo(SIZE))
        images = [{"id": 1, "file_name": "000.jpg", "height": SIZE[0], "width": SIZE[1]}]
        path = tmp_path / f"annotations/instances_{split}2017.json"
        write_coco(path, annotation(3 if split == "train" else 7, [SQUARE]), images=images)
    source = open_source(tmp_path)
    assert source.splits == {"train2017/000": "train", "val2017/000": "val"}
    assert source.classes == ("road", "car")
    assert (label_of(source, "train2017/000").max(), label_of(source, "val2017/000").max()) == (0, 1)


def test_what_is_odd_is_named_and_the_rest_goes_on(tmp_path):
    """Protects a file of thousands of objects from a few damaged ones."""
    images = [
        {"id": 1, "file_name": "a.jpg", "height": SIZE[0], "width": SIZE[1]},
        {"id": 2, "file_name": "gone.jpg", "height": SIZE[0], "width": SIZE[1]},
        {"id": 3, "file_name": "b.jpg", "height": 10**9, "width": 10**9},
        {"id": 4},
        {"id": 5, "file_name": "c.jpg"},
    ]
    for name in ("a", "b", "c", "d"):
        write(tmp_path / f"{name}.jpg", photo(SIZE))
    bad = [
        {"size": list(SIZE), "counts": "\x80\x80"},
        {"size": list(SIZE), "counts": "PP"},  # goes on behind its end
        {"size": list(SIZE), "counts": [1 << 62, -1]},
        {"size": [1 << 30, 1 << 30], "counts": [1 << 60]},
        [[0, 0, 1e300, 1, 5, 5]],
        [[0, 0, 10, "x", 5, 5]],
        [[0, 0, 10]],
        "polygon",
    ]
    write_coco(
        tmp_path / "a.json",
        annotation(3, [SQUARE]),
        annotation(7, []),
        annotation(99, [SQUARE]),
        annotation(3, [SQUARE], image=9),
        annotation(3, [SQUARE], image=3),
        annotation(3, [[-30, 1, 9, 1, 9, 9]]),
        annotation(3, [[5, 5, 5, 5, 5, 5]]),
        *(annotation(3, segmentation) for segmentation in bad),
        images=images,
        categories=[*CATEGORIES, {"id": 8, "name": "road"}, {"name": 3}],
    )
    (tmp_path / "b.json").write_text('{"images": [')
    source = open_source(tmp_path)
    found = {kind: len(names) for kind, names in kinds(source).items()}
    assert found == {
        "damaged entry": 3, "same class twice": 1, "no image": 2, "unknown shape": 1, "outside": 1,
        "empty shape": 1, "damaged shape": len(bad), "damaged file": 1, "no annotation": 2, "unused class": 1,
    }  # fmt: skip
    assert [(item.name, item.has_annotation) for item in source.items] == [
        ("a", True), ("b", True), ("c", False), ("d", False),
    ]  # fmt: skip
    assert (label_of(source, "a") == 0).any()
    with pytest.raises(UserError, match="1000000000x1000000000"):
        label_of(source, "b")


def test_classes_can_be_joined_and_left_out(tmp_path):
    """Protects the user's choice of what counts."""
    write_coco(tmp_path / "a.json", annotation(3, [TRIANGLE]), annotation(7, [SQUARE]))
    source = open_source(tmp_path, choices=Choices({"car": None, "road": "ground"}))
    assert source.classes == ("ground",)
    assert label_of(source, "a")[30, 42] == IGNORED


def test_a_mutated_file_is_read_or_named(tmp_path):
    """Protects from a trace, or a crash of pycocotools, for whatever a file holds."""
    blob = cv2.circle(np.zeros(SIZE, np.uint8), (30, 20), 15, 1, -1) > 0
    path = write_coco(
        tmp_path / "a.json",
        annotation(3, [TRIANGLE]),
        annotation(7, coded(blob, True)),
        annotation(7, coded(blob, False)),
    )
    data, rng, read = path.read_bytes(), np.random.default_rng(0), 0
    for count in range(400):
        if count % 2:
            path.write_bytes(mutate(data, rng))
        else:
            write_json(path, with_odd_value(json.loads(data), rng))
        source = outcome(lambda: open_source(tmp_path, "coco"))
        if isinstance(source, str):
            continue
        for item in source.items:
            found = outcome(lambda source=source, item=item: agree(source, item))
            assert found is True or str(tmp_path) in found
            read += found is True
    assert read > 100
