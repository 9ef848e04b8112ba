"""labelme's JSON: a file for each image, with shapes, and the image's path or the image itself.

Later shapes lie over earlier ones. labelme shows, and embeds, images turned by their EXIF orientation; files
of old versions, which did not, are known by their imageWidth and imageHeight.
"""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from paddleseg_lite.annotations.findings import Notes
from paddleseg_lite.annotations.image_index import ImageIndex, files_ending
from paddleseg_lite.annotations.names import ClassNames, alphabetical
from paddleseg_lite.annotations.shape_source import Drawing, ShapeSource
from paddleseg_lite.annotations.shapes import Shape, ShapeError, box, ellipse, note_shape, points_of
from paddleseg_lite.annotations.sizes import size_of_bytes
from paddleseg_lite.annotations.source import Choices, Item
from paddleseg_lite.datasets.reading.images import decode_image
from paddleseg_lite.errors import UserError
from paddleseg_lite.json_files import ANYTHING, NUMBER, mismatch, read_json

_REMEDY = "save it anew in labelme, or remove it"
_SCHEMA = {
    "shapes": [{"label": (str, int), "points": ANYTHING, "shape_type?": (str, None), "mask?": (str, None)}],
    "classes?": ANYTHING,  # of predictions; labelme keeps what it does not know
    "imagePath?": (str, None),
    "imageData?": (str, None),
    "imageHeight?": (NUMBER, None),
    "imageWidth?": (NUMBER, None),
}


class LabelmeSource(ShapeSource):
    """JSON files beside images, or with images in them.

    Raises:
        UserError: none of them can be used.
    """

    format = "labelme"

    def __init__(self, folder: Path, choices: Choices) -> None:
        notes, index = Notes(), ImageIndex(folder)
        self.channels, self._line_width = choices.channels, choices.line_width
        items: dict[str, Item] = {}
        images: dict[str, Path | None] = {}
        found: Counter[str] = Counter()
        declared: dict[str, None] = {}  # classes of who predicted, whether they were seen or not
        damaged: list[Path | None] = []  # images whose annotation is
        for path in files_ending(folder, ".json"):
            try:
                content = read_json(path, _SCHEMA, _REMEDY)
                image = _image_of(content, path, index)
                if image is None and not content.get("imageData"):
                    notes.add("no image", f"{path}, {index.missing(content.get('imagePath') or '')}")
                    continue
            except UserError as error:
                damaged.append(index.beside(path))
                notes.add("damaged file", error)
                continue
            name = index.name(image or path)
            if name in items:
                notes.add("same name", path)
                continue
            images[name], items[name] = image, Item(name, path, True)
            found.update(self._noted(content, path, notes))
            if mismatch(classes := content.get("classes"), [str]) is None:
                declared.update(dict.fromkeys(classes))
        order = [*declared, *alphabetical(found.keys() - declared)]
        listed = [*images.values(), *damaged]
        for name, file in index.unlisted(listed, items, notes):
            images[name], items[name] = file, Item(name, file, False)
        named = ClassNames(order, choices.classes, notes, found)
        if not any(item.has_annotation for item in items.values()):
            raise UserError(f"{folder}: no labelme JSON that can be used{notes.told()}")
        super().__init__(items, images, named, notes, splits={})

    def _noted(self, content: dict[str, Any], path: Path, notes: Notes) -> Iterator[str]:
        """Yield the names of the shapes in a file; note what is odd about them."""
        size = _size(content)
        if not content["shapes"]:
            notes.add("no shapes", path)
        for number, raw in enumerate(content["shapes"], 1):
            where = f"{path}, shape {number} ('{raw['label']}')"
            try:
                shape = self._shape(raw, size)
            except ShapeError as error:
                kind = "unknown shape" if isinstance(error, _UnknownShapeError) else "damaged shape"
                notes.add(kind, f"{where}: {error}")
                continue
            if note_shape(notes, where, shape, size):
                yield shape.name

    def _shape(self, raw: dict[str, Any], size: tuple[int, int] | None) -> Shape:
        kind, name = raw.get("shape_type") or "polygon", str(raw["label"])
        if kind not in _LEAST:
            raise _UnknownShapeError(f"'{kind}'")
        points = points_of(raw["points"], _LEAST[kind])
        if kind == "mask":
            return Shape(name, np.floor(points[:1]), patch=_patch(raw.get("mask"), points, size))
        if kind in ("line", "linestrip"):
            return Shape(name, points, self._line_width)
        if kind == "point":
            radius = self._line_width / 2
            return Shape(name, _circle(points[0], radius))
        if kind == "circle":
            radius = float(np.hypot(*(points[1] - points[0])))
            return Shape(name, _circle(points[0], radius))
        if kind == "rectangle" and len(points) == 2:
            return Shape(name, box(*points.min(0), *points.max(0)))
        return Shape(name, points)

    def drawing(self, item: Item) -> Drawing:
        """Return what is drawn on an image."""
        content = read_json(item.path, _SCHEMA, _REMEDY)
        size, shapes = _size(content), []
        for raw in content["shapes"]:
            try:
                shape = self._shape(raw, size)
            except ShapeError:  # noted when the source was opened
                continue
            if not shape.is_empty():
                shapes.append(shape)
        return Drawing(size, shapes)

    def image(self, item: Item) -> np.ndarray:
        """Return the image; see Source."""
        if self.image_file(item) is not None:
            return super().image(item)
        return decode_image(item.path, self._embedded(item), self.channels)

    def size(self, item: Item) -> tuple[tuple[int, int], int]:
        """Return (height, width) of an upright image, and the orientation that it was turned by."""
        if self.image_file(item) is not None:
            return super().size(item)
        found = size_of_bytes(self._embedded(item))
        if found is not None:
            return found
        height, width = self.image(item).shape[:2]
        return (height, width), 1

    def _embedded(self, item: Item) -> bytes:
        data = read_json(item.path, _SCHEMA, _REMEDY).get("imageData") or ""
        try:
            return _decoded(data)
        except ShapeError as error:
            raise UserError(f"{item.path}: its imageData is no base64; put the image beside it") from error


