"""Cityscapes' folders: leftImg8bit/SPLIT/CITY and gtFine/SPLIT/CITY, with its 19 classes."""

from __future__ import annotations

from pathlib import Path

from paddleseg_lite.annotations.findings import Notes
from paddleseg_lite.annotations.mask_meaning import Meaning
from paddleseg_lite.annotations.mask_values import IDS
from paddleseg_lite.annotations.masks import MaskSource
from paddleseg_lite.annotations.names import ClassNames
from paddleseg_lite.annotations.pairing import Triple
from paddleseg_lite.annotations.source import IGNORED, Choices
from paddleseg_lite.annotations.splits import splits_of
from paddleseg_lite.datasets.cityscapes import (
    IMAGE_SUFFIX,
    LABEL_IDS_SUFFIX,
    Cityscapes,
    label_id_to_train_id,
)
from paddleseg_lite.errors import UserError

IMAGES, MASKS = "leftImg8bit", "gtFine"


def open_cityscapes(folder: Path, choices: Choices) -> MaskSource:
    """Open a folder as Cityscapes has it, whose *_gtFine_labelIds.png are the masks.

    Raises:
        UserError: there are no such files.
    """
    notes = Notes()
    triples = []
    for image in sorted((folder / IMAGES).glob(f"*/*/*{IMAGE_SUFFIX}")):
        place = image.relative_to(folder / IMAGES).as_posix()[: -len(IMAGE_SUFFIX)]
        mask = folder / MASKS / f"{place}{LABEL_IDS_SUFFIX}"
        if not mask.is_file():
            notes.add("no annotation", place)
        triples.append(Triple(place, image, mask if mask.is_file() else None))
    if not any(triple.mask for triple in triples):
        raise UserError(
            f"{folder}: {len(triples)} images {IMAGES}/SPLIT/CITY/NAME{IMAGE_SUFFIX}, and no "
            f"{MASKS}/SPLIT/CITY/NAME{LABEL_IDS_SUFFIX} for them; unpack both archives there"
        )
    names = ClassNames(Cityscapes.classes, choices.classes, notes)
    targets = [*names.index.values(), *[IGNORED] * (IGNORED + 1 - len(names.index))]
    table = {label_id: targets[train_id] for label_id, train_id in label_id_to_train_id().items()}
    palette = names.palette(dict(zip(Cityscapes.classes, Cityscapes.palette)))
    splits = splits_of(triple.name for triple in triples)
    return MaskSource(
        "cityscapes", triples, Meaning(IDS, table, names.classes, palette), notes, splits, choices.channels
    )
