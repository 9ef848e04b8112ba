"""List files: text in UTF-8, with an image in each line, or an image and its label."""

from __future__ import annotations

import os
from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path

from paddleseg_lite.datasets.problems import Problem, refuse
from paddleseg_lite.errors import UserError
from paddleseg_lite.files import read_regular

_BLANKS = " \t\r"
_MAX_BYTES = 1 << 30  # of a list


def read_pairs(
    path: Path, root: Path, separator: str = " ", needs_labels: bool = True
) -> list[tuple[str, str | None]]:
    """Return the pairs (image file, label file or None) that a list names, as paths under `root`.

    Raises:
        UserError: lines have too few or too many names, or files that they name don't exist; the message has
            the lines' numbers.
    """
    if not isinstance(separator, str) or not separator:
        raise UserError(f"separator must be a string that isn't empty, got {separator!r}")
    pairs: list[tuple[str, str | None]] = []
    problems: list[Problem] = []
    for number, line in _lines(path):
        names = _split(line, separator)
        if len(names) > 2 or (needs_labels and len(names) < 2) or not all(names):
            wanted = f"image{separator}label" if needs_labels else f"image or image{separator}label"
            message = (
                f"{path}, line {number}: {line!r} has {len(names)} name(s) separated by "
                f"{separator!r}, expected {wanted!r}; correct the line or set separator"
            )
            problems.append(Problem("bad line in a list", str(path), message))
            continue
        files = [root / name for name in names]
        missing = [file for file in files if not os.path.isfile(file)]
        for file in missing:
            message = f"{path}, line {number}: there is no file {file}; correct the line or the folder"
            problems.append(Problem("missing file", str(file), message))
        if not missing:
            pairs.append((str(files[0]), str(files[1]) if len(files) == 2 else None))
    refuse(problems)
    return pairs


def read_images(path: Path) -> list[Path]:
    """Return the images that a list names, relative to its folder, whether labels stand beside them or not.

    A line is an image's name if there is such a file; else it is split at tabs, commas or spaces, where that
    gives one, and its first name is taken, which may be missing.

    Raises:
        UserError: the list cannot be read.
    """
    return [_first_file(path.parent, line) for _, line in _lines(path)]


def _first_file(folder: Path, line: str) -> Path:
    names = [line, *(_split(line, separator)[0] for separator in "\t, ")]
    files = [folder / name for name in names if name]
    return next(filter(os.path.isfile, files), files[-1])  # of a line too long for a name it says no, too


def _split(line: str, separator: str) -> list[str]:
    """Return the names in a line; around a separator that is not blank itself, such as a comma, blanks go."""
    names = line.split(separator)
    return [name.strip(_BLANKS) for name in names] if separator.strip() else names


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield number and text of the lines that are not empty, without blanks at their ends.

    Raises:
        UserError: the file cannot be read, or a line is not in UTF-8.
    """
    data = read_regular(path, _MAX_BYTES).removeprefix(BOM_UTF8)
    # Not str.splitlines: it knows more ends, which names may have.
    for number, raw in enumerate(data.split(b"\n"), 1):
        try:
            line = raw.decode("utf-8").strip(_BLANKS)
        except UnicodeDecodeError as error:
            raise UserError(
                f"cannot read {path}, line {number}: {error}; it must be a text file in UTF-8"
            ) from error
        if line:
            yield number, line
