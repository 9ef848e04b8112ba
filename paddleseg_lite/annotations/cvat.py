"""CVAT's XML 1.1 for images: one file for many images, with shapes.

Shapes of a higher z_order lie over those of a lower one, later ones over earlier ones. CVAT shows images
turned by their EXIF orientation.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from paddleseg_lite.annotations.findings import Notes
from paddleseg_lite.annotations.image_index import ImageIndex, files_ending
from paddleseg_lite.annotations.mask_values import unpacked
from paddleseg_lite.annotations.names import ClassNames, alphabetical
from paddleseg_lite.annotations.shape_source import Drawing, ShapeSource
from paddleseg_lite.annotations.shapes import Shape, ShapeError, box, ellipse, note_shape, points_of
from paddleseg_lite.annotations.source import EXTRA, Choices, Color, Item
from paddleseg_lite.annotations.splits import split_word
from paddleseg_lite.errors import UserError, require_modules
from paddleseg_lite.files import read_regular

_MAX_BYTES = 1 << 30  # of a file
_NO_SHAPES = ("tag", "attribute")
_MAX_SIDE, _MAX_PIXELS = 1 << 20, 1 << 28  # of an image or a mask
Attributes = Mapping[str, str]


@dataclass(frozen=True)
class _Raw:
    """What is drawn on one image, as the file has it: unpacked, masks could take very much memory."""

    size: tuple[int, int]
    shapes: list[tuple[str, Attributes]]  # tag and attributes


class CvatSource(ShapeSource):
    """One or several XML files, and the images that they name.

    Raises:
        UserError: defusedxml is missing, or nothing can be used.
    """

    format = "cvat"

    def __init__(self, folder: Path, choices: Choices) -> None:
        require_modules("defusedxml", install=EXTRA)
        self.channels, self._line_width = choices.channels, choices.line_width
        self._notes, self._index_of_images = Notes(), ImageIndex(folder)
        self._items: dict[str, Item] = {}
        self._files: dict[str, Path | None] = {}
        self._raw: dict[str, _Raw] = {}
        self._colors: dict[str, Color] = {}  # of labels, in the order of the files
        splits: dict[str, str] = {}
        for path in files_ending(folder, ".xml"):
            try:
                root = _parsed(path)
            except UserError as error:
                self._notes.add("damaged file", error)
                continue
            if root.find("track") is not None:
                self._notes.add("damaged file", f"{path} has tracks of a video; export 'CVAT for images 1.1'")
            elif root.tag == "annotations":
                self._read_labels(root)
                splits.update(self._read_images(root, path))
        if not self._items:
            told = self._notes.told()
            raise UserError(f"{folder}: no XML of 'CVAT for images 1.1' with images that are there{told}")
        unlisted = self._index_of_images.unlisted(self._files.values(), self._items, self._notes)
        for name, file in unlisted:
            self._items[name], self._files[name] = Item(name, file, False), file
        drawn = Counter(_label(attributes) for raw in self._raw.values() for _, attributes in raw.shapes)
        for name in sorted(self._colors.keys() - drawn.keys() - choices.classes.keys()):
            self._notes.add("unused class", f"'{name}'")
        order = [name for name in self._colors if name in drawn]
        order += alphabetical(drawn.keys() - self._colors.keys())
        named = ClassNames(order, choices.classes, self._notes, drawn)
        super().__init__(self._items, self._files, named, self._notes, splits)
        self.palette = named.palette(self._colors)

    def _read_labels(self, root: Any) -> None:
        for label in root.iterfind("meta//labels/label"):
            name, color = label.findtext("name"), (label.findtext("color") or "").lstrip("#")
            try:
                number = int(color, 16) if len(color) == 6 else 0
            except ValueError:
                number = 0
            if name:
                self._colors.setdefault(name, unpacked(number))

    def _read_images(self, root: Any, path: Path) -> Iterator[tuple[str, str]]:
        """Take the images of a file, and what is drawn on them; yield the splits that it tells."""
        for number, image in enumerate(root.iterfind("image"), 1):
            named = image.get("name") or ""
            split = split_word(Path(image.get("subset") or ""))
            file = self._index_of_images.find(named, path, split or "")
            if file is None:
                self._notes.add("no image", f"{path}, {self._index_of_images.missing(named)}")
                continue
            name = self._index_of_images.name(file)
            if name in self._items:
                self._notes.add("same name", f"{path}, image {number} ('{named}')")
                continue
            try:
                size = (_side(image, "height"), _side(image, "width"))
            except ShapeError as error:
                self._notes.add("damaged entry", f"{path}, image {number} ('{named}'): {error}")
                continue
            shapes = self._usable(image, f"{path}, '{named}'", size)
            self._items[name] = Item(name, path, bool(shapes))
            self._files[name], self._raw[name] = file, _Raw(size, shapes)
            if not shapes:
                self._notes.add("no annotation", name)
            if split:
                yield name, split

    def _usable(self, image: Any, where: str, size: tuple[int, int]) -> list[tuple[str, Attributes]]:
        """Return the shapes of an image in the order that they are painted; note what is odd about them."""
        found: list[tuple[int, str, Attributes]] = []
        for number, raw in enumerate(image, 1):
            place = f"{where}, {raw.tag} {number} ('{raw.get('label')}')"
            if raw.tag in _NO_SHAPES:
                continue
            if raw.tag not in _READERS:
                self._notes.add("unknown shape", place)
                continue
            try:
                shape = self._shape(raw.tag, raw.attrib)
                depth = int(raw.get("z_order") or 0)
            except (ShapeError, ValueError, OverflowError, KeyError) as error:
                reason = f"it has no {error}" if isinstance(error, KeyError) else error
                self._notes.add("damaged shape", f"{place}: {reason}")
                continue
            if note_shape(self._notes, place, shape, size):
                found.append((depth, raw.tag, raw.attrib))
        return [(tag, attributes) for _, tag, attributes in sorted(found, key=lambda shape: shape[0])]

    def _shape(self, tag: str, attributes: Attributes) -> Shape:
        points, patch = _READERS[tag](attributes)
        return Shape(_label(attributes), points, self._line_width if tag == "polyline" else 0, patch)

    def drawing(self, item: Item) -> Drawing:
        """Return what is drawn on an image."""
        raw = self._raw[item.name]
        return Drawing(raw.size, (self._shape(tag, attributes) for tag, attributes in raw.shapes))


def _label(attributes: Attributes) -> str:
    return attributes.get("label") or ""


def _parsed(path: Path) -> Any:
    """Return the root of an XML file.

    Raises:
        UserError: it cannot be read, or has entities, which could stand for any amount of text.
    """
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException, ElementTree

    data = read_regular(path, _MAX_BYTES)
    try:
        return ElementTree.parse(io.BytesIO(data), forbid_dtd=True).getroot()
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise UserError(f"{path} is damaged ({error}); export it anew, or remove it") from error


# Of a shape's attributes: its points, and the pixels of a patch.
_Parts = tuple[np.ndarray, "np.ndarray | None"]


def _polygon(raw: Attributes) -> _Parts:
    return _points(raw, 1), None


def _polyline(raw: Attributes) -> _Parts:
    return _points(raw, 2), None


def _box(raw: Attributes) -> _Parts:
    left, top, right, bottom = (float(raw[key]) for key in ("xtl", "ytl", "xbr", "ybr"))
    return points_of(box(left, top, right, bottom, _degrees(raw))), None


def _ellipse(raw: Attributes) -> _Parts:
    x, y, radius_x, radius_y = (float(raw[key]) for key in ("cx", "cy", "rx", "ry"))
    return points_of(ellipse(x, y, radius_x, radius_y, _degrees(raw))), None


def _mask(raw: Attributes) -> _Parts:
    """Run lengths of the rows of a box: pixels that are not in the mask, pixels that are, and so on."""
    height, width = _side(raw, "height"), _side(raw, "width")
    counts = np.array([int(count) for count in raw["rle"].split(",") if count.strip()], np.int64)
    # No more is unpacked than an image may have; that it fits this one is known before it is painted.
    if height * width > _MAX_PIXELS or (counts < 0).any() or counts.sum() != height * width:
        raise ShapeError(f"its run lengths are not those of {width}x{height} pixels")
    pixels = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return points_of([[float(raw["left"]), float(raw["top"])]]), pixels.reshape(height, width)


_READERS: dict[str, Callable[[Attributes], _Parts]] = {
    "polygon": _polygon,
    "polyline": _polyline,
    "box": _box,
    "ellipse": _ellipse,
    "mask": _mask,
}


def _points(raw: Attributes, least: int) -> np.ndarray:
    pairs = [pair.split(",") for pair in raw["points"].split(";") if pair]
    return points_of([[float(value) for value in pair] for pair in pairs], least)


def _degrees(raw: Attributes) -> float:
    degrees = float(raw.get("rotation") or 0)
    if not np.isfinite(degrees):
        raise ShapeError("its rotation is no number")
    return degrees


def _side(raw: Any, key: str) -> int:
    """Return the height or width of an image or a mask."""
    text = raw.get(key) or ""
    if not text.isdecimal() or not 0 < int(text[:10]) <= _MAX_SIDE:
        raise ShapeError(f"its {key} is '{text[:20]}', no number of pixels")
    return int(text[:10])
