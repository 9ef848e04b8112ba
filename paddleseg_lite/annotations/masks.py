"""Images beside masks: of class ids, of 0 and 255, of a palette, or of colors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paddleseg_lite.annotations.findings import Notes
from paddleseg_lite.annotations.mask_values import (
    COLORS,
    IDS,
    MaskFacts,
    inspect_mask,
    mask_values,
    packed,
    unpacked,
)
from paddleseg_lite.annotations.names import ClassNames
from paddleseg_lite.annotations.pairing import Triple, find_triples
from paddleseg_lite.annotations.sizes import turned_like, upright_size
from paddleseg_lite.annotations.source import IGNORED, UNLABELED, Choices, Color, Item, Source
from paddleseg_lite.annotations.splits import splits_of
from paddleseg_lite.datasets.loading.process_map import process_map
from paddleseg_lite.errors import UserError

_BINARY = {0: "background", 255: "foreground"}
_RARE = 1e-4  # of all pixels


@dataclass(frozen=True)
class Meaning:
    """What the values in masks mean: ids, or colors as 0xRRGGBB."""

    kind: str  # IDS or COLORS
    table: Mapping[int, int]  # {value: position in `classes`, or IGNORED}; other values are UNLABELED
    classes: tuple[str, ...]
    palette: np.ndarray | None


class MaskSource(Source):
    """Images with masks.

    Args:
        format: its name.
        triples: images and masks.
        meaning: of the values in the masks.
        notes: become `findings`.
        splits, channels: see Source.
    """

    def __init__(
        self,
        format: str,
        triples: Sequence[Triple],
        meaning: Meaning,
        notes: Notes,
        splits: Mapping[str, str] | None,
        channels: int,
    ) -> None:
        self.format, self.classes, self.palette = format, meaning.classes, meaning.palette
        self.items = [Item(t.name, t.mask or t.image, t.mask is not None) for t in triples]
        self.findings, self.splits, self.channels = notes.findings(), splits, channels
        self._triples = {triple.name: triple for triple in triples}
        self._meaning = meaning

    def image_file(self, item: Item) -> Path:
        """Return the image's file."""
        return self._triples[item.name].image

    def label(self, item: Item) -> np.ndarray:
        """Return the label of an item; see Source."""
        triple = self._triples[item.name]
        size, orientation = upright_size(triple.image, self.channels)
        if triple.mask is None:
            return np.full(size, UNLABELED, np.int16)
        label = _translated(mask_values(triple.mask, self._meaning.kind), self._meaning.table)
        return turned_like(label, size, orientation, triple.mask, triple.image)


def open_masks(folder: Path, choices: Choices) -> MaskSource:
    """Open a folder of images and masks.

    Raises:
        UserError: there are no images or no masks, or they are of no kind that is known.
    """
    notes = Notes()
    triples = find_triples(folder, notes)
    facts = inspect_masks(triples, choices, notes)
    if not facts:
        raise UserError(
            f"{folder}: {len(triples)} image(s), but no mask that can be read; masks are expected in a "
            "folder 'masks' or 'labels' beside 'images', or as NAME.png or NAME_mask.png beside NAME.jpg"
        )
    is_color = bool(choices.colors) or _are_colors(facts, notes)
    kept = [triple for triple in triples if triple.mask is None or triple.mask in facts]
    meaning = color_meaning(facts, choices, notes) if is_color else id_meaning(facts, choices, notes)
    splits = splits_of(triple.name for triple in kept)
    return MaskSource("masks", kept, meaning, notes, splits, choices.channels)


def inspect_masks(triples: Sequence[Triple], choices: Choices, notes: Notes) -> dict[Path, MaskFacts]:
    """Return what is in each mask that can be read; note the others, and the images that have none."""
    masks = []
    for triple in triples:
        if triple.mask is None:
            notes.add("no annotation", triple.name)
        else:
            masks.append(triple.mask)
    facts = dict(zip(masks, process_map(inspect_mask, masks, choices.num_workers, "masks", "mask")))
    for mask, fact in facts.items():
        if not fact.kind:
            notes.add("damaged file", fact.error)
        elif fact.is_jpeg:
            notes.add("JPEG masks", mask)
        if fact.is_blurred:
            notes.add("blurred masks", mask)
    return {mask: fact for mask, fact in facts.items() if fact.kind}


def _are_colors(facts: dict[Path, MaskFacts], notes: Notes) -> bool:
    """Return whether most masks are of colors; note the others and take them out of `facts`."""
    colored = [path for path, fact in facts.items() if fact.kind == COLORS]
    plain = [path for path, fact in facts.items() if fact.is_plain_ids]
    is_color = bool(colored) and len(colored) >= len(plain)
    for path in plain if is_color else colored:
        notes.add("other kind of mask", path)
        del facts[path]
    return is_color


def id_meaning(facts: Mapping[Path, MaskFacts], choices: Choices, notes: Notes) -> Meaning:
    """Return what ids mean: classes in their order, 255 ignored; or two classes of 0 and 255 alone."""
    ids = sorted({value for fact in facts.values() for value in fact.values if not fact.is_blurred})
    ids = ids or sorted(_BINARY)  # all of them are blurred
    is_binary = ids == sorted(_BINARY)
    if not is_binary:
        ids = [value for value in ids if value != IGNORED or str(IGNORED) in choices.classes]
    own = {str(value): _BINARY[value] if is_binary else f"class {value}" for value in ids}
    wanted = {**choices.classes, **{name: own[name] for name in own if name not in choices.classes}}
    names = ClassNames(own, wanted, notes)
    table = {value: names.index[str(value)] for value in ids}
    table.setdefault(IGNORED, IGNORED)
    for value, index in table.items():
        if is_binary:
            notes.add("binary masks", f"{value} = '{names.classes[index]}'" if index != IGNORED else value)
        elif value != index != IGNORED:
            notes.add("ids renumbered", f"{value} -> {index}")
    palettes = (fact.palette for fact in facts.values() if fact.palette)
    colors = {str(value): unpacked(color) for value, color in next(palettes, {}).items()}
    return Meaning(IDS, table, names.classes, names.palette(colors))


def color_meaning(facts: Mapping[Path, MaskFacts], choices: Choices, notes: Notes) -> Meaning:
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
        other = sum(count for color, count in fact.colors.items() if color not in found)
        if other and not fact.is_blurred:
            notes.add("other colors", f"{mask} ({other / sum(fact.colors.values()):.2%})")
    colors: dict[str, Color] = {}
    for color, name in found.items():
        colors.setdefault(name, unpacked(color))
    table = {color: names.index[name] for color, name in found.items()}
    return Meaning(COLORS, table, names.classes, names.palette(colors))


def _found_colors(facts: Mapping[Path, MaskFacts], notes: Notes) -> dict[int, str]:
    """Return {color: its name, such as "#804080"} of the masks that are not blurred."""
    pixels: Counter[int] = Counter()
    for fact in facts.values():
        if not fact.is_blurred:
            pixels.update(fact.colors)
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


def _translated(values: np.ndarray, table: Mapping[int, int]) -> np.ndarray:
    """Return what the values [H, W] mean by a table, int16 [H, W]."""
    keys = np.array(sorted(table))
    targets = np.array([table[key] for key in keys.tolist()], np.int16)
    places = np.searchsorted(keys, values).clip(max=len(keys) - 1)
    return np.where(keys[places] == values, targets[places], np.int16(UNLABELED))
