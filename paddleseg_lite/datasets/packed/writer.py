"""Writing packs: shard by shard, in several processes; what is whole already is kept."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paddleseg_lite import files
from paddleseg_lite.datasets.loading.process_map import process_map
from paddleseg_lite.datasets.packed.format import (
    ALIGNMENT,
    CHECKSUM,
    LOCK,
    MANIFEST,
    Entry,
    Source,
    as_content,
    checksums,
    common_folder,
    facts_of,
    is_ours,
    load,
    save,
    shard_path,
)
from paddleseg_lite.datasets.reading.labels import as_ids
from paddleseg_lite.errors import UserError

if TYPE_CHECKING:
    from paddleseg_lite.datasets.base import SegmentationDataset

SHARD_BYTES = 128 << 20  # what an interruption may cost, and what a process works on at a time


@dataclass(frozen=True)
class Packed:
    """What `pack` did: images in the pack, its bytes, and how many shards were whole already."""

    images: int
    nbytes: int
    shards: int
    kept: int


def pack(
    dataset: SegmentationDataset, folder: Path, num_workers: int = 0, shard_bytes: int = SHARD_BYTES
) -> Packed:
    """Write a data set as it comes from its files, before any transform.

    A shard that is there, whole and not stale (its checksums are verified) is kept; so an interrupted call is
    continued by the same call, and a call on a complete pack checks it and mends what is damaged.

    Args:
        dataset: its `read_files` is what is packed.
        folder: new, empty, or with the pack of before.
        num_workers: processes; 0 works in this one.
        shard_bytes: size of a shard, roughly.

    Raises:
        UserError: a source file is wrong, the folder has other files or cannot be written, or another process
            packs into it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _check_folder(folder)
        busy = f"another process packs into {folder}; wait until it is done, or give another folder"
        with files.locked(folder / LOCK, busy):
            done = _pack(dataset, folder, num_workers, shard_bytes)
    except OSError as error:
        raise UserError(
            f"{error.filename or folder} cannot be written: {error.strerror or error}; make room or give "
            "another folder, and run the command again to go on"
        ) from error
    nbytes = sum(shard.nbytes for shard in done)
    return Packed(len(dataset.pairs), nbytes, len(done), sum(shard.is_kept for shard in done))


