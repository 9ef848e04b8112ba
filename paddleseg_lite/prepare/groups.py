"""Which images belong together, as frames of one video or photos of one place: told, or guessed by names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from paddleseg_lite.errors import UserError
from paddleseg_lite.printable import counted

_LEAST_GROUPS = 3


@dataclass(frozen=True)
class Groups:
    """Groups of images.

    Attributes:
        keys: {image's name: its group's key}.
        note: one sentence: how they were found, how many there are, an example.
    """

    keys: dict[str, str]
    note: str


def find_groups(names: Sequence[str], pattern: str | None, share: float) -> Groups:
    """Return the groups of images.

    Args:
        names: of the images, relative to the source, "/" between, without ending.
        pattern: a regular expression that is searched for in a name; its first group, or without one all that
            it finds, is the key. Names without it are groups of their own. None guesses.
        share: of the images that are to be evaluated on; a guess that allows no such share is not taken.

    Raises:
        UserError: the pattern is none, or fits no name.
    """
    if pattern is not None:
        return _by_pattern(names, pattern)
    ending = len(_common_ending(names))
    by_folder = {name: name.rpartition("/")[0] for name in names}
    by_prefix = {name: _before_last_number(name[: len(name) - ending]) for name in names}
    for words, keys in (("folder", by_folder), ("name before its last number", by_prefix)):
        sizes = Counter(keys.values())
        if _is_useful(list(sizes.values()), share):
            return Groups(
                keys, f"{_note(f'guessed by {words}', keys)}; --group '.+' makes each image its own"
            )
    note = "by their names no images belong together; --group PATTERN keeps some on one side of the split"
    return Groups({name: name for name in names}, note)


def _by_pattern(names: Sequence[str], pattern: str) -> Groups:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UserError(f"--group '{pattern}' is no regular expression: {error}") from error
    found = {name: compiled.search(name) for name in names}
    fitting = {name: match for name, match in found.items() if match}
    if not fitting:
        raise UserError(
            f"--group '{pattern}' fits none of {counted(len(names), 'name')}, such as '{names[0]}'; it is "
            "searched for in paths relative to the source, without their ending"
        )
    keys = {name: (match[1] if compiled.groups else match[0]) or name for name, match in fitting.items()}
    note = _note(f"by --group '{pattern}'", keys)
    alone = [name for name in names if name not in fitting]
    if alone:
        note += f"; it does not fit {counted(len(alone), 'image')}, such as '{alone[0]}', each its own group"
    return Groups({**keys, **{name: f"{name}\n" for name in alone}}, note)


def _common_ending(names: Sequence[str]) -> str:
    """Return how all names end, as "_leftImg8bit", but for digits that it begins with: they count."""
    turned = [name.rpartition("/")[2][::-1] for name in names]
    first, last = min(turned), max(turned)  # what these two have in common, all have
    length = next(
        (i for i, pair in enumerate(zip(first, last)) if pair[0] != pair[1]), min(len(first), len(last))
    )
    return first[:length][::-1].lstrip("0123456789")


def _before_last_number(name: str) -> str:
    """Return what a name has before its last number: frames and photos are numbered."""
    folder, _, stem = name.rpartition("/")
    numbers = list(re.finditer(r"\d+", stem))
    return f"{folder}/{stem[: numbers[-1].start()] if numbers else stem}".lstrip("/")


def _is_useful(sizes: list[int], share: float) -> bool:
    """Whether groups are more than single images, and can be shared out about as it is wanted."""
    total = sum(sizes)
    if len(sizes) < _LEAST_GROUPS or total < 2 * len(sizes):
        return False
    reachable = 1  # bit n: some groups have n images together
    for size in sizes:
        reachable |= reachable << size
    low, high = round(0.5 * share * total), round(1.75 * share * total)
    return bool(reachable >> max(low, 1) & ((1 << (high - max(low, 1) + 1)) - 1))


def _note(how: str, keys: dict[str, str]) -> str:
    sizes = Counter(keys.values())
    key, size = sizes.most_common(1)[0]
    examples = [name for name in keys if keys[name] == key]
    return (
        f"{counted(len(sizes), 'group')} {how}, each on one side of the split; the largest is '{key}' with "
        f"{counted(size, 'image')}, from '{examples[0]}' to '{examples[-1]}'"
    )
