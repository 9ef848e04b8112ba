"""Files that say which class each color, or id, of masks is."""

from __future__ import annotations

import re
from pathlib import Path

from paddleseg_lite.annotations.names import NOT_COUNTED
from paddleseg_lite.annotations.source import Color
from paddleseg_lite.errors import UserError
from paddleseg_lite.files import read_regular

_MAX_BYTES = 1 << 20
# "128 64 128 road", as in CamVid's label_colors.txt; "road:128,64,128::", as in CVAT's labelmap.txt.
_COLOR_FIRST = re.compile(r"(\d+)[\s,]+(\d+)[\s,]+(\d+)[\s,:]+(\S.*)")
_NAME_FIRST = re.compile(r"(.*\S)\s*:\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)(?:\s*:.*)?")
_NAMES = ("class_names.txt", "classes.txt", "codes.txt")  # of labelme's converter; of others


def read_colors(path: Path) -> dict[Color, str]:
    """Return {(R, G, B): class} of a text file, a line each: "128 64 128 road" or "road:128,64,128::".

    Raises:
        UserError: it cannot be read, or a line is something else.
    """
    found: dict[Color, str] = {}
    for number, raw in enumerate(read_regular(path, _MAX_BYTES).split(b"\n"), 1):
        line = raw.decode("utf-8-sig", "replace").strip()
        if not line or line.startswith("#"):
            continue
        if match := _COLOR_FIRST.fullmatch(line):
            *values, name = match.groups()
        elif match := _NAME_FIRST.fullmatch(line):
            name, *values = match.groups()
        color = tuple(map(int, values)) if match else (256,)
        if max(color) > 255:
            raise UserError(
                f"{path}, line {number}: '{line[:60]}' is no color; write R G B NAME, as 128 64 128 road"
            )
        found[color[0], color[1], color[2]] = name
    if not found:
        raise UserError(f"{path} has no colors; write a line R G B NAME for each class, as 128 64 128 road")
    return found


def read_names(folder: Path) -> list[str]:
    """Return the classes' names in the order of their ids, of a file in a folder; none without such a file.

    Raises:
        UserError: it cannot be read.
    """
    path = next((folder / name for name in _NAMES if (folder / name).is_file()), None)
    if path is None:
        return []
    lines = read_regular(path, _MAX_BYTES).decode("utf-8-sig", "replace").splitlines()
    return [line.strip() for line in lines if line.strip() not in ("", *NOT_COUNTED)]
