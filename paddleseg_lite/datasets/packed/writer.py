"""Writing packs: pair by pair, in several processes; what is whole already is kept."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from paddleseg_lite import files
from paddleseg_lite.datasets.base import SegmentationDataset
from paddleseg_lite.datasets.loading.process_map import process_map
from paddleseg_lite.datasets.packed.manifest import (
    LOCK,
    MANIFEST,
    Entry,
    array_name,
    is_ours,
    is_whole,
    key_of,
    save,
    sources_of,
)
from paddleseg_lite.datasets.reading.labels import as_ids
from paddleseg_lite.errors import UserError


@dataclass(frozen=True)
class Packed:
    """What `pack` did: images in the pack, its bytes, and how many of the images were whole already."""

    images: int
    nbytes: int
    kept: int


def pack(dataset: SegmentationDataset, folder: Path, num_workers: int = 0) -> Packed:
    """Write a data set as it comes from its files, before any transform.

    A pair that is there, whole (its checksum is verified) and not stale is kept; so an interrupted call is
    continued by the same call, and a call on a complete pack checks it and writes again what is damaged.

    Args:
        dataset: its `read_files` is what is packed.
        folder: new, empty, or with the pack of before.
        num_workers: processes; 0 works in this one.

    Raises:
        UserError: a source file is wrong, the folder has other files or cannot be written, or another process
            packs into it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        other = next((path for path in sorted(folder.iterdir()) if not is_ours(path)), None)
        if other is not None:  # `folder` may be the data set's own by mistake
            raise UserError(
                f"{folder} holds other files, {other.name} for one; give a folder of its own for the pack"
            )
        busy = f"another process packs into {folder}; wait until it is done, or give another folder"
        with files.locked(folder / LOCK, busy):
            return _pack(dataset, folder, num_workers)
    except OSError as error:
        raise UserError(
            f"{error.filename or folder} cannot be written: {error.strerror or error}; make room or give "
            "another folder, and run the command again to go on"
        ) from error


def _pack(dataset: SegmentationDataset, folder: Path, num_workers: int) -> Packed:
    """Do what `pack` says, with the folder locked."""
    facts = dataset.reading_facts()
    # Before they are read: a file that changes meanwhile is found to be stale later.
    sources = list(sources_of(dataset.pairs))
    keys = [key_of(facts, pair) for pair in sources]
    there: dict[str, list[str]] = {key: [] for key in keys}
    for path in filter(is_ours, sorted(folder.iterdir())):
        key = path.name.partition("_")[0]
        if key in there:
            there[key].append(path.name)
        elif path.name not in (MANIFEST, LOCK):  # stale, or of an interrupted packing
            path.unlink()
    jobs = [(index, key, there[key]) for index, key in enumerate(keys)]
    work = partial(_pack_pair, dataset, folder)
    done = list(process_map(work, jobs, num_workers, f"pack {dataset.mode}", "pair"))
    entries = [Entry(pair, arrays) for pair, (arrays, _) in zip(sources, done)]
    save(folder, facts, entries)
    nbytes = sum(size for entry in entries for _, size in entry.arrays)
    return Packed(len(entries), nbytes, sum(is_kept for _, is_kept in done))


def _pack_pair(
    dataset: SegmentationDataset, folder: Path, job: tuple[int, str, Sequence[str]]
) -> tuple[list[tuple[str, int]], bool]:
    """Write a pair's arrays unless they are there; return their names and sizes, and whether they were kept.

    The image is written last: where it is, nothing is missing.
    """
    index, key, names = job
    image_path, label_path = dataset.pairs[index]
    names = sorted(names, key=lambda name: name.partition(".")[2])  # the image before the label
    kinds = [name.split(".")[1] for name in names]
    wanted = ["image", "label"] if label_path else ["image"]
    if kinds == wanted and all(is_whole(folder / name) for name in names):
        return [(name, (folder / name).stat().st_size) for name in names], True
    for name in names:
        (folder / name).unlink(missing_ok=True)
    image, label = dataset.read_files(index)
    arrays = [("image", image)]
    if (label is None) == bool(label_path):  # a reader of somebody's own
        given, named = ("no label", label_path) if label_path else ("a label", "no label file")
        raise UserError(
            f"{image_path}: {type(dataset).__name__}.read_files gives {given}, but the data set's pair has "
            f"{named}; make them agree to pack it"
        )
    if label is not None:
        arrays.insert(0, ("label", as_ids(label, f"{label_path}, as it comes from the reader")))
    written: list[tuple[str, int]] = []
    for kind, array in arrays:
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
        content = buffer.getvalue()
        name = array_name(key, kind, content)
        files.atomic_write(folder / name, content, sync=False)  # checksums tell of a power failure
        written.insert(0, (name, len(content)))
    return written, False
