"""Reading packs: check that nothing has changed, then map only what a window needs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from paddleseg_lite.datasets.packed.manifest import REMEDY, Entry, Pairs, is_whole, load, sources_of
from paddleseg_lite.errors import UserError
from paddleseg_lite.printable import counted


class Pack:
    """The packed form of a data set, called as its `reader`.

    Args:
        folder: the one that holds pack.json.
        pairs: (image file, label file or None) of the data set that is to be read.
        facts: what else decides how it reads, as plain JSON values.

    Raises:
        UserError: no pack is there, one of its files is missing or has another size, the data set reads in
            another way or has other pairs, or a source file has changed since.
    """

    def __init__(self, folder: Path, pairs: Pairs, facts: dict[str, Any]) -> None:
        self.folder = folder
        packed_facts, entries = load(folder)
        for name in {**facts, **packed_facts}:
            if packed_facts.get(name) != facts.get(name):
                raise UserError(
                    f"{folder} is stale: {name} was {packed_facts.get(name)} when it was packed and is "
                    f"{facts.get(name)} now; {REMEDY}"
                )
        self._check_sources(pairs, entries)
        for name, size in (array for entry in entries for array in entry.arrays):
            if not os.path.isfile(folder / name):
                raise UserError(f"{folder / name} is missing; {REMEDY}")
            _check_size(folder / name, size)
        self._entries = entries
        self._verified: set[str] = set()

    def __call__(self, index: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Return memory maps of an image [H, W, C] uint8 or uint16 and its label [H, W] uint8, or None.

        Mapped anew for each sample: what a process maps counts as its memory until it lets go.

        Raises:
            UserError: a file is cut, damaged (which is looked for once in each process), or gone.
        """
        entry = self._entries[index]
        image, label = ([self._map(*array, entry) for array in entry.arrays] + [None])[:2]
        return image, label

    def _map(self, name: str, size: int, entry: Entry) -> Any:
        path = self.folder / name
        try:
            _check_size(path, size)  # each time: behind its end, what is mapped ends the process
            if name not in self._verified:
                if not is_whole(path):
                    raise UserError(f"{path}, made of {entry.sources[0].path}, is damaged; {REMEDY}")
                self._verified.add(name)
            return np.load(path, mmap_mode="r").view(np.ndarray)
        except FileNotFoundError:
            raise UserError(
                f"{path} is gone: the pack was rewritten while it was read; start again, and let nobody pack "
                "into the folder of a pack that is in use"
            ) from None
        except (OSError, ValueError) as error:
            raise UserError(f"cannot read {path} ({error}); {REMEDY}") from error

    def _check_sources(self, pairs: Pairs, entries: Sequence[Entry]) -> None:
        """A file that was touched, replaced, added or taken away makes the pack stale."""
        if len(pairs) != len(entries):
            raise UserError(
                f"{self.folder} is stale: it was made of {counted(len(entries), 'image')}, the data set has "
                f"{len(pairs)}; {REMEDY}"
            )
        for pair, entry, sources in zip(pairs, entries, sources_of(pairs)):
            if sources == entry.sources:
                continue
            path, now, packed = next(
                three for three in zip_longest(pair, sources, entry.sources) if three[1] != three[2]
            )
            if now and packed and now.path == packed.path:
                message = f"{path} has changed since it was packed"
            else:
                there = packed.path if packed else "no label"
                message = f"it holds {there} where the data set has {path or 'no label'}"
            raise UserError(f"{self.folder} is stale: {message}; {REMEDY}")


def _check_size(path: Path, size: int) -> None:
    """Refuse a file of a pack that has not the size that the manifest tells.

    Raises:
        UserError: it has another.
        OSError: it is gone.
    """
    found = path.stat().st_size
    if found != size:
        state = "is truncated: it" if found < size else "is damaged: it"
        raise UserError(f"{path} {state} has {found} bytes instead of {size}; {REMEDY}")
