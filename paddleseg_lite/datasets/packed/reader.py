"""Reading packs: check that nothing has changed, then map only what a window needs."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paddleseg_lite.datasets.packed.format import (
    CHECKSUM,
    MANIFEST,
    REMEDY,
    STRIP,
    Entry,
    Source,
    common_folder,
    facts_of,
    load,
    shard_path,
)
from paddleseg_lite.errors import UserError

if TYPE_CHECKING:
    from paddleseg_lite.datasets.base import SegmentationDataset


class PackedArray:
    """An image or a label in a shard; indexing it reads and verifies the rows that are asked for, no others.

    Args:
        array: the memory map, [H, W, C] or [H, W].
        checksums: [strips] of its strips.
        is_verified: [strips] bool, which strips need no more checking; this object sets it.
        what: names the array in messages.
    """

    def __init__(self, array: np.ndarray, checksums: np.ndarray, is_verified: np.ndarray, what: str) -> None:
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim
        self._array, self._checksums, self._is_verified, self._what = array, checksums, is_verified, what

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, key: Any) -> np.ndarray:
        """Return what the memory map would.

        Raises:
            UserError: the rows are damaged.
        """
        rows = np.arange(len(self))[key[0] if isinstance(key, tuple) else key]
        if rows.size:
            self._verify(int(rows.min()), int(rows.max()))
        return self._array[key]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return all of it, verified."""
        whole = self[:]
        return np.array(whole, dtype=dtype) if copy else whole.astype(dtype or self.dtype, copy=False)

    def _verify(self, first: int, last: int) -> None:
        """Check the strips of the rows first to last, each once in the life of this process."""
        for strip in range(first // STRIP, last // STRIP + 1):
            if self._is_verified[strip]:
                continue
            start = strip * STRIP
            rows = self._array[start : start + STRIP]
            if zlib.crc32(rows.data) != self._checksums[strip]:
                raise UserError(
                    f"{self._what} is damaged in the rows {start} to {start + len(rows) - 1}; {REMEDY}"
                )
            self._is_verified[strip] = True


class Pack:
    """The packed form of a data set, called as its `reader`.

    Args:
        folder: the one that holds pack.json.
        dataset: what it must be the pack of.

    Raises:
        UserError: no pack is there, a file of it is missing, truncated or damaged, the data set's classes,
            map or pairs are others, or a source file has changed since.
    """

    def __init__(self, folder: Path, dataset: SegmentationDataset) -> None:
        self.folder = folder
        if not (folder / MANIFEST).is_file():
            raise UserError(
                f"cache: there is no complete pack in {folder}; make it with tools/pack_dataset.py, or take "
                "cache away to read the images themselves"
            )
        manifest = load(folder / MANIFEST)
        # Before the indexes are read: who packs removes an index before its shard is replaced.
        numbers = range(len(manifest["shards"]))
        self._states = [_state_now(shard_path(folder, number, ".bin")) for number in numbers]
        _check_facts(folder, manifest["facts"], facts_of(dataset))
        self._places = [
            (number, entry)
            for number, digest in enumerate(manifest["shards"])
            for entry in _entries(folder, number, digest)
        ]
        self._check_sources(dataset)
        self._verified: dict[int, np.ndarray] = {}

    def __call__(self, index: int) -> tuple[PackedArray, PackedArray | None]:
        """Return an image [H, W, C] uint8 or uint16 and its label [H, W] uint8, neither of them read yet.

        Raises:
            UserError: the shard is another one than it was when this object was made, or gone.
        """
        number, entry = self._places[index]
        path = shard_path(self.folder, number, ".bin")
        try:
            with path.open("rb") as file:
                if _state(os.fstat(file.fileno())) != self._states[number]:
                    raise UserError(_rewritten(path))
                # Mapped anew for each sample: what a process maps counts as its memory until it lets go.
                data = np.memmap(file, np.uint8, "r", entry.offset, (entry.nbytes,)).view(np.ndarray)
        except FileNotFoundError:
            raise UserError(_rewritten(path)) from None
        except (OSError, ValueError) as error:
            raise UserError(f"cannot read {path} ({error}); {REMEDY}") from error
        height, width, _ = entry.shape
        table = data[entry.checksums_at :].view(CHECKSUM).reshape(-1, entry.strips)
        verified = self._verified.setdefault(index, np.zeros(table.shape, bool))
        image = data[: entry.label_at].view(entry.dtype).reshape(entry.shape)
        packed = PackedArray(image, table[0], verified[0], f"{path}, image {entry.image.path},")
        if entry.label is None:
            return packed, None
        label = data[entry.label_at : entry.label_at + height * width].reshape(height, width)
        what = f"{path}, label {entry.label.path},"
        return packed, PackedArray(label, table[1], verified[1], what)

    def _check_sources(self, dataset: SegmentationDataset) -> None:
        """A file that was touched, replaced, added or taken away makes the pack stale."""
        if len(dataset.pairs) != len(self._places):
            raise UserError(
                f"{self.folder} is stale: it was made of {len(self._places)} images, the data set has "
                f"{len(dataset.pairs)}; {REMEDY}"
            )
        root = common_folder(dataset.pairs)
        for pair, (_, entry) in zip(dataset.pairs, self._places):
            for path, packed in zip(pair, (entry.image, entry.label)):
                now = None if path is None else Source.of(path, root)
                if now == packed:
                    continue
                if now is None or packed is None or now.path != packed.path:
                    there = packed.path if packed else "no label"
                    message = f"it holds {there} where the data set has {path}"
                else:
                    message = f"{path} has changed since it was packed"
                raise UserError(f"{self.folder} is stale: {message}; {REMEDY}")


def _state(facts: os.stat_result) -> tuple[int, int, int]:
    """Return what is another one once a file is replaced or written to."""
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def _state_now(path: Path) -> tuple[int, int, int] | None:
    return _state(path.stat()) if path.is_file() else None  # a missing one is told of with its index


def _rewritten(path: Path) -> str:
    return (
        f"{path} is not the file that it was when it was opened: the pack was rewritten while it was read; "
        "start again, and let nobody pack into the folder of a pack that is in use"
    )


def _entries(folder: Path, number: int, digest: str) -> list[Entry]:
    """Return what a shard holds, after a look at its length."""
    content = load(shard_path(folder, number, ".json"), digest)
    entries = [Entry.of_dict(values) for values in content["entries"]]
    path = shard_path(folder, number, ".bin")
    wanted = entries[-1].offset + entries[-1].nbytes
    found = path.stat().st_size if path.is_file() else None
    if found != wanted:
        state = "is missing" if found is None else f"has {found} bytes instead of {wanted}"
        raise UserError(f"{path} {state}; {REMEDY}")
    return entries


def _check_facts(folder: Path, packed: dict[str, Any], now: dict[str, Any]) -> None:
    for name in {**now, **packed}:
        if packed.get(name) != now.get(name):
            raise UserError(
                f"{folder} is stale: {name} was {packed.get(name)} when it was packed and is {now.get(name)} "
                f"now; {REMEDY}"
            )
