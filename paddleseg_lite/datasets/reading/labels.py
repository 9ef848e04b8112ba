"""From the ids in a label file to class ids, and the check that they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from paddleseg_lite.errors import UserError

IDS = 256


class LabelRule:
    """Which ids a label file may hold, and what becomes of them.

    Args:
        num_classes: class ids are 0 to num_classes - 1.
        ignore_index: the id of pixels that don't count, 0 to 255.
        label_map: {id in the file: class id or ignore_index}; ids that aren't named stay as they are.

    Attributes:
        table: [256] uint8, what becomes of each id.
        allowed: [256] bool, whether an id may be in a file.

    Raises:
        UserError: the map has something else.
    """

    def __init__(
        self, num_classes: int, ignore_index: int, label_map: Mapping[Any, Any] | None = None
    ) -> None:
        if label_map is not None and not isinstance(label_map, Mapping):
            raise UserError(f"label_map must be a mapping such as {{255: 1}}, got {label_map!r}")
        is_target = np.zeros(IDS, bool)
        is_target[:num_classes] = True
        is_target[ignore_index] = True
        table = np.arange(IDS, dtype=np.uint8)
        for source, target in (label_map or {}).items():
            if not _is_id(source) or not _is_id(target) or not is_target[target]:
                raise UserError(
                    f"label_map maps {source!r} to {target!r}; it must map ids from 0 to 255 to classes, 0 "
                    f"to {num_classes - 1}, or to ignore_index, {ignore_index}"
                )
            table[source] = target
        self.table = table
        self.allowed = is_target[table]
        self._is_bad = (~self.allowed).astype(np.uint8)
        self._maps = bool((table != np.arange(IDS)).any())
        self._num_classes = num_classes
        self._ignored_above = ignore_index if ignore_index >= num_classes else -1

    def apply(self, label: np.ndarray, path: str) -> np.ndarray:
        """Return the label with its ids mapped, after checking them.

        Args:
            label: [H, W] uint8, ids as stored.
            path: the file, for the message.

        Raises:
            UserError: it has ids that are neither classes nor ignored.
        """
        # Nearly every label passes by these comparisons, which are several times as fast as the table.
        if not self._maps and label.size:
            if label.max() < self._num_classes:
                return label
            above = np.count_nonzero(label >= self._num_classes)
            if above == np.count_nonzero(label == self._ignored_above):
                return label
        if cv2.countNonZero(cv2.LUT(label, self._is_bad)):
            bad = [value for value in np.unique(label).tolist() if not self.allowed[value]]
            allowed = ranges(np.flatnonzero(self.allowed).tolist())
            raise UserError(
                f"{path}: label id(s) {ranges(bad)}, but the data set allows {allowed}; correct the file, "
                "set num_classes or ignore_index, or map the ids with label_map"
            )
        return cv2.LUT(label, self.table) if self._maps else label


def as_ids(label: Any, path: str | Path) -> np.ndarray:
    """Return a label of any whole numbers as uint8 [H, W]; one that is so already comes back as it is.

    Args:
        label: [H, W] or [H, W, 1].
        path: the file, for the message.

    Raises:
        UserError: another shape, no pixels, no whole numbers, or numbers outside 0 to 255.
    """
    label = np.asarray(label)
    if label.ndim == 3 and label.shape[2] == 1:
        label = label[..., 0]
    if label.ndim != 2 or label.dtype.kind not in "biu" or not label.size:
        raise UserError(
            f"{path}: an array of shape {label.shape} and type {label.dtype}, but a label has one class id "
            "per pixel; save it as a gray or palette PNG whose values are the ids"
        )
    if label.dtype == np.uint8:
        return label
    low, high = int(label.min()), int(label.max())
    if low < 0 or high >= IDS:
        raise UserError(f"{path}: ids from {low} to {high}, but ids are 0 to 255; convert the file")
    return label.astype(np.uint8)


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < IDS


def ranges(values: Iterable[int]) -> str:
    """Return "0 to 18, 255" for 0, 1, ..., 18, 255."""
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][1] + 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    return ", ".join(str(low) if low == high else f"{low} to {high}" for low, high in runs)
