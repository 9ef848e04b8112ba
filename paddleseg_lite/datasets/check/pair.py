"""What there is to know about one image and its label; runs in worker processes."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from paddleseg_lite.datasets.base import SegmentationDataset
from paddleseg_lite.datasets.check.jpeg import decoder_warnings
from paddleseg_lite.datasets.problems import Problem
from paddleseg_lite.datasets.reading.header import TURNS
from paddleseg_lite.datasets.reading.images import (
    read_image,
    read_label,
    read_orientation,
    read_stored_label,
    turned_apart,
)
from paddleseg_lite.datasets.reading.labels import IDS, LabelRule, as_ids, ranges
from paddleseg_lite.datasets.reading.png import png_palette
from paddleseg_lite.errors import UserError

COLOR_LABEL, JPEG_LABEL, BAD_IDS = "label of colors", "label as JPEG", "ids that are no classes"
MAX_COLORS = 257  # more are a photograph's
MAX_WIDE = 1000

Color = tuple[int, int, int]


@dataclass
class PairFacts:
    """Findings about one pair; arrays of zeros where the label could not be read."""

    index: int  # its place in the data set
    raw: np.ndarray  # [256] int64, pixels of each id as stored
    bad: np.ndarray  # [256] int64, those of them whose id is not allowed
    classes: np.ndarray  # [num_classes] int64, pixels of each class after the mapping
    problems: list[Problem] = field(default_factory=list)  # what is wrong with it
    image_size: tuple[int, int] | None = None  # (height, width), or None if the image could not be read
    bits: int = 8  # 8 or 16 for each channel
    flat: int = 0  # how many of the bad pixels have a right neighbour with the same id
    # colors of the ids that occur, if the label is a palette PNG
    palette: dict[int, Color] = field(default_factory=dict)
    # pixels of each color, if the label has colors; at most MAX_COLORS
    colors: Counter[Color] = field(default_factory=Counter)
    wide: list[int] = field(default_factory=list)  # the ids, at most MAX_WIDE, if some are outside 0 to 255
    decoder_warnings: list[str] = field(default_factory=list)  # what libjpeg said of the image's data
    # whether width and height are exchanged in the label, which EXIF orientation explains
    is_turned: bool = False
    # whether image and label have different orientations that sizes say nothing about
    is_doubtful: bool = False

    @property
    def is_drawable(self) -> bool:
        """Whether image and label can be laid over each other."""
        kinds = {problem.kind for problem in self.problems}
        has_both = self.image_size is not None and bool(self.raw.any() or self.colors)
        return has_both and kinds <= {JPEG_LABEL, BAD_IDS, COLOR_LABEL}


def inspect_pair(index: int, dataset: SegmentationDataset) -> PairFacts:
    """Read a pair completely and return what was found; nothing about the files is raised."""
    facts = PairFacts(
        index, np.zeros(IDS, np.int64), np.zeros(IDS, np.int64), np.zeros(dataset.num_classes, np.int64)
    )
    if dataset.has_own_reader:
        _inspect_foreign(facts, dataset)
        return facts
    image_path, label_path = dataset.pairs[index]
    if image_path == label_path:
        facts.problems.append(
            Problem("image is its own label", image_path, f"{image_path} is named as image and as label")
        )
    try:
        with decoder_warnings() as facts.decoder_warnings:
            image = read_image(image_path, dataset.in_channels)
        facts.image_size, facts.bits = (image.shape[0], image.shape[1]), 8 * image.dtype.itemsize
    except UserError as error:
        facts.problems.append(Problem("image that cannot be used", image_path, str(error)))
    if label_path is not None:
        _inspect_label(facts, dataset, label_path)
    return facts


def _bytes_of(path: str) -> bytes:
    with contextlib.suppress(OSError):  # reading the label says what is wrong
        if os.path.isfile(path) and not path.endswith(".npy"):
            return Path(path).read_bytes()
    return b""


def _inspect_label(facts: PairFacts, dataset: SegmentationDataset, path: str) -> None:
    """Add what the label file says."""
    data = _bytes_of(path)
    if data[:2] == b"\xff\xd8":
        message = f"{path} is a JPEG, which changes ids where classes meet; make it anew and save it as PNG"
        facts.problems.append(Problem(JPEG_LABEL, path, message))
    try:
        label = read_label(path)
    except UserError as error:
        facts.colors, facts.wide = _colors_and_wide_ids(path)
        kind = COLOR_LABEL if facts.colors else "label that cannot be used"
        facts.problems.append(Problem(kind, path, str(error)))
        return
    _count(facts, dataset, label, dataset.label_rule(path), path)
    if facts.image_size is not None:
        _compare_sizes(facts, (label.shape[0], label.shape[1]), dataset.pairs[facts.index][0], path)
    palette = png_palette(data)
    if palette is not None:
        used = [value for value in np.flatnonzero(facts.raw).tolist() if value < len(palette)]
        colors = palette.tolist()
        facts.palette = {value: (colors[value][0], colors[value][1], colors[value][2]) for value in used}


def _compare_sizes(facts: PairFacts, size: tuple[int, int], image_path: str, path: str) -> None:
    """Compare the label's size, and the orientation of both files, by which reading has turned them."""
    (height, width), (image_height, image_width) = size, facts.image_size or size
    if size == facts.image_size:
        orientation, label_orientation = read_orientation(image_path), read_orientation(path)
        lies_aside = (orientation in TURNS) != (label_orientation in TURNS)
        facts.is_doubtful = orientation != label_orientation and (width == height or not lies_aside)
        return
    cause = turned_apart(image_path, (image_height, image_width), path, size)
    facts.is_turned = bool(cause)
    message = (
        f"{path} has {width}x{height} pixels (width x height), its image {image_width}x{image_height}{cause}"
    )
    facts.problems.append(Problem("sizes that differ", path, message))


