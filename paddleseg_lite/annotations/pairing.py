"""Which file of a folder is an image, and which one is its mask."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from paddleseg_lite.annotations.findings import Notes
from paddleseg_lite.datasets.reading.lists import find_images

_WORD = r"(?:masks?|labels?|labelmaps?|annot(?:ation)?s?|anns?|gts?|ground[_ -]?truths?|seg(?:mentation)?s?)"
# "masks", "train_labels", "trainannot", "ann_dir"; what is before it must be as in the images' folder.
_MASK_FOLDER = re.compile(rf"(.*?)[_ -]?{_WORD}(?:[_ -]?(?:png|dir))?", re.IGNORECASE)
_IMAGE_FOLDER = re.compile(
    r"(.*?)[_ -]?(?:images?|imgs?|photos?|pictures?|pics|rgb|jpe?g(?:images)?|inputs?)(?:[_ -]?dir)?",
    re.IGNORECASE,
)
_MASK_NAME = re.compile(rf"(.+)[_.-](?:{_WORD}|L)", re.IGNORECASE)
_IMAGE_NAME = re.compile(r"(.+)[_.-](?:image|img|rgb|photo)", re.IGNORECASE)


@dataclass(frozen=True)
class Triple:
    """An image and its mask; no mask if it has none."""

    name: str
    image: Path
    mask: Path | None


def find_triples(folder: Path, notes: Notes) -> list[Triple]:
    """Return the images of a folder with their masks, sorted by name.

    Masks are in a folder of their own, such as "masks" beside "images", or beside the images, as PNG beside
    JPEG or with a name such as "a_mask".

    Raises:
        UserError: there is no image at all.
    """
    files, root = find_images(folder, "the source")
    groups: dict[tuple[str, ...], tuple[list[Path], list[Path]]] = {}
    for file in files:
        parts = file.relative_to(root).with_suffix("").parts
        is_mask, key = _key(parts)
        groups.setdefault(key, ([], []))[is_mask].append(file)
    _mend_plain(groups)
    triples = []
    for key, (images, masks) in sorted(groups.items()):
        name = "/".join(key)
        if len(images) == 2 and not masks and _lossless(images) != _lossless(images[::-1]):
            masks = [images.pop(0 if _lossless(images) else 1)]
        for extra in images[1:]:
            notes.add("same name", extra)
        if len(masks) > 1:
            notes.add("several masks", f"{name} ({', '.join(mask.name for mask in masks)})")
        if images:
            triples.append(Triple(name, images[0], masks[0] if masks else None))
        else:
            for mask in masks:
                notes.add("no image", mask)
    return triples


def _key(parts: tuple[str, ...]) -> tuple[bool, tuple[str, ...]]:
    """Return whether a file is a mask, and what it has in common with its partner."""
    is_mask, folders = False, []
    for part in parts[:-1]:
        if (found := _MASK_FOLDER.fullmatch(part)) is not None:
            is_mask = True
        else:
            found = _IMAGE_FOLDER.fullmatch(part)
        folders.append(part if found is None else found[1])
    found = _MASK_NAME.fullmatch(parts[-1])
    if found is None and (as_image := _IMAGE_NAME.fullmatch(parts[-1])):
        return is_mask, (*filter(None, folders), as_image[1])
    is_mask = is_mask or found is not None
    return is_mask, (*filter(None, folders), parts[-1] if found is None else found[1])


def _mend_plain(groups: dict[tuple[str, ...], tuple[list[Path], list[Path]]]) -> None:
    """Let what only looks like a mask by its name be an image, where no file of the source is one else."""
    if any(images for images, _ in groups.values()):
        return
    for images, masks in groups.values():
        images.extend(masks)
        masks.clear()


def _lossless(files: list[Path]) -> bool:
    """Whether the first of two files is a mask beside a photograph."""
    return files[0].suffix.lower() == ".png" and files[1].suffix.lower() in (".jpg", ".jpeg")
