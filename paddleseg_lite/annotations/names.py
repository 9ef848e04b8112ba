"""From the names in a source to classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np

from paddleseg_lite.annotations.alike import alike
from paddleseg_lite.annotations.findings import Notes
from paddleseg_lite.annotations.source import IGNORED, MAX_CLASSES, ClassChoice, Color
from paddleseg_lite.errors import UserError
from paddleseg_lite.registry import did_you_mean

NOT_COUNTED = ("__ignore__",)  # labelme's name for it


class ClassNames:
    """The classes of a source, and what each name in it becomes.

    Args:
        found: names in the source, in the order that the classes shall have.
        choice: see Choices.classes.
        notes: where names that are alike, and unknown ones of the choice, are noted.
        counts: {name: how often it was drawn}, where that is known; then misspelt names are noted, too.

    Attributes:
        classes: the classes' names.
        index: {name in the source: position in `classes`, or IGNORED}.

    Raises:
        UserError: there are more classes than a label file has ids.
    """

    def __init__(
        self,
        found: Iterable[str],
        choice: ClassChoice,
        notes: Notes,
        counts: Mapping[str, int] | None = None,
    ) -> None:
        names = list(dict.fromkeys(found))
        targets = {name: choice.get(name, None if name in NOT_COUNTED else name) for name in names}
        for name, target in choice.items():
            if name not in targets and name == target:  # nobody drew it yet
                targets[name] = target
            elif name not in targets:
                notes.add("no such class", f"'{name}'{did_you_mean(name, targets)}")
        used = {target for target in targets.values() if target is not None}
        order = [*choice.values(), *targets.values()]
        self.classes = tuple(dict.fromkeys(name for name in order if name is not None and name in used))
        if len(self.classes) > MAX_CLASSES:
            raise UserError(
                f"{len(self.classes)} classes ('{self.classes[0]}', '{self.classes[1]}' ...), but a label "
                f"file has ids for {MAX_CLASSES}; join some by a mapping of classes"
            )
        self.index = {
            name: IGNORED if target is None else self.classes.index(target)
            for name, target in targets.items()
        }
        drawn: Counter[str] = Counter()
        for name, count in (counts or {}).items():
            drawn[targets.get(name) or ""] += count
        for group in alike(self.classes, drawn):
            shown = (f"'{name}'" + (f" ({drawn[name]} drawn)" if drawn[name] else "") for name in group)
            notes.add("names alike", " = ".join(shown), group)

    def palette(self, colors: Mapping[str, Color]) -> np.ndarray | None:
        """Return the classes' colors, uint8 [K, 3], of those of the names; None if a class has none."""
        found: dict[int, Color] = {}
        for name, index in self.index.items():
            if name in colors:
                found.setdefault(index, colors[name])
        found.pop(IGNORED, None)
        if not found or len(found) < len(self.classes):
            return None
        return np.array([found[index] for index in range(len(found))], np.uint8)


def alphabetical(names: Iterable[str]) -> list[str]:
    """Return the order of names where the source has none: the background first, which is class 0 usually."""
    return sorted(set(names), key=lambda name: ("background" not in name.lower(), name.casefold(), name))
