"""What every metric has: predictions with their labels go in, counts are kept, numbers come out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np


@dataclass(frozen=True, eq=False)
class Observation:
    """An image's prediction, and what it is compared with.

    Attributes:
        index: the image's position in the data set.
        path: the image's file.
        label_path: the label's file.
        prediction: class ids in [0, K), uint8 [H, W].
        label: class ids, or the ignored id, uint8 [H, W].
        confidence: the largest softmax probability, float32 [H, W]; None if no metric needs it.

    Raises:
        ValueError: the arrays differ in shape.
    """

    index: int
    path: str
    label_path: str
    prediction: np.ndarray
    label: np.ndarray
    confidence: np.ndarray | None = None
    _kept: dict[Hashable, np.ndarray] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        arrays = (self.prediction, self.label, *([] if self.confidence is None else [self.confidence]))
        if len({array.shape for array in arrays}) != 1:
            raise ValueError(f"arrays of {self.path} differ in shape: {[array.shape for array in arrays]}")

    def kept(self, key: Hashable, make: Callable[[], np.ndarray]) -> np.ndarray:
        """Return what several metrics need of an image; the first one that asks makes it."""
        found = self._kept.get(key)
        return self._kept.setdefault(key, make()) if found is None else found


class Metric(ABC):
    """Something that is measured over a set of images; `evaluate(..., metrics=[...])` fills it.

    A metric keeps counts, which do not depend on the order of images nor on who has seen them: several
    ranks fill one each, and `merge` makes them one.

    Args:
        classes: the K names.
        ignore_index: pixels with this label do not count.

    Attributes:
        name: in `--metrics`, and as a key in JSON.
        needs_confidence: whether observations must have it, which takes the logits at the labels' size.
    """

    name: ClassVar[str]
    needs_confidence: ClassVar[bool] = False

    def __init__(self, classes: Sequence[str], ignore_index: int = 255) -> None:
        self.classes, self.ignore_index = tuple(classes), ignore_index

    @abstractmethod
    def update(self, seen: Observation) -> None:
        """Count an image."""

    @abstractmethod
    def merge(self, other: Any) -> None:
        """Add what another one of the same class and arguments has counted, of other images."""

    @abstractmethod
    def result(self) -> dict[str, Any]:
        """Return the numbers as JSON has them: None for what nothing was there to measure of."""

    @abstractmethod
    def lines(self) -> list[str]:
        """Return the numbers as text for people."""
