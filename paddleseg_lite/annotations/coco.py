"""COCO's JSON: polygons and run lengths of objects, one file for many images.

Masks are those of pycocotools: several polygons of one object are joined. Later annotations lie over earlier
ones, as in COCO-Stuff's maps; crowds (iscrowd) are not counted, and lie below all others.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from paddleseg_lite.annotations.findings import Notes
from paddleseg_lite.annotations.image_index import ImageIndex, files_ending
from paddleseg_lite.annotations.names import NOT_COUNTED, ClassNames
from paddleseg_lite.annotations.shape_source import Drawing, ShapeSource
from paddleseg_lite.annotations.shapes import Shape, ShapeError, note_shape, points_of
from paddleseg_lite.annotations.source import EXTRA, IGNORED, Choices, Item
from paddleseg_lite.annotations.splits import split_word
from paddleseg_lite.errors import UserError, require_modules
from paddleseg_lite.json_files import ANYTHING, read_json

_MAX_BYTES = 1 << 30  # of a file; COCO's own has 470 MB
_MAX_LENGTH = 1 << 21  # pixels around a polygon: pycocotools takes memory for each
_LAST_BIT = 0x20  # of a letter of compressed run lengths: more of the number follow
_SCHEMA = {"images": [ANYTHING], "annotations": [ANYTHING], "categories": [ANYTHING]}
_Id = (int, str)


@dataclass
class _Entry:
    """An image of a file, and what is annotated on it."""

    item: Item
    size: tuple[int, int] | None
    annotations: list[tuple[str, Any]] = field(default_factory=list)  # name, segmentation


class CocoSource(ShapeSource):
    """One or several JSON files, and the images that they name.

    Raises:
        UserError: pycocotools is missing, or nothing can be used.
    """

    format = "coco"

    def __init__(self, folder: Path, choices: Choices) -> None:
        require_modules("pycocotools", install=EXTRA)
        self.channels = choices.channels
        self._notes, self._index_of_images = Notes(), ImageIndex(folder)
        self._entries: dict[str, _Entry] = {}
        self._files: dict[str, Path | None] = {}
        splits: dict[str, str] = {}
        used: Counter[str] = Counter()
        defined: dict[str, None] = {}
        for path in files_ending(folder, ".json"):
            try:
                content = read_json(path, _SCHEMA, "export it anew, or remove it", limit=_MAX_BYTES)
            except UserError as error:
                self._notes.add("damaged file", error)
                continue
            split = split_word(path.relative_to(folder))
            names = self._read_categories(content, path)
            entries = self._read_images(content, path, split or "")
            defined.update(dict.fromkeys(names.values()))
            used.update(self._read_annotations(content, path, names, entries))
            splits.update((entry.item.name, split) for entry in entries.values() if split)
        if not self._entries:
            raise UserError(f"{folder}: no COCO JSON with images{self._notes.told()}")
        self._add_unlisted()
        for name in sorted(defined.keys() - used.keys() - choices.classes.keys()):
            self._notes.add("unused class", f"'{name}'")
        order = [name for name in defined if name in used]
        named = ClassNames(order, choices.classes, self._notes, used)
        named.index[NOT_COUNTED[0]] = IGNORED  # what crowds become, whatever the file's classes
        items = {name: entry.item for name, entry in self._entries.items()}
        super().__init__(items, self._files, named, self._notes, splits)

    def _read_categories(self, content: dict[str, Any], path: Path) -> dict[Any, str]:
        """Return {id: name}."""
        names: dict[Any, str] = {}
        for number, raw in enumerate(content["categories"], 1):
            if not _has(raw, id=_Id, name=str):
                self._notes.add("damaged entry", f"{path}, category {number}")
            elif names.setdefault(raw["id"], raw["name"]) != raw["name"]:
                self._notes.add("damaged entry", f"{path}, category {number}: its id is that of another")
        for name in sorted(name for name, count in Counter(names.values()).items() if count > 1):
            self._notes.add("same class twice", f"'{name}' ({path})")
        return dict(sorted(names.items(), key=lambda pair: (isinstance(pair[0], str), pair[0])))

    def _read_images(self, content: dict[str, Any], path: Path, split: str) -> dict[Any, _Entry]:
        """Return {id: image} of a file's images that are there."""
        entries: dict[Any, _Entry] = {}
        for number, raw in enumerate(content["images"], 1):
            if not _has(raw, id=_Id, file_name=str):
                self._notes.add("damaged entry", f"{path}, image {number}")
                continue
            image = self._index_of_images.find(raw["file_name"], path, split)
            if image is None:
                self._notes.add("no image", f"{path}, {self._index_of_images.missing(raw['file_name'])}")
                continue
            name = self._index_of_images.name(image)
            if name in self._entries or raw["id"] in entries:
                self._notes.add("same name", f"{path}, '{raw['file_name']}'")
                continue
            height, width = raw.get("height"), raw.get("width")
            size = (height, width) if _is_side(height) and _is_side(width) else None
            self._entries[name] = entries[raw["id"]] = _Entry(Item(name, path, True), size)
            self._files[name] = image
        return entries

    def _read_annotations(
        self, content: dict[str, Any], path: Path, names: dict[Any, str], entries: dict[Any, _Entry]
    ) -> Iterator[str]:
        """Give each image its annotations; yield their names and note what is odd about them."""
        known = {raw["id"] for raw in content["images"] if _has(raw, id=_Id)}
        for number, raw in enumerate(content["annotations"], 1):
            where = f"{path}, annotation {number}"
            if not _has(raw, image_id=_Id, category_id=_Id) or raw["category_id"] not in names:
                self._notes.add("damaged entry", where)
                continue
            entry = entries.get(raw["image_id"])
            if entry is None:
                if raw["image_id"] not in known:
                    self._notes.add("no image", f"{where}, image {raw['image_id']!r}")
                continue
            name = NOT_COUNTED[0] if raw.get("iscrowd") == 1 else names[raw["category_id"]]
            segmentation = raw.get("segmentation")
            if not segmentation:
                self._notes.add("unknown shape", f"{where} (a box without segmentation)")
            elif self._is_usable(where, segmentation, entry.size):
                entry.annotations.append((name, segmentation))
                if name not in NOT_COUNTED:
                    yield name

    def _is_usable(self, where: str, segmentation: Any, size: tuple[int, int] | None) -> bool:
        try:
            if isinstance(segmentation, dict):
                _run_lengths(segmentation, size)
                return True
            polygons = _polygons(segmentation)
        except ShapeError as error:
            self._notes.add("damaged shape", f"{where}: {error}")
            return False
        return note_shape(self._notes, where, Shape("", np.concatenate(polygons)), size)

    def _add_unlisted(self) -> None:
        """Note the images that have no annotation, and add those that no file knows."""
        for name, entry in self._entries.items():
            if not entry.annotations:
                entry.item = Item(name, entry.item.path, False)
                self._notes.add("no annotation", name)
        unlisted = self._index_of_images.unlisted(self._files.values(), self._entries, self._notes)
        for name, file in unlisted:
            self._entries[name], self._files[name] = _Entry(Item(name, file, False), None), file

    def drawing(self, item: Item) -> Drawing:
        """Return what is drawn on an image."""
        entry = self._entries[item.name]
        size = entry.size or self.size(item)[0]
        crowds_first = sorted(entry.annotations, key=lambda pair: pair[0] not in NOT_COUNTED)
        return Drawing(size, (Shape(name, _CORNER, patch=_mask(item, s, size)) for name, s in crowds_first))