def _circle(center: np.ndarray, radius: float) -> np.ndarray:
    return ellipse(float(center[0]), float(center[1]), radius, radius)


class _UnknownShapeError(ShapeError):
    """A kind of shape that is not known."""


# Kinds of shapes, and how many points each needs at least.
_LEAST = {
    "polygon": 1,
    "rectangle": 2,
    "oriented_rectangle": 4,
    "circle": 2,
    "line": 2,
    "linestrip": 2,
    "point": 1,
    "mask": 2,
}


def _image_of(content: dict[str, Any], path: Path, index: ImageIndex) -> Path | None:
    """Return the image's file: what the JSON names, else what has the JSON's name."""
    named = content.get("imagePath")
    image = index.find(named, path) if named else None
    if image is None and not content.get("imageData"):
        image = index.beside(path)
    return image


def _size(content: dict[str, Any]) -> tuple[int, int] | None:
    height, width = content.get("imageHeight"), content.get("imageWidth")
    if not height or not width or not (0 < height < 1 << 31 and 0 < width < 1 << 31):
        return None
    return int(height), int(width)


def _decoded(data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=False)
    except (binascii.Error, ValueError) as error:
        raise ShapeError("its mask is no base64") from error


def _patch(data: str | None, points: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    """Return the pixels of a mask, bool [h, w]; it fills the box that the points are corners of."""
    content = _decoded(data or "")
    found = size_of_bytes(content)
    left, top, right, bottom = np.floor([*points.min(0), *points.max(0)])
    wanted = (int(bottom - top) + 1, int(right - left) + 1)
    height, width = size or (0, 0)  # a file with a mask has it, or could ask for any number of pixels
    if found is None or found[0] != wanted or wanted[0] > height + 1 or wanted[1] > width + 1:
        have = "no picture" if found is None else "{1}x{0} pixels".format(*found[0])
        raise ShapeError(f"its mask has {have}, its box {wanted[1]}x{wanted[0]}")
    try:
        return decode_image("its mask", content)[..., 0] > 0
    except UserError as error:
        raise ShapeError(str(error)) from error
