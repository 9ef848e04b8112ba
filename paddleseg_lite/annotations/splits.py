"""Splits that folders and names of files tell: train, val and test."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import PurePath

_WORD = re.compile(r"(?:^|[^a-z])(train|val|test)(?:ing|idation|id)?(?![a-z])")


def split_word(path: PurePath) -> str | None:
    """Return "train", "val" or "test" if a path has that word, the last one of it; else None."""
    found = _WORD.findall(path.as_posix().lower())
    return found[-1] if found else None


def splits_of(names: Iterable[str]) -> Mapping[str, str] | None:
    """Return the split of each item by the folders in its name; None unless all have one."""
    found = {}
    for name in names:
        split = split_word(PurePath(name).parent)
        if split is None:
            return None
        found[name] = split
    return whole(found, found)


def whole(splits: Mapping[str, str], names: Collection[str]) -> Mapping[str, str] | None:
    """Return splits if there are several of them, and each of the names is in one; else None."""
    return splits if len(set(splits.values())) > 1 and all(name in splits for name in names) else None
