"""Which format a folder has, told by its content."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from paddleseg_lite.annotations import cityscapes, voc
from paddleseg_lite.annotations.cityscapes import open_cityscapes
from paddleseg_lite.annotations.coco import CocoSource
from paddleseg_lite.annotations.cvat import CvatSource
from paddleseg_lite.annotations.image_index import files_ending
from paddleseg_lite.annotations.labelme import LabelmeSource
from paddleseg_lite.annotations.masks import open_masks
from paddleseg_lite.annotations.source import Choices, Source
from paddleseg_lite.annotations.voc import open_voc
from paddleseg_lite.errors import UserError
from paddleseg_lite.files import read_regular
from paddleseg_lite.registry import did_you_mean

_OPENERS: dict[str, Callable[[Path, Choices], Source]] = {
    "cityscapes": open_cityscapes,
    "coco": CocoSource,
    "cvat": CvatSource,
    "labelme": LabelmeSource,
    "masks": open_masks,
    "voc": open_voc,
}
FORMATS = tuple(_OPENERS)
_OF_COCO = ("images", "annotations", "categories")
_KEYS = re.compile(rf'"(shapes|{"|".join(_OF_COCO)})"\s*:'.encode())
_MAX_BYTES = 1 << 28  # of a file that is read for its keys
_HEAD = 1 << 16  # bytes of a file that are looked at
_LOOKED_AT = 20  # files


def open_source(folder: Path, format: str | None = None, choices: Choices | None = None) -> Source:
    """Open a folder of annotated images; nothing is written to it.

    Args:
        folder: the folder.
        format: one of FORMATS; None finds out.
        choices: what the user decided.

    Raises:
        UserError: there is no such folder or format, or nothing in it that can be used; the message says
            what was found.
    """
    folder = Path(folder)
    if not folder.is_dir():
        remedy = "give the folder that it is in" if folder.is_file() else "check the path"
        raise UserError(f"the source {folder} is no folder; {remedy}")
    found = format or find_format(folder)
    if found not in _OPENERS:
        known = ", ".join(FORMATS)
        raise UserError(f"no format '{found}'{did_you_mean(found, FORMATS)}; known are {known}")
    try:
        return _OPENERS[found](folder, choices or Choices())
    except UserError as error:
        if format is not None:
            raise
        formats = f"other formats are {', '.join(name for name in FORMATS if name != found)}"
        raise UserError(f"{error} (taken for {found}, as it has {_contents(folder)}; {formats})") from error


def find_format(folder: Path) -> str:
    """Return the format of a folder: that of its folders, of CVAT's XML, of JSON files, else masks."""
    for name, parts in (("cityscapes", cityscapes), ("voc", voc)):
        if (folder / parts.IMAGES).is_dir() and (folder / parts.MASKS).is_dir():
            return name
    xmls = files_ending(folder, ".xml")
    if any(b"<annotations" in _head(path) for path in islice(xmls, _LOOKED_AT)):
        return "cvat"
    jsons = files_ending(folder, ".json")
    kinds = Counter(filter(None, map(_kind_of_json, islice(jsons, _LOOKED_AT))))
    return kinds.most_common(1)[0][0] if kinds else "masks"


def _kind_of_json(path: Path) -> str | None:
    """Return what a JSON file is, by the keys that it begins with, or all of them if those don't tell."""
    found = {key.decode() for key in _KEYS.findall(_head(path))}
    if not found:
        try:
            content = json.loads(read_regular(path, _MAX_BYTES))
        except (UserError, ValueError, RecursionError):
            return None
        found = {"shapes", *_OF_COCO} & content.keys() if isinstance(content, dict) else set()
    return "labelme" if "shapes" in found else "coco" if found else None


def _contents(folder: Path) -> str:
    """Return how many files of each ending a folder has, the commonest first."""
    endings = Counter(path.suffix.lower() or "no ending" for path in folder.rglob("*") if path.is_file())
    return ", ".join(f"{count} {ending}" for ending, count in endings.most_common(5)) or "no files"


def _head(path: Path) -> bytes:
    """Return how a file begins, nothing of what cannot be read; a pipe would be waited for."""
    if not path.is_file():
        return b""
    try:
        with path.open("rb") as file:
            return file.read(_HEAD)
    except OSError:
        return b""
