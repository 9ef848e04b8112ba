"""What becomes of what nobody annotated: pixels that no shape covers, and images without annotation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from paddleseg_lite.annotations.source import IGNORED, MAX_CLASSES, UNLABELED, Item, Source
from paddleseg_lite.datasets.info import voc_palette
from paddleseg_lite.datasets.loading.process_map import process_map
from paddleseg_lite.errors import UserError
from paddleseg_lite.printable import counted, some

# What one item may lead to: its annotation or image is damaged, cannot be read, or is too large.
UNUSABLE = (UserError, MemoryError, ValueError, OSError)
BACKGROUND = "background"
_OF_SHAPES = ("labelme", "coco", "cvat")  # what is drawn on: the rest of an image is background to people
_VOID_COLOR = (224, 224, 192)  # as Pascal VOC paints what does not count


@dataclass(frozen=True)
class Treatment:
    """How the labels of a source become those of a data set.

    Attributes:
        classes: names, with the background among them if it is needed.
        palette: uint8 [K, 3], RGB.
        ids: uint8 [257], the id in a file of each value of a source's label; the last one is UNLABELED's.
        left_out: items that do not get into the data set.
        note: one sentence that says what was decided.
    """

    classes: tuple[str, ...]
    palette: np.ndarray
    ids: np.ndarray
    left_out: frozenset[str]
    note: str

    def apply(self, label: np.ndarray) -> np.ndarray:
        """Return the ids, uint8 [H, W], of a source's label, int16 [H, W]."""
        return self.ids[label]  # UNLABELED, -1, is the last one

    def file_palette(self) -> np.ndarray:
        """Return the colors of a label file, uint8 [256, 3]: what is ignored is not black."""
        colors = np.zeros((256, 3), np.uint8)
        colors[: len(self.palette)] = self.palette
        colors[IGNORED] = _VOID_COLOR
        return colors


def decide(source: Source, choice: str | None, num_workers: int = 0) -> Treatment:
    """Return what becomes of what nobody annotated.

    A background that the source lacks is added if a pixel needs it, or if it is chosen.

    Args:
        source: the annotations.
        choice: "background", "ignore" or "drop"; None for what the format means by it; images without
            annotation, which no format tells from photos that nobody got to yet, have no default.
        num_workers: processes that look for such a pixel.

    Raises:
        UserError: there are such images and no choice, no class, or no id is left for the background.
    """
    if not source.classes:
        raise UserError(
            f"no class is annotated on {counted(len(source.items), 'image')}; annotate some, or give --format"
        )
    bare = [item for item in source.items if not item.has_annotation]
    if bare and choice is None:
        raise UserError(
            f"{_named(bare)} of {len(source.items)} without annotation; say what becomes of them: "
            "--unlabeled background (they show background alone), --unlabeled drop (they are left out, as "
            "not annotated yet) or --unlabeled ignore (left out, and in the others what nothing covers does "
            "not count)"
        )
    is_background = source.format in _OF_SHAPES if choice is None else choice != "ignore"
    names = frozenset(item.name for item in bare if choice in ("drop", "ignore"))
    pixels = "are background" if is_background else "do not count (255)"
    note = f"pixels that nothing covers {pixels}"
    note += f", as is meant in {source.format}; --unlabeled says otherwise" if choice is None else ""
    plain = [name.strip(" _").casefold() for name in source.classes]
    own = plain.index(BACKGROUND) if BACKGROUND in plain else None
    if is_background and own is None and choice != "background":
        items = [item for item in source.items if item.name not in names]
        is_background = any(process_map(partial(_is_uncovered, source), items, num_workers, "gaps", "image"))
        if not is_background:
            note = "every pixel is covered, and no background is added; --unlabeled background adds it"
    if bare:
        note += f"; {_named(bare)} without annotation: {'left out' if names else 'all background'}"
    return Treatment(*_table(source, is_background, own), names, note)


def _is_uncovered(source: Source, item: Item) -> bool:
    """Whether an item has pixels that nothing covers; one that cannot be used has none."""
    try:
        return bool((source.label(item) == UNLABELED).any())
    except UNUSABLE:
        return False


def _named(items: list[Item]) -> str:
    return f"{counted(len(items), 'image')} ({some([item.name for item in items])})"


def _table(
    source: Source, is_background: bool, own: int | None
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Return classes, palette and ids, see Treatment; `own` is the id of the source's background."""
    classes = tuple(source.classes)
    palette = voc_palette(len(classes) + 1)[1:] if source.palette is None else source.palette
    ids = np.full(257, IGNORED, np.uint8)
    ids[: len(classes)] = np.arange(len(classes))
    if is_background:
        if own is None:
            if len(classes) == MAX_CLASSES:
                raise UserError(
                    f"no id is left for the background beside {MAX_CLASSES} classes; give --unlabeled ignore"
                )
            own, classes = 0, (BACKGROUND, *classes)
            palette = np.vstack([np.zeros((1, 3), np.uint8), palette])
            ids[: len(classes) - 1] += 1
        ids[UNLABELED] = own
    if source.palette is None and own == 0:
        palette = voc_palette(len(classes))
    return classes, np.asarray(palette, np.uint8), ids
