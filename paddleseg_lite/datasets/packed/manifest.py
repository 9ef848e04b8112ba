"""The files of a pack, and what its manifest says of them.

    FOLDER/MODE/pack.json                 settings of the data set, source files and arrays; written last
    FOLDER/MODE/KEY_CHECKSUM.image.npy    image [H, W, C], uint8 or uint16
    FOLDER/MODE/KEY_CHECKSUM.label.npy    label [H, W], uint8 class ids, already mapped and checked
    FOLDER/MODE/.pack.lock                empty; locked while somebody packs

KEY is made of the settings and of the state of the source files, CHECKSUM of the file's bytes. So a name
means one content for ever: an interrupted packing sees what is done, and who reads a pack that is rewritten
meanwhile finds a file gone, never another image.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from paddleseg_lite import files
from paddleseg_lite.errors import UserError
from paddleseg_lite.json_files import ANYTHING, mismatch, read_json

VERSION = 2
MANIFEST = "pack.json"
LOCK = ".pack.lock"
KINDS = (["image"], ["image", "label"])  # of a pair's arrays, without and with a label
REMEDY = "pack the data set again with the command pack_dataset"
_ARRAY = re.compile(r"([0-9a-f]{32})_([0-9a-f]{8})\.(image|label)\.npy")
_OLD = r"\.?shard_\d{5,}\.(bin|json)(\..+\.part)?"  # of version 1
_OURS = re.compile(rf"{_ARRAY.pattern}|pack\.json|\.pack\.lock|\.part-.*|{_OLD}")

Pairs = Sequence[tuple[str, "str | None"]]  # (image file, label file or None)


class Source(NamedTuple):
    """A file as it was when it was packed."""

    path: str  # relative to the folder that all files share, so that pack and files may move together
    size: int  # bytes
    modified: int  # nanoseconds since 1970


class Entry(NamedTuple):
    """A pair in a pack."""

    sources: list[Source]  # the image's, then the label's if there is one
    arrays: list[tuple[str, int]]  # (name, bytes) of the files, in the same order


def sources_of(pairs: Pairs) -> Iterator[list[Source]]:
    """Yield image and label of each pair, as they are now.

    Raises:
        UserError: a file is missing.
    """
    named = [[os.path.abspath(path) for path in pair if path] for pair in pairs]
    root = os.path.commonpath([os.path.dirname(path) for pair in named for path in pair])
    for pair in named:
        try:
            states = [(os.path.relpath(path, root), os.stat(path)) for path in pair]
        except OSError as error:
            raise UserError(f"cannot read {error.filename}: {error.strerror or error}") from error
        yield [Source(path, state.st_size, state.st_mtime_ns) for path, state in states]


def code_of(kind: type) -> str:
    """Return a digest of a class's source and of what it inherits, but for classes of this package.

    "" if there is nothing else, or its source is not at hand, as in an interactive session.
    """
    known = ("paddleseg_lite", "builtins")
    try:
        own = [inspect.getsource(base) for base in kind.__mro__ if base.__module__.split(".")[0] not in known]
    except (OSError, TypeError):
        return ""
    return hashlib.sha256("".join(own).encode()).hexdigest()[:16] if own else ""


def key_of(facts: dict[str, Any], sources: Sequence[Source]) -> str:
    """Return what the names of a pair's arrays begin with."""
    return hashlib.sha256(json.dumps([VERSION, facts, sources]).encode()).hexdigest()[:32]


def array_name(key: str, kind: str, content: bytes) -> str:
    """Return the name of an array's file; `kind` is "image" or "label"."""
    return f"{key}_{zlib.crc32(content):08x}.{kind}.npy"


def is_whole(path: Path) -> bool:
    """Return whether an array's file holds what its name says."""
    match = _ARRAY.fullmatch(path.name)
    return match is not None and zlib.crc32(path.read_bytes()) == int(match[2], 16)


def is_ours(path: Path) -> bool:
    """Whether a file in the folder of a pack belongs to one, or is what an interrupted packing has left."""
    return bool(_OURS.fullmatch(path.name)) and path.is_file()


def save(folder: Path, facts: dict[str, Any], entries: Sequence[Entry]) -> None:
    """Write the manifest, whole or not at all."""
    content = {"format": VERSION, "facts": facts, "pairs": entries}
    files.atomic_write(folder / MANIFEST, json.dumps(content))


def load(folder: Path) -> tuple[dict[str, Any], list[Entry]]:
    """Return the settings and the pairs of the pack in a folder.

    Raises:
        UserError: there is none, it is damaged, or another version of this library made it.
    """
    path = folder / MANIFEST
    if not os.path.isfile(path):
        raise UserError(
            f"cache: there is no complete pack in {folder}; make it with the command pack_dataset, or take "
            "cache away to read the images themselves"
        )
    content = read_json(path, {"format?": ANYTHING}, REMEDY)
    if content.get("format") != VERSION:
        raise UserError(f"{folder} was packed by another version of this library; {REMEDY}")
    try:
        if problem := mismatch(content, {"facts": {str: ANYTHING}, "pairs": [[list]]}):
            raise ValueError(problem)
        entries = [
            Entry([Source(*source) for source in sources], [(name, size) for name, size in arrays])
            for sources, arrays in content["pairs"]
        ]
        names = [name for entry in entries for name, _ in entry.arrays]
        if elsewhere := [name for name in names if not _ARRAY.fullmatch(name)]:
            raise ValueError(f"{elsewhere[0]} is no name of an array")
        for sources, arrays in entries:  # an array that is missing would be a label that is missing
            kinds = [name.split(".")[1] for name, _ in arrays]
            if kinds not in KINDS or len(kinds) != len(sources):
                raise ValueError(f"{len(sources)} files of a pair and {kinds or 'no array'} of it")
            if wrong := [size for _, size in arrays if not isinstance(size, int)]:
                raise ValueError(f"{wrong[0]!r} as a file's size")
        return content["facts"], entries
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error!r}); {REMEDY}") from error
