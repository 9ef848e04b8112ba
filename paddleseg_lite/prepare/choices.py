"""What the flags of init say of classes and colors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from paddleseg_lite.annotations.source import Color, Source
from paddleseg_lite.errors import UserError
from paddleseg_lite.files import read_regular

_MAX_BYTES = 1 << 20
# "128 64 128 road", as in CamVid's label_colors.txt; "road:128,64,128::", as in CVAT's labelmap.txt.
_COLOR_FIRST = re.compile(r"(\d+)[\s,]+(\d+)[\s,]+(\d+)[\s,:]+(\S.*)")
_NAME_FIRST = re.compile(r"(.*\S)\s*:\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)(?:\s*:.*)?")


def class_choices(given: Sequence[str]) -> dict[str, str | None]:
    """Return {name in the source: class, or None for not counted} of flags such as "Car=car" and "van=".

    Raises:
        UserError: one is no such pair, or a name has two classes.
    """
    found: dict[str, str | None] = {}
    for text in given:
        name, equals, target = text.partition("=")
        if not equals or not name:
            raise UserError(f"--classes has '{text}'; give NAME=CLASS, or NAME= for what does not count")
        if found.setdefault(name, target or None) != (target or None):
            raise UserError(f"--classes has two classes for '{name}': '{found[name]}' and '{target}'")
    return found


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


def check_decided(source: Source, decided: Sequence[str]) -> None:
    """Ask about class names that are nearly the same, unless --classes names them all.

    Args:
        source: the annotations.
        decided: names that --classes has, and what they become.

    Raises:
        UserError: some are not decided upon, or --classes has names that the source lacks.
    """
    for finding in source.findings:
        if finding.kind == "no such class":
            raise UserError(f"--classes: {finding.message}")
        if finding.kind != "names alike":
            continue
        known = {f"'{name}'" for name in decided}
        for group in finding.names:
            names = group.split(" = ")
            if not known.issuperset(names):
                first = names[0].strip("'")
                join = " ".join(f"{name[:-1]}={first}'" for name in names[1:])
                apart = " ".join(f"{name[:-1]}={name[1:]}" for name in names)
                raise UserError(
                    f"the classes {group} are nearly the same name; join them by --classes {join}, or keep "
                    f"them apart by --classes {apart}"
                )
