"""What every source of annotations has, whatever its format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

import numpy as np

from paddleseg_lite.datasets.reading.images import read_image

UNLABELED = -1  # a pixel that nobody annotated: what becomes of it is the user's choice
IGNORED = 255  # a pixel that is marked as not to be counted
EXTRA = "pip install 'paddleseg_lite[init]'"
MAX_CLASSES = 255  # the ids that a label file has beside IGNORED

Color = tuple[int, int, int]  # R, G, B
ClassChoice = Mapping[str, Optional[str]]


@dataclass(frozen=True)
class Item:
    """One image of a source."""

    name: str  # unique: its path relative to the source, "/" between, without ending
    path: Path  # the annotation's file, else the image's, for messages
    has_annotation: bool


@dataclass(frozen=True)
class Finding:
    """Something that the user should know, or decide."""

    kind: str  # a few words that stay the same, such as "names alike"
    found: str  # what was found, and where
    remedy: str  # what to do, if `found` does not say it; who knows the flag for it says that instead
    names: tuple[str, ...] = ()  # all the items, files or classes that it is about
    groups: tuple[tuple[str, ...], ...] = ()  # of "names alike": the classes' names, the commonest first

    @property
    def message(self) -> str:
        """One sentence: what was found, where, what to do."""
        return "; ".join(filter(None, (self.found, self.remedy)))


@dataclass(frozen=True)
class Choices:
    """What a user may decide about a source.

    Attributes:
        classes: {name in the source: class that it becomes, or None for not counted}. Classes come in this
            order; names of the source that aren't here keep theirs and come after them. A name that the
            source lacks and that becomes itself is a class that nobody drew yet. Masks of ids have the
            names "0", "1" and so on, masks of colors "#804080".
        colors: {color in the masks: its name}, for masks of colors.
        line_width: pixels, of lines, and of the disc that a point becomes.
        channels: of the images.
        num_workers: processes that look through masks; 0: none.
    """

    classes: ClassChoice = field(default_factory=dict)
    colors: Mapping[Color, str] = field(default_factory=dict)
    line_width: int = 10  # labelme's
    channels: int = 3
    num_workers: int = 0


class Source(ABC):
    """Images, and what somebody annotated on them.

    What is wrong with one item is raised by `image` or `label` of that item, as a UserError that names the
    file; the others go on. A source can be handed to other processes.

    Attributes:
        format: one of FORMATS.
        classes: K names, at most MAX_CLASSES.
        palette: uint8 [K, 3], RGB, where the source has colors.
        items: sorted by name.
        findings: what was found when it was opened.
        splits: {item's name: "train", "val" or "test"} where the source says so.
    """

    format: str
    classes: tuple[str, ...]
    palette: np.ndarray | None = None
    items: Sequence[Item]
    findings: list[Finding]
    splits: Mapping[str, str] | None = None
    channels: int = 3

    @abstractmethod
    def image_file(self, item: Item) -> Path | None:
        """Return the image's file as it can be used; None if it is embedded in an annotation."""

    @abstractmethod
    def label(self, item: Item) -> np.ndarray:
        """Return the label of an item, turned as its image is.

        Returns:
            int16 [H, W]: index in `classes`, UNLABELED or IGNORED; all UNLABELED without an annotation.

        Raises:
            UserError: the annotation cannot be used.
        """

    def image(self, item: Item) -> np.ndarray:
        """Return the image, uint8 or uint16 [H, W, channels] RGB, its EXIF orientation applied.

        Raises:
            UserError: it cannot be read.
        """
        path = self.image_file(item)
        assert path is not None  # a source that embeds images has its own way
        return read_image(path, self.channels)
