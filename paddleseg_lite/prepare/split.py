"""Which images are trained on and which are evaluated on: by share, seeded, groups whole, classes balanced.

Classes are balanced by iterative stratification (Sechidis, Tsoumakas, Vlahavas, ECML PKDD 2011), of groups
instead of single images: the class that is left in the fewest images comes first, and a group goes to the
side that lacks most of that class.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from paddleseg_lite.prepare.layout import TRAIN, VAL
from paddleseg_lite.printable import counted

_SIDES = (TRAIN, VAL)


@dataclass(frozen=True)
class Split:
    """The sides of images.

    Attributes:
        sides: {image's name: "train", "val", or as a source has it "test"}.
        notes: sentences to tell.
    """

    sides: dict[str, str]
    notes: list[str] = field(default_factory=list)

    @property
    def is_single(self) -> bool:
        """Whether there is one image, which is trained and evaluated on."""
        return sum(side in _SIDES for side in self.sides.values()) == 1

    def names(self, side: str) -> list[str]:
        """Return the images of a side, sorted."""
        wanted = _SIDES if self.is_single and side in _SIDES else (side,)
        return sorted(name for name, found in self.sides.items() if found in wanted)


def split_images(
    holds: Mapping[str, np.ndarray],
    groups: Mapping[str, str],
    share: float,
    seed: int,
    fixed: Mapping[str, str] | None = None,
) -> Split:
    """Share images out.

    Args:
        holds: {image's name: bool [K], which classes it shows}.
        groups: {image's name: its group}.
        share: of the images that are to be evaluated on, 0 to 1.
        seed: of what is equal otherwise.
        fixed: {image's name: side} of those whose side is known; the rest of their groups follows, and where
            some are evaluated on already, all that is new otherwise is trained on.
    """
    fixed = {name: side for name, side in (fixed or {}).items() if name in holds}
    members: dict[str, list[str]] = {}
    for name in sorted(holds):
        if name not in fixed:
            members.setdefault(groups[name], []).append(name)
    sides = dict(fixed)
    for name, side in sorted(fixed.items()):
        if side in _SIDES:
            for other in members.pop(groups[name], []):
                sides[other] = side
    # Images are counted as one class more.
    counted_in = {name: np.append(held, True).astype(np.int64) for name, held in holds.items()}
    counts = {key: sum(counted_in[name] for name in names) for key, names in members.items()}
    known = {side: [counted_in[name] for name in sides if sides[name] == side] for side in _SIDES}
    there = [sum(known[side], np.int64(0)) for side in _SIDES]
    for key, side in _shared_out(counts, there, share, seed).items():
        sides.update(dict.fromkeys(members[key], side))
    _fill_empty(sides, groups, fixed)
    return Split(sides, _notes(sides, groups))


def _shared_out(counts: Mapping[str, Any], there: Sequence[Any], share: float, seed: int) -> dict[str, str]:
    """Return the side of each group.

    Args:
        counts: {group: int [K + 1], how many of its images show each class, and how many there are}.
        there: the same for each side, of the images that are on it already.
        share: of all images, to be evaluated on.
        seed: of what is equal otherwise.
    """
    if not counts:
        return {}
    rng = np.random.default_rng(seed)
    order = sorted(counts)
    order = [order[index] for index in rng.permutation(len(order))]
    # Large groups first: the small ones then fill what is lacking.
    left = {key: counts[key] for key in sorted(order, key=lambda key: -counts[key][-1])}
    remaining, sides = np.sum(list(left.values()), axis=0), dict[str, str]()
    lacks = np.outer([1 - share, share], remaining + there[0] + there[1])  # [sides, K + 1]
    lacks -= np.broadcast_arrays(*there, remaining)[:2]
    while left:
        present = np.where(remaining > 0, remaining, np.iinfo(np.int64).max)
        rarest = int(present.argmin())
        for key in [key for key, count in left.items() if count[rarest]]:
            count = left.pop(key)
            # Of equal lacks, the side that lacks more images; of equal again, training.
            side = max((0, 1), key=lambda s: (lacks[s, rarest], lacks[s, -1], -s))
            if side == 1 and lacks[1, -1] < count[-1] / 2:  # it would be more than half too large
                side = 0
            lacks[side] -= count
            remaining -= count
            sides[key] = _SIDES[side]
    return sides


def _fill_empty(sides: dict[str, str], groups: Mapping[str, str], fixed: Container[str]) -> None:
    """Move the smallest group, or a part of the only one, to a side that has none; one image stays."""
    found = {side: [name for name in sorted(sides) if sides[name] == side] for side in _SIDES}
    for empty, full in ((VAL, TRAIN), (TRAIN, VAL)):
        free = [name for name in found[full] if name not in fixed]
        if found[empty] or len(found[full]) < 2 or not free:
            continue
        sizes = Counter(groups[name] for name in free)
        smallest = min(sizes, key=lambda key: (sizes[key], key))
        moved = [name for name in free if groups[name] == smallest]
        if len(moved) == len(found[full]):
            moved = moved[-max(1, len(moved) // 5) :]
        sides.update(dict.fromkeys(moved, empty))


def _notes(sides: Mapping[str, str], groups: Mapping[str, str]) -> list[str]:
    """Return what to tell of a split, whatever made it."""
    if Split(dict(sides)).is_single:
        return ["there is one image, which is trained and evaluated on: its mIoU says nothing of others"]
    found: dict[str, set[str]] = {}
    for name, side in sides.items():
        found.setdefault(groups[name], set()).add(side)
    both = sorted(key for key, known in found.items() if len(known) > 1)
    if not both:
        return []
    verb = "is" if len(both) == 1 else "are"
    return [
        f"{counted(len(both), 'group')} of images, such as '{both[0]}', {verb} on both sides of the split: "
        "mIoU will be too high for other places"
    ]
