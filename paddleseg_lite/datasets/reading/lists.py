"""Lists and folders of images: for training, prediction and calibration, by the same rules.

A list is text in UTF-8, with an image in each line, or an image and its label.
"""

from __future__ import annotations

import os
import re
from codecs import BOM_UTF8
from collections.abc import Collection, Iterator
from pathlib import Path

from paddleseg_lite.datasets.problems import Problem, refuse
from paddleseg_lite.errors import UserError
from paddleseg_lite.files import read_regular

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".npy")
LIST_ENDINGS = (".txt", ".lst")
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


def read_classes(path: Path, root: Path, num_classes: int, delimiter: str = " ") -> list[tuple[str, int]]:
    """Return the pairs (image file, class) of a list, images as paths under `root`.

    Raises:
        UserError: lines have too few or too many parts, no class or no image that exists; the message has
            their numbers.
    """
    if not isinstance(delimiter, str) or not delimiter:
        raise UserError(f"delimiter must be a string that isn't empty, got {delimiter!r}")
    pairs: list[tuple[str, int]] = []
    problems: list[Problem] = []
    for number, line in _lines(path):
        name, *labels = _split(line, delimiter)
        file = root / name
        if len(labels) != 1 or not name:
            message = f"{line!r} is not 'image{delimiter}class'; correct the line or set delimiter"
            problems.append(Problem("bad line in a list", str(path), f"{path}, line {number}: {message}"))
        elif not re.fullmatch("[0-9]{1,9}", labels[0]) or int(labels[0]) >= num_classes:
            allowed = (
                f"allowed are whole numbers from 0 to {num_classes - 1}; correct the line or num_classes"
            )
            message = f"{path}, line {number}: the class of {name} is {labels[0]!r}; {allowed}"
            problems.append(Problem("wrong class", str(path), message))
        elif not os.path.isfile(file):
            message = f"{path}, line {number}: there is no file {file}; correct the line or the folder"
            problems.append(Problem("missing file", str(file), message))
        else:
            pairs.append((str(file), int(labels[0])))
    refuse(problems, listed="")
    return pairs


def search_folders(root: Path) -> dict[str, list[Path]]:
    """Return the images in and below each folder of `root`, both sorted; hidden folders are left out."""
    names = sorted(name for name in os.listdir(root) if not name.startswith("."))
    return {name: sorted(_search(root / name, ())) for name in names if os.path.isdir(root / name)}


def read_images(path: Path, separator: str = " ") -> list[Path]:
    """Return the images that a list names, relative to its folder, whether labels stand beside them or not.

    A line is an image's name if there is such a file; else it is split at the separator, or at tabs, commas
    or spaces, where that gives one, and its first name is taken, which may be missing.

    Raises:
        UserError: the list cannot be read.
    """
    return [_first_file(path.parent, line, separator) for _, line in _lines(path)]


def find_images(
    path: Path, flag: str, skipped: Collection[Path] = (), separator: str = " "
) -> tuple[list[Path], Path]:
    """Return the images that a path stands for, and the folder that their names are relative to.

    In a folder, hidden files and folders (whose names begin with a dot) are left out, as by PaddleSeg, and a
    folder that is linked is searched once, wherever its links lead. A link to nowhere and a folder that may
    not be searched are among the images: to read them tells what is wrong with each.

    Args:
        path: an image; a folder, searched through all its subfolders; or a text file with one image in each
            line, relative to the text file's folder. In a list of `image label` pairs the images are taken.
        flag: where the user gave the path, for messages.
        skipped: folders in the folder that are not searched.
        separator: of the lists of the config's data set.

    Raises:
        UserError: nothing is there, or no image is in it.
    """
    path = Path(path)
    if os.path.isdir(path):
        images = sorted(_search(path, {os.path.realpath(folder) for folder in skipped}))
        if not images:
            raise UserError(f"{flag}: no image in {path}; looked for {', '.join(IMAGE_ENDINGS)}")
        return images, path
    ending = path.suffix.lower()
    if not os.path.lexists(path):  # of a name that is too long, too
        raise UserError(f"no image, folder or list at {path}; check {flag}")
    if ending in IMAGE_ENDINGS:
        return [path], path.parent
    if ending not in LIST_ENDINGS:
        raise UserError(
            f"{flag}: {path} is neither an image ({', '.join(IMAGE_ENDINGS)}) nor a list "
            f"({', '.join(LIST_ENDINGS)})"
        )
    images = read_images(path, separator)
    if not images:
        raise UserError(f"{flag}: {path} lists no image; write one path in each line")
    return images, path.parent


def _search(folder: Path, skipped: Collection[str]) -> Iterator[Path]:
    """Yield the images in a folder and below; what is linked comes under its own name, if it has one here."""
    seen: set[str] = set(skipped)
    folders, linked = [folder], list[Path]()
    while folders or linked:
        current = folders.pop() if folders else linked.pop(0)
        real = os.path.realpath(current)
        if real in seen:
            continue
        seen.add(real)
        try:
            names = sorted(os.listdir(current))
        except OSError:
            yield current
            continue
        for found in (current / name for name in names if not name.startswith(".")):
            if os.path.isdir(found):
                (linked if os.path.islink(found) else folders).append(found)
            elif found.suffix.lower() in IMAGE_ENDINGS:
                yield found


def _first_file(folder: Path, line: str, separator: str) -> Path:
    names = [line, *(_split(line, each)[0] for each in (separator, *"\t, "))]
    files = [folder / name for name in names if name]
    missing = folder / (names[1] or line)
    return next(filter(os.path.isfile, files), missing)  # of a line too long for a name it says no, too


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
