"""A source whose annotations are shapes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paddleseg_lite.annotations.findings import Notes
from paddleseg_lite.annotations.names import ClassNames
from paddleseg_lite.annotations.shapes import Shape, paint
from paddleseg_lite.annotations.sizes import turned_like, upright_size
from paddleseg_lite.annotations.source import UNLABELED, Item, Source
from paddleseg_lite.annotations.splits import whole
from paddleseg_lite.errors import UserError


@dataclass(frozen=True)
class Drawing:
    """What is drawn on one image."""

    size: tuple[int, int] | None  # (height, width) of what was annotated, if the file says so
    shapes: Iterable[Shape]  # in the order that they are painted; gone through once the size is checked


class ShapeSource(Source):
    """Paints what `drawing` returns; of formats that have one file for many images, or one for each.

    Args:
        items: {item's name: item}.
        images: {item's name: image's file; None if it is embedded}.
        named: the classes, and what the name of a shape becomes.
        notes: what was noted.
        splits: {item's name: "train", "val" or "test"}, as far as the source says so.
    """

    def __init__(
        self,
        items: Mapping[str, Item],
        images: Mapping[str, Path | None],
        named: ClassNames,
        notes: Notes,
        splits: Mapping[str, str],
    ) -> None:
        self._images, self._index = images, named.index
        self.classes, self.findings = named.classes, notes.findings()
        self.items = [items[name] for name in sorted(items)]
        self.splits = whole(splits, items)

    @abstractmethod
    def drawing(self, item: Item) -> Drawing:
        """Return what is drawn on an image.

        Raises:
            UserError: it cannot be read.
        """

    def image_file(self, item: Item) -> Path | None:
        """Return the image's file, None if it is embedded."""
        return self._images[item.name]

    def size(self, item: Item) -> tuple[tuple[int, int], int]:
        """Return (height, width) of an upright image, and the orientation that it was turned by.

        Raises:
            UserError: it cannot be read.
        """
        path = self.image_file(item)
        assert path is not None  # a source that embeds images has its own way
        return upright_size(path, self.channels)

    def label(self, item: Item) -> np.ndarray:
        """Return the label of an item; see Source."""
        size, orientation = self.size(item)
        if not item.has_annotation:
            return np.full(size, UNLABELED, np.int16)
        drawing = self.drawing(item)
        height, width = drawing.size or size
        # Only now is it known that no more pixels are asked for than the image has.
        where = self.image_file(item) or item.path
        if (height, width) not in (size, size[::-1]):
            turned_like(np.broadcast_to(np.int16(0), (height, width)), size, orientation, item.path, where)
        label = np.full((height, width), UNLABELED, np.int16)
        for shape in drawing.shapes:
            if shape.name not in self._index:
                raise UserError(f"{item.path} has changed: it has '{shape.name}' now; begin anew")
            paint(label, shape, self._index[shape.name])
        return turned_like(label, size, orientation, item.path, where)