_CORNER = np.zeros((1, 2))


def _mask(item: Item, segmentation: Any, size: tuple[int, int]) -> np.ndarray:
    """Return the pixels of an object, bool [H, W]."""
    from pycocotools import mask

    try:
        if isinstance(segmentation, dict):
            coded = _run_lengths(segmentation, size)
            coded = mask.frPyObjects(coded, *size) if isinstance(coded["counts"], list) else coded
        else:
            flat = [polygon.reshape(-1).tolist() for polygon in _polygons(segmentation)]
            coded = mask.merge(mask.frPyObjects(flat, *size))
        return mask.decode(coded).astype(bool)
    except (ValueError, TypeError, OverflowError) as error:
        raise UserError(f"{item.path}: an annotation of '{item.name}' cannot be decoded ({error})") from error


def _run_lengths(segmentation: dict[str, Any], size: tuple[int, int] | None) -> dict[str, Any]:
    """Return run lengths as pycocotools takes them, once it is sure that they fill the image.

    Raises:
        ShapeError: they don't.
    """
    counts, of_size = segmentation.get("counts"), segmentation.get("size")
    if not isinstance(of_size, list) or len(of_size) != 2 or not all(map(_is_side, of_size)):
        raise ShapeError("its run lengths have no size")
    if size is not None and tuple(of_size) != size:
        raise ShapeError(
            "its run lengths are of {1}x{0} pixels, the image has {3}x{2}".format(*of_size, *size)
        )
    if isinstance(counts, str):
        # pycocotools reads behind the end of others.
        is_whole = re.fullmatch(r"[0-o]*", counts) and not (counts and ord(counts[-1]) - 48 & _LAST_BIT)
        if not is_whole:
            raise ShapeError("its run lengths are damaged")
        return {"size": of_size, "counts": counts.encode()}
    is_list = isinstance(counts, list) and all(type(count) is int and count >= 0 for count in counts)
    if not is_list or sum(counts or []) != of_size[0] * of_size[1]:
        raise ShapeError("its run lengths are not as many pixels as the image has")
    return {"size": of_size, "counts": counts}


def _polygons(segmentation: Any) -> list[np.ndarray]:
    """Return the polygons of an object, each float [N, 2].

    Raises:
        ShapeError: they are something else.
    """
    if not isinstance(segmentation, list):
        raise ShapeError("its segmentation is neither polygons nor run lengths")
    polygons = []
    for flat in segmentation:
        if not isinstance(flat, list) or len(flat) % 2:
            raise ShapeError("a polygon of it is no list of x, y, x, y ...")
        polygons.append(points_of([flat[start : start + 2] for start in range(0, len(flat), 2)], 3))
        if np.hypot(*np.diff(polygons[-1], axis=0, append=polygons[-1][:1]).T).sum() > _MAX_LENGTH:
            raise ShapeError("a polygon of it is longer around than any image needs")
    return polygons


def _has(raw: Any, **types: Any) -> bool:
    """Whether an entry of a file is a mapping with values of some types."""
    if not isinstance(raw, dict):
        return False
    pairs = ((raw.get(key), kind) for key, kind in types.items())
    return all(isinstance(value, kind) and not isinstance(value, bool) for value, kind in pairs)


def _is_side(value: Any) -> bool:
    return type(value) is int and 0 < value < 1 << 31
