"""What all pairs of a data set add up to."""

from __future__ import annotations

from collections import Counter

import numpy as np

from paddleseg_lite.datasets.base import SegmentationDataset
from paddleseg_lite.datasets.check.pair import JPEG_LABEL, Color, PairFacts
from paddleseg_lite.datasets.class_weights import median_frequency
from paddleseg_lite.datasets.problems import Problem
from paddleseg_lite.datasets.reading.labels import IDS


class Findings:
    """Counts, problems and their probable causes for one data set.

    Args:
        section: what the config calls it, "train_dataset" or "val_dataset".
        dataset: the data set, of the pairs whose files exist; None if it could not be built.

    Attributes:
        problems: what makes training wrong.
        causes: probable causes of the problems, with remedies.
        warnings: what training would survive.
        raw, bad: [256] int64, pixels of each id as stored, and those of them that are not allowed.
        flat: how many bad pixels have a right neighbour with the same id.
        class_pixels, class_images: [K] int64, pixels of each class, and images that hold it.
        class_context: [K] int64, labelled pixels of the images that hold the class.
        ignored: pixels that don't count.
        present: [pairs, K] bool, which pair holds which class.
        drawable: [pairs] bool, whether image and label can be laid over each other.
        sizes: images by (height, width).
        bits: images by bits of a channel.
        palettes: id -> colors that palette PNGs give it.
        colors: pixels by color in labels of colors; color_labels: how many such labels.
        jpeg_labels: how many labels are JPEGs.
        wide: ids of labels that have some outside 0 to 255; wide_labels: how many such labels.
        masks: pairs whose label has 0 and 255 and nothing else.
        has_void: whether 255 stands beside other ids than 0 in some label.
        turned: pairs of different sizes because of EXIF orientation.
        half_decoded: pairs whose image libjpeg decoded with a warning, and its words.
        doubtful: pairs of equal sizes that may be turned against each other by EXIF orientation.
    """

    def __init__(self, section: str, dataset: SegmentationDataset | None) -> None:
        self.section, self.dataset = section, dataset
        self.problems: list[Problem] = []
        self.causes: list[str] = []
        self.warnings: list[str] = []
        self.raw, self.bad = np.zeros(IDS, np.int64), np.zeros(IDS, np.int64)
        self.flat = self.ignored = self.color_labels = self.jpeg_labels = 0
        pairs, classes = (len(dataset), dataset.num_classes) if dataset is not None else (0, 0)
        self.class_pixels, self.class_images, self.class_context = np.zeros((3, classes), np.int64)
        self.present, self.drawable = np.zeros((pairs, classes), bool), np.zeros(pairs, bool)
        self.sizes: Counter[tuple[int, int]] = Counter()
        self.bits: Counter[int] = Counter()
        self.palettes: dict[int, set[Color]] = {}
        self.colors: Counter[Color] = Counter()
        self.wide: set[int] = set()
        self.wide_labels = 0
        self.masks: list[int] = []
        self.has_void = False
        self.turned: list[int] = []
        self.half_decoded: dict[int, str] = {}
        self.doubtful: list[int] = []

    @property
    def is_usable(self) -> bool:
        """Whether training (or evaluation) with it would be right."""
        return not self.problems

    def add(self, facts: PairFacts) -> None:
        """Count one pair."""
        self.problems += facts.problems
        self.jpeg_labels += any(problem.kind == JPEG_LABEL for problem in facts.problems)
        self.raw += facts.raw
        self.bad += facts.bad
        self.flat += facts.flat
        valid = int(facts.classes.sum())
        present = facts.classes > 0
        self.class_pixels += facts.classes
        self.class_images += present
        self.class_context += np.where(present, valid, 0)
        self.ignored += int(facts.raw.sum() - facts.bad.sum()) - valid
        self.present[facts.index], self.drawable[facts.index] = present, facts.is_drawable
        if facts.image_size is not None:
            self.sizes[facts.image_size] += 1
            self.bits[facts.bits] += 1
        for value, color in facts.palette.items():
            self.palettes.setdefault(value, set()).add(color)
        self.colors += facts.colors
        self.color_labels += bool(facts.colors)
        self.wide.update(facts.wide)
        self.wide_labels += bool(facts.wide)
        if facts.decoder_warnings and facts.image_size is not None:
            self.half_decoded[facts.index] = facts.decoder_warnings[0]
        self.turned += [facts.index] * facts.is_turned
        self.doubtful += [facts.index] * facts.is_doubtful
        if facts.raw[255]:
            others = np.flatnonzero(facts.raw[:255]).tolist()
            if others == [0]:
                self.masks.append(facts.index)
            self.has_void |= others not in ([], [0])

    def class_weights(self) -> list[float]:
        """Return a weight for each class by median frequency; see `median_frequency`."""
        weights = median_frequency(self.class_pixels, self.class_context)
        return [float(f"{weight:.4g}") for weight in weights]

    def chosen(self, count: int) -> list[int]:
        """Return up to `count` drawable pairs, ordered, that show as many classes as possible.

        Of those whose orientation is doubtful, one is among them.
        """
        left, missing = self.drawable.copy(), self.class_pixels > 0
        picked = [index for index in self.doubtful if left[index]][: min(count, 1)]
        for index in picked:
            left[index], missing = False, missing & ~self.present[index]
        while len(picked) < count and left.any():
            gains = np.where(left, (self.present & missing).sum(axis=1), -1)
            if gains.max() > 0:
                best = int(gains.argmax())
            else:  # all classes are shown: go on with what lies farthest from those shown
                rest = np.flatnonzero(left)
                apart = np.abs(rest[:, None] - np.array(picked or [-len(left)])).min(axis=1)
                best = int(rest[apart.argmax()])
            picked.append(best)
            left[best] = False
            missing &= ~self.present[best]
        return sorted(picked)