def _pack(dataset: SegmentationDataset, folder: Path, num_workers: int, shard_bytes: int) -> list[_Shard]:
    """Do what `pack` says, with the folder locked."""
    facts = facts_of(dataset)
    for path in folder.glob(".*.part"):  # of an interrupted call: nobody else writes here now
        _remove(path)
    image, _ = dataset.read_files(0)
    count = max(1, min(1024, shard_bytes // (image.nbytes + image[..., 0].size)))
    starts = range(0, len(dataset.pairs), count)
    jobs = [(number, range(i, min(i + count, len(dataset.pairs)))) for number, i in enumerate(starts)]
    work = partial(_pack_shard, dataset, folder, common_folder(dataset.pairs), facts)
    done = list(process_map(work, jobs, num_workers, f"pack {dataset.mode}", "shard"))
    save(folder / MANIFEST, {"facts": facts, "shards": [shard.digest for shard in done]})
    _remove_leftovers(folder, len(jobs))
    files.sync_folder(folder)
    return done


@dataclass(frozen=True)
class _Shard:
    """What comes back from a worker."""

    digest: str
    nbytes: int
    is_kept: bool


def _pack_shard(
    dataset: SegmentationDataset,
    folder: Path,
    root: str,
    facts: dict[str, Any],
    job: tuple[int, Sequence[int]],
) -> _Shard:
    """Write the shard job[0], which holds the pairs job[1], unless it is there."""
    number, indices = job
    # Before they are read: a file that changes meanwhile is found to be stale later.
    sources = [
        (Source.of(image, root), Source.of(label, root) if label else None)
        for image, label in (dataset.pairs[index] for index in indices)
    ]
    path = shard_path(folder, number, ".bin")
    entries = _kept(folder, number, sources, facts)
    is_kept = entries is not None
    if entries is None:
        part = files.part_of(path)
        entries = _write(part, dataset, indices, sources)
        # First, so that nobody, also after a kill, takes new pixels for those of the old index.
        path.with_suffix(".json").unlink(missing_ok=True)
        os.replace(part, path)
    digest = save(path.with_suffix(".json"), as_content(entries, facts))
    return _Shard(digest, path.stat().st_size, is_kept)


def _write(
    part: Path,
    dataset: SegmentationDataset,
    indices: Sequence[int],
    sources: Sequence[tuple[Source, Source | None]],
) -> list[Entry]:
    entries = []
    with part.open("wb") as file:
        for index, (image_source, label_source) in zip(indices, sources):
            image, label = dataset.read_files(index)
            if label is not None:  # of a data set with a reader of its own, perhaps
                label = as_ids(label, f"{dataset.pairs[index][1]}, as it comes from the reader")
            image = np.ascontiguousarray(image, image.dtype.newbyteorder("<"))
            file.seek(-(-file.tell() // ALIGNMENT) * ALIGNMENT)
            shape = (image.shape[0], image.shape[1], image.shape[2])
            entry = Entry(image_source, label_source, file.tell(), shape, image.dtype.str.replace("|", "<"))
            arrays = [image] if label is None else [image, np.ascontiguousarray(label)]
            for array in arrays:
                file.write(array.data)
            file.seek(entry.offset + entry.checksums_at)
            file.write(np.concatenate([checksums(array) for array in arrays]).tobytes())
            entries.append(entry)
        file.flush()
        os.fsync(file.fileno())
    return entries


def _kept(
    folder: Path, number: int, sources: Sequence[tuple[Source, Source | None]], facts: dict[str, Any]
) -> list[Entry] | None:
    """Return the entries of a shard that holds exactly these files, whole; else None."""
    path = shard_path(folder, number, ".bin")
    try:
        content = load(path.with_suffix(".json"))
        entries = [Entry.of_dict(values) for values in content["entries"]]
        if content["facts"] != facts or [(entry.image, entry.label) for entry in entries] != list(sources):
            return None
        if path.stat().st_size != entries[-1].offset + entries[-1].nbytes:
            return None
        return entries if all(_is_whole(path, entry) for entry in entries) else None
    except (UserError, OSError):  # there is none
        return None


def _is_whole(path: Path, entry: Entry) -> bool:
    data = np.memmap(path, np.uint8, "r", entry.offset, (entry.nbytes,)).view(np.ndarray)
    height, width, _ = entry.shape
    arrays = [data[: entry.label_at].reshape(height, -1)]
    if entry.label:
        arrays.append(data[entry.label_at : entry.label_at + height * width].reshape(height, width))
    found = np.concatenate([checksums(array) for array in arrays])
    return bool((found == data[entry.checksums_at :].view(CHECKSUM)).all())


def _check_folder(folder: Path) -> None:
    """Refuse a folder with anything but a pack: `folder` may be the data set's own by mistake."""
    other = next((path for path in sorted(folder.iterdir()) if not is_ours(path)), None)
    if other is not None:
        raise UserError(
            f"{folder} holds other files, {other.name} for one; give a folder of its own for the pack"
        )


def _remove_leftovers(folder: Path, shards: int) -> None:
    """Remove shards of a longer pack of before."""
    wanted = {shard_path(folder, number, suffix) for number in range(shards) for suffix in (".bin", ".json")}
    for path in folder.iterdir():
        if path not in wanted and path.name not in (MANIFEST, LOCK):
            _remove(path)


def _remove(path: Path) -> None:
    """Remove a file of a pack; what came there since `_check_folder` and is none stays."""
    if is_ours(path):
        path.unlink()
