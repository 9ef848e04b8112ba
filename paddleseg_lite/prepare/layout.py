"""Which files a data set has: where an item's image and label lie, and how lists name them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from paddleseg_lite.annotations.source import Item, Source
from paddleseg_lite.errors import UserError

IMAGES, LABELS = "images", "labels"
SEPARATOR = "\t"  # of lists: a name may have spaces, today or with the next photos
TRAIN, VAL, TEST = "train", "val", "test"
CONFIG, FINGERPRINT, PAGE, RECORD = "config.yml", "fingerprint.json", "samples.html", "init.json"


@dataclass(frozen=True)
class Target:
    """Where an item's files lie, relative to the data set's folder, "/" between.

    Attributes:
        item: the item.
        image: the image's file: a copy, or the source's own where that lies in the data set's folder.
        label: the label's file.
        origin: what the image is a copy of; None: it is where it was, or embedded in an annotation.
        is_written: whether `image` is to be written.
    """

    item: Item
    image: str
    label: str
    origin: Path | None
    is_written: bool


def plan_targets(source: Source, items: Iterable[Item], folder: Path) -> list[Target]:
    """Return where the files of items go, in their order.

    Images are copied, so that the folder can be moved or packed by itself, but for those that lie in it
    already. Names stay, but for what a list cannot say: line ends, bytes that are no text, blanks at an end.
    """
    taken: set[str] = set()
    root = Path(os.path.abspath(folder))
    return [_target(source, item, root, taken) for item in items]


def _target(source: Source, item: Item, root: Path, taken: set[str]) -> Target:
    # Many sources have a folder of that name themselves.
    stem = "/".join(_safe(part) for part in item.name.removeprefix(f"{IMAGES}/").split("/"))
    number = 2
    while stem.casefold() in taken:  # many file systems do not tell A from a
        stem, number = f"{stem.rpartition('~')[0] or stem}~{number}", number + 1
    taken.add(stem.casefold())
    label = f"{LABELS}/{stem}.png"
    origin = source.image_file(item)
    if origin is None:
        return Target(item, f"{IMAGES}/{stem}.png", label, None, True)
    absolute = Path(os.path.abspath(origin))
    if root in absolute.parents:
        name = absolute.relative_to(root).as_posix()
        if all(_safe(part) == part for part in name.split("/")):
            return Target(item, name, label, None, False)
    return Target(item, f"{IMAGES}/{stem}{_safe(origin.suffix)}", label, origin, True)


def _safe(part: str) -> str:
    """Return a part of a name as a list, any file system and a terminal take it."""
    plain = "".join(letter if letter.isprintable() and letter != "\\" else "_" for letter in part)
    plain = "_".join(plain.split(" ")) if plain != plain.strip() else plain
    return "_" if plain in ("", ".", "..") and part else plain


def list_text(targets: Iterable[Target]) -> str:
    """Return the text of a list."""
    return "".join(f"{target.image}{SEPARATOR}{target.label}\n" for target in targets)


def check_apart(source: Path, folder: Path) -> None:
    """Check that nothing would be written into a source, nor a source be taken for what was written.

    Raises:
        UserError: the folders are not apart.
    """
    read, written = (Path(os.path.realpath(path)) for path in (source, folder))
    if read.is_dir() and (written == read or read in written.parents):
        raise UserError(
            f"--save_dir {folder} is in {source}, where nothing is written; give a folder beside it"
        )
    for name in (IMAGES, LABELS):
        if read == written / name or written / name in read.parents:
            raise UserError(f"{source} is in {folder / name}, which is written to; give another --save_dir")
