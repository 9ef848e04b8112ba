"""What the values in masks mean: ids, or colors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from paddleseg_lite.annotations.colors import read_colors, read_names
from paddleseg_lite.annotations.findings import Notes
from paddleseg_lite.annotations.mask_values import COLORS, IDS, MaskFacts, packed, unpacked
from paddleseg_lite.annotations.names import ClassNames
from paddleseg_lite.annotations.source import IGNORED, Choices, Color
from paddleseg_lite.errors import UserError

VOC_NAMES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
)  # fmt: skip
_BORDER = packed((224, 224, 192))  # of objects: Pascal VOC's color of 255, which is not counted
_BINARY = {0: "background", 255: "foreground"}
_RARE = 1e-4  # of all pixels


@dataclass(frozen=True)
class Meaning:
    """What the values in masks mean: ids, or colors as 0xRRGGBB."""

    kind: str  # IDS or COLORS
    table: Mapping[int, int]  # {value: position in `classes`, or IGNORED}; other values are UNLABELED
    classes: tuple[str, ...]
    palette: np.ndarray | None


def find_meaning(folder: Path, facts: dict[Path, MaskFacts], choices: Choices, notes: Notes) -> Meaning:
    """Return what the values in masks mean; masks of another kind than the most are taken out of `facts`.

    Colors are those that the user names, or the folder's labelmap.txt; names of ids are those of a list in
    the folder, or Pascal VOC's if the ids are its 21.

    Raises:
        UserError: no color is named, and all masks are blurred; or a file of the folder is damaged.
    """
    labelmap = folder / "labelmap.txt"
    if not choices.colors and labelmap.is_file():
        choices = replace(choices, colors=read_colors(labelmap))
    if choices.colors or _are_colors(facts, notes):
        return _color_meaning(facts, choices, notes)
    return _id_meaning(facts, choices, notes, read_names(folder))


def _are_colors(facts: dict[Path, MaskFacts], notes: Notes) -> bool:
    """Return whether most masks are of colors; note the others and take them out of `facts`."""
    colored = [path for path, fact in facts.items() if fact.kind == COLORS]
    plain = [path for path, fact in facts.items() if fact.is_plain_ids]
    is_color = bool(colored) and len(colored) >= len(plain)
    for path in plain if is_color else colored:
        notes.add("other kind of mask", path)
        del facts[path]
    return is_color


def _id_meaning(
    facts: Mapping[Path, MaskFacts], choices: Choices, notes: Notes, known: Sequence[str]
) -> Meaning:
    """Return what ids mean: classes in their order, 255 ignored; or two classes of 0 and 255 alone."""
    ids = sorted({value for fact in facts.values() for value in fact.values if not fact.is_blurred})
    ids = ids or sorted(_BINARY)  # all of them are blurred
    is_binary = ids == sorted(_BINARY)
    if not is_binary:
        ids = [value for value in ids if value != IGNORED or str(IGNORED) in choices.classes]
    known = known or (VOC_NAMES if ids == list(range(len(VOC_NAMES))) else ())
    own = {value: known[value] if value < len(known) else f"class {value}" for value in ids}
    own = _BINARY if is_binary else own
    # A user may call a class by its id, too.
    by_id = {str(value): name for value, name in own.items()}
    choice = {by_id.get(name, name): target for name, target in choices.classes.items()}
    names = ClassNames(own.values(), choice, notes)
    table = {value: names.index[own[value]] for value in ids}
    table.setdefault(IGNORED, IGNORED)
    for value, index in table.items():
        if is_binary:
            notes.add("binary masks", f"{value} = '{names.classes[index]}'" if index != IGNORED else value)
        elif value != index != IGNORED:
            notes.add("ids renumbered", f"{value} -> {index}")
    palettes = (fact.palette for fact in facts.values() if fact.palette)
    colors = {own[value]: unpacked(color) for value, color in next(palettes, {}).items() if value in own}
    return Meaning(IDS, table, names.classes, names.palette(colors))


def _color_meaning(facts: Mapping[Path, MaskFacts], choices: Choices, notes: Notes) -> Meaning:
    """Return what colors mean: as the user names them, else each color that is found is a class.

    Raises:
        UserError: no color is named, and all masks are blurred.
    """
    found = {packed(color): name for color, name in choices.colors.items()} or _found_colors(facts, notes)
    for name, count in Counter(found.values()).items():
        if count > 1:
            notes.add("same class twice", f"'{name}' ({count} colors)")
    names = ClassNames(found.values(), choices.classes, notes)
    for mask, fact in facts.items():
        other = sum(count for color, count in fact.colors.items() if color not in (*found, _BORDER))
        if other and not fact.is_blurred:
            notes.add("other colors", f"{mask} ({other / sum(fact.colors.values()):.2%})")
    colors: dict[str, Color] = {}
    for color, name in found.items():
        colors.setdefault(name, unpacked(color))
    table = {color: names.index[name] for color, name in found.items()}
    if _BORDER not in table:
        table[_BORDER] = IGNORED
    return Meaning(COLORS, table, names.classes, names.palette(colors))


def _found_colors(facts: Mapping[Path, MaskFacts], notes: Notes) -> dict[int, str]:
    """Return {color: its name, such as "#804080"} of the masks that are not blurred."""
    pixels: Counter[int] = Counter()
    for fact in facts.values():
        if not fact.is_blurred:
            pixels.update(fact.colors)
    pixels.pop(_BORDER, None)
    if not pixels:
        raise UserError(
            f"all {len(facts)} masks have hundreds of colors (the first is {next(iter(facts))}), as "
            "antialiasing, resizing or JPEG makes them; export them as PNG without smoothing, or name the "
            "colors of the classes"
        )
    for color, count in sorted(pixels.items()):
        share = count / sum(pixels.values())
        notes.add("palette" if share >= _RARE else "rare colors", f"#{color:06x} ({share:.2%})")
    return {color: f"#{color:06x}" for color in sorted(pixels)}