def _count(
    facts: PairFacts, dataset: SegmentationDataset, label: np.ndarray, rule: LabelRule, path: str
) -> None:
    """Count the ids of a label, uint8 [H, W], by what the rule makes of them."""
    facts.raw = np.bincount(label.reshape(-1), minlength=IDS)
    facts.bad = np.where(rule.allowed, 0, facts.raw)
    targets = np.bincount(rule.table, np.where(rule.allowed, facts.raw, 0), IDS)
    facts.classes = targets[: dataset.num_classes].astype(np.int64)
    if dataset.ignore_index < dataset.num_classes:
        facts.classes[dataset.ignore_index] = 0
    if facts.bad.any():
        is_bad = cv2.LUT(label[:, :-1], (~rule.allowed).astype(np.uint8))
        facts.flat = int(np.count_nonzero((label[:, :-1] == label[:, 1:]) & (is_bad > 0)))
        share = facts.bad.sum() / label.size
        message = (
            f"{path}: label id(s) {ranges(np.flatnonzero(facts.bad).tolist())} in {share:.2%} of its pixels; "
            f"allowed are {ranges(np.flatnonzero(rule.allowed).tolist())}"
        )
        facts.problems.append(Problem(BAD_IDS, path, message))


def _colors_and_wide_ids(path: str) -> tuple[Counter[Color], list[int]]:
    """Return what there is instead of class ids: colors, or ids above 8 bits; both may be empty."""
    try:
        label = read_stored_label(path)
    except UserError:
        return Counter(), []
    if label.ndim == 3 and label.shape[2] >= 3 and label.dtype == np.uint8 and not path.endswith(".npy"):
        return count_colors(label), []
    if label.ndim != 2 or label.dtype.kind not in "iu" or label.dtype == np.uint8 or not label.size:
        return Counter(), []
    ids = np.unique(label).tolist()
    half = MAX_WIDE // 2
    return Counter(), ids if len(ids) <= MAX_WIDE else ids[:half] + ids[-half:]


def _inspect_foreign(facts: PairFacts, dataset: SegmentationDataset) -> None:
    """Inspect a pair of a data set with a reader of its own: what that returns is all there is."""
    path = dataset.pairs[facts.index][1] or dataset.pairs[facts.index][0]
    try:
        with decoder_warnings() as facts.decoder_warnings:
            image, label = dataset.read_files(facts.index)
        label = None if label is None else as_ids(label, f"{path}, as it comes from the reader")
    except UserError as error:
        facts.problems.append(Problem("pair that cannot be used", path, str(error)))
        return
    facts.image_size, facts.bits = (image.shape[0], image.shape[1]), 8 * image.dtype.itemsize
    if label is not None:
        _count(facts, dataset, label, LabelRule(dataset.num_classes, dataset.ignore_index), path)


def count_colors(image: np.ndarray) -> Counter[Color]:
    """Return pixels of each RGB color of a BGR image, the commonest first, at most MAX_COLORS."""
    blue, green, red = (image[..., channel].astype(np.int32) for channel in range(3))
    packed, counts = np.unique(red << 16 | green << 8 | blue, return_counts=True)
    most = np.argsort(-counts, kind="stable")[:MAX_COLORS]
    return Counter(
        {
            (int(value >> 16), int(value >> 8 & 255), int(value & 255)): int(count)
            for value, count in zip(packed[most], counts[most])
        }
    )
