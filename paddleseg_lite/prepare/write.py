"""One item of a source -> its label and its image in the data set; runs in worker processes."""

from __future__ import annotations

import filecmp
import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paddleseg_lite.annotations.source import UNLABELED, Source
from paddleseg_lite.datasets.reading.images import read_label
from paddleseg_lite.datasets.reading.png import PNG_END, chunk, chunks, encode_png, with_palette
from paddleseg_lite.errors import UserError
from paddleseg_lite.files import atomic_write
from paddleseg_lite.prepare.layout import Target
from paddleseg_lite.prepare.measure import Measured, measure
from paddleseg_lite.prepare.record import put
from paddleseg_lite.prepare.unlabeled import UNUSABLE, Treatment

_MARK = b"paddleseg_lite init\0"  # a keyword of PNG's text, and its end


@dataclass(frozen=True)
class Written:
    """What became of an item.

    Attributes:
        name: the item's.
        problem: why it is left out; None: it is not, and there are its `measured`.
        measured: image and label.
        unlabeled: pixels that nobody annotated.
        is_new: whether its label was written; it may be there already.
        is_edited: whether its label was changed by somebody since init wrote it, and is kept.
    """

    name: str
    problem: str | None = None
    measured: Measured | None = None
    unlabeled: int = 0
    is_new: bool = False
    is_edited: bool = False


@dataclass(frozen=True)
class Writer:
    """Writes items; to be called in worker processes.

    Attributes:
        source: the annotations.
        treatment: what becomes of unlabeled pixels.
        folder: the data set's.
    """

    source: Source
    treatment: Treatment
    folder: Path

    def __call__(self, target: Target) -> Written:
        """Write an item's label and image, unless they are there; what is wrong with the item is returned.

        Raises:
            UserError: nothing can be written.
        """
        num_classes = len(self.treatment.classes)
        path = self.folder / target.label
        try:
            image, found = self.source.image(target.item), self.source.label(target.item)
            if image.shape[:2] != found.shape:
                raise UserError(
                    f"{target.item.path}: the label has {found.shape[1]}x{found.shape[0]} pixels (width x "
                    f"height), but its image {image.shape[1]}x{image.shape[0]}; they must agree"
                )
            label = self.treatment.apply(found)
            edited = _edited(path)
            if edited is not None and (edited.shape != label.shape or _is_other(edited, num_classes)):
                raise UserError(f"{path} was changed and does not fit any more; mend it, or remove it")
        except UNUSABLE as error:
            reason = str(error) if isinstance(error, UserError) else f"{target.item.path}: {error!r}"
            return Written(target.item.name, reason)
        is_new = False
        if edited is None:
            is_new = put(path, label_file(label, self.treatment.file_palette()))
        if target.is_written:
            self._write_image(target, image)
        return Written(
            target.item.name,
            measured=measure(image, label if edited is None else edited, num_classes),
            unlabeled=int(np.count_nonzero(found == UNLABELED)),
            is_new=is_new,
            is_edited=edited is not None and not np.array_equal(edited, label),
        )

    def _write_image(self, target: Target, image: np.ndarray) -> None:
        path = self.folder / target.image
        if target.origin is None:
            put(path, encode_png(np.ascontiguousarray(image)))
        elif not os.path.isfile(path) or not filecmp.cmp(target.origin, path, shallow=False):
            origin = target.origin
            atomic_write(path, lambda temporary: shutil.copyfile(origin, temporary), sync=False)


def label_file(label: np.ndarray, palette: np.ndarray) -> bytes:
    """Return a label, uint8 [H, W], as a palette PNG that says of itself that it is as it was written."""
    data = with_palette(encode_png(label), palette)
    mark = chunk(b"tEXt", _MARK + hashlib.sha256(data).hexdigest().encode())
    return data[: -len(PNG_END) - 4] + mark + data[-len(PNG_END) - 4 :]


def _edited(path: Path) -> np.ndarray | None:
    """Return the label, uint8 [H, W], of a file that is there and is not as it was written; else None.

    Raises:
        UserError: it cannot be read.
    """
    return None if not os.path.lexists(path) or is_as_written(path) else read_label(path)


def is_as_written(path: Path) -> bool:
    """Return whether a label's file is as `label_file` made it."""
    data = path.read_bytes()
    texts = (bytes(piece) for name, piece in chunks(data) if name == b"tEXt")
    found = next((text for text in texts if text[8:].startswith(_MARK)), b"")
    plain = data.replace(found, b"", 1)
    return bool(found) and hashlib.sha256(plain).hexdigest().encode() == found[8 + len(_MARK) : -4]


def _is_other(label: np.ndarray, num_classes: int) -> bool:
    """Whether a label has ids that are neither classes nor ignored."""
    return bool(((label >= num_classes) & (label != 255)).any())
