"""Images beside masks: of class ids, of 0 and 255, of a palette, or of colors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from paddleseg_lite.annotations.findings import Notes
from paddleseg_lite.annotations.mask_meaning import Meaning, find_meaning
from paddleseg_lite.annotations.mask_values import MaskFacts, inspect_mask, mask_values
from paddleseg_lite.annotations.pairing import Triple, find_triples
from paddleseg_lite.annotations.sizes import turned_like, upright_size
from paddleseg_lite.annotations.source import UNLABELED, Choices, Item, Source
from paddleseg_lite.annotations.splits import splits_of
from paddleseg_lite.datasets.loading.process_map import process_map
from paddleseg_lite.errors import UserError
from paddleseg_lite.printable import counted


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
            f"{folder}: {counted(len(triples), 'image')}, but no mask that can be read; masks are expected "
            "in a folder 'masks' or 'labels' beside 'images', or as NAME.png or NAME_mask.png beside "
            "NAME.jpg; photos that nobody annotated are to be annotated first, with labelme for example"
        )
    meaning = find_meaning(folder, facts, choices, notes)
    splits = splits_of(triple.name for triple in triples)
    return MaskSource("masks", readable(triples, facts), meaning, notes, splits, choices.channels)


def readable(triples: Sequence[Triple], facts: Mapping[Path, MaskFacts]) -> list[Triple]:
    """Return the images without those whose mask cannot be used."""
    return [triple for triple in triples if triple.mask is None or triple.mask in facts]


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


def _translated(values: np.ndarray, table: Mapping[int, int]) -> np.ndarray:
    """Return what the values [H, W] mean by a table, int16 [H, W]."""
    keys = np.array(sorted(table))
    targets = np.array([table[key] for key in keys.tolist()], np.int16)
    places = np.searchsorted(keys, values).clip(max=len(keys) - 1)
    return np.where(keys[places] == values, targets[places], np.int16(UNLABELED))
