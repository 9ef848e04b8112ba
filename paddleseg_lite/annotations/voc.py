"""Pascal VOC's folders: JPEGImages, SegmentationClass, and lists in ImageSets/Segmentation."""

from __future__ import annotations

from pathlib import Path

from paddleseg_lite.annotations.findings import Notes
from paddleseg_lite.annotations.mask_meaning import find_meaning
from paddleseg_lite.annotations.masks import MaskSource, inspect_masks, readable
from paddleseg_lite.annotations.pairing import Triple
from paddleseg_lite.annotations.source import Choices
from paddleseg_lite.annotations.splits import whole
from paddleseg_lite.datasets.reading.lists import find_images
from paddleseg_lite.errors import UserError
from paddleseg_lite.files import read_regular

IMAGES, MASKS = "JPEGImages", "SegmentationClass"
_SETS = Path("ImageSets/Segmentation")
_MAX_BYTES = 1 << 28


def open_voc(folder: Path, choices: Choices) -> MaskSource:
    """Open a folder as Pascal VOC has it.

    Images that have no mask, and are in no list, are left out: in Pascal VOC they are for detection.

    Raises:
        UserError: a folder is missing, or no mask in it can be used.
    """
    notes = Notes()
    triples = _triples(folder, notes)
    splits = _splits(folder, {triple.name for triple in triples}, notes)
    wanted = [triple for triple in triples if triple.mask is not None or triple.name in splits]
    facts = inspect_masks(wanted, choices, notes)
    if not facts:
        raise UserError(f"{folder}: no image of {IMAGES} has a mask NAME.png in {MASKS} that can be read")
    meaning = find_meaning(folder, facts, choices, notes)
    kept = readable(wanted, facts)
    names = [triple.name for triple in kept]
    return MaskSource("voc", kept, meaning, notes, whole(splits, names), choices.channels)


def _triples(folder: Path, notes: Notes) -> list[Triple]:
    images, masks = (_by_name(folder / name, notes) for name in (IMAGES, MASKS))
    for name in sorted(masks.keys() - images.keys()):
        notes.add("no image", masks[name])
    return [Triple(name, images[name], masks.get(name)) for name in sorted(images)]


def _by_name(folder: Path, notes: Notes) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file in find_images(folder, "the source")[0]:
        name = file.relative_to(folder).with_suffix("").as_posix()
        if found.setdefault(name, file) != file:
            notes.add("same name", file)
    return found


def _splits(folder: Path, names: set[str], notes: Notes) -> dict[str, str]:
    """Return the split of each image in a list; of lists that share an image the first one counts."""
    splits: dict[str, str] = {}
    for split in ("train", "val", "test"):
        path = folder / _SETS / f"{split}.txt"
        if not path.is_file():
            continue
        for line in read_regular(path, _MAX_BYTES).decode("utf-8-sig", "replace").splitlines():
            name = line.strip()
            if name in names:
                splits.setdefault(name, split)
            elif name:
                notes.add("no image", f"{path}, '{name}'")
    return splits
