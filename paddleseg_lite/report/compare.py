"""Two evaluations of the same images, compared: what is better, and whether that is more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from paddleseg_lite.errors import UserError
from paddleseg_lite.json_files import NUMBER, read_json
from paddleseg_lite.metrics.bootstrap import images_of_classes, interval, resampled
from paddleseg_lite.metrics.scores import class_iou, known_mean
from paddleseg_lite.printable import counted, printable

_REMEDY = "give what val.py --report or --metrics intervals --json wrote"
_SAME = "evaluate both on the same data"
_OPTIONAL = (NUMBER, type(None))
_COUNTS = ("right", "labelled", "predicted")
_IMAGE = {"index": int, "path": str, "miou": _OPTIONAL, **{name: [int] for name in _COUNTS}}
_SCHEMA = {
    "protocol": {"data": {"classes": [str]}, "weights": {"path": str, "sha256": str}},
    "metrics": {"intervals": {"images": [_IMAGE]}},
}


@dataclass(frozen=True)
class Difference:
    """An IoU in the other evaluation and in this one, with the 95 % interval of the change; NaN for none.

    There is no interval of what only one image has anything of.
    """

    before: float
    after: float
    low: float
    high: float

    @property
    def change(self) -> float:
        return self.after - self.before

    @property
    def exceeds_noise(self) -> bool:
        """Whether the interval lies on one side of 0."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Comparison:
    """What changed from another evaluation to this one.

    Attributes:
        weights: path of the other evaluation's weights, and their hash.
        miou: of the whole set.
        classes: {name: of the class}.
        images: (index, path, mIoU before, mIoU after) of each image that has both.
    """

    weights: tuple[str, str]
    miou: Difference
    classes: dict[str, Difference]
    images: list[tuple[int, str, float, float]]

    def better(self) -> list[tuple[int, str, float, float]]:
        """Return the images that are better, the most so first."""
        return sorted((row for row in self.images if row[3] > row[2]), key=lambda row: row[2] - row[3])

    def worse(self) -> list[tuple[int, str, float, float]]:
        """Return the images that are worse, the most so first."""
        return sorted((row for row in self.images if row[3] < row[2]), key=lambda row: row[3] - row[2])

    def verdict(self) -> str:
        """Say in a sentence whether the whole difference exceeds the noise."""
        whole = self.miou
        if np.isnan(whole.change):
            return "There is nothing to compare."
        text = f"mIoU {whole.before:.4f} -> {whole.after:.4f}, {_signed(whole)}: "
        if np.isnan(whole.low):
            return text + "one image does not tell whether that is chance."
        return text + ("more than chance." if whole.exceeds_noise else "may be chance: 0 is in the interval.")

    def lines(self) -> list[str]:
        """Return the numbers as text for people."""
        width = max(len("class"), *(len(printable(name)) for name in self.classes), 0)
        lines = [f"against {self.weights[0]} (95 % intervals by a paired bootstrap over images):"]
        for name, own in self.classes.items():
            if not np.isnan(own.change):
                mark = " *" if own.exceeds_noise else ""
                row = f"{own.before:.4f} -> {own.after:.4f}  {_signed(own)}{mark}"
                lines.append(f"{printable(name):<{width}}  {row}")
        counts = f"{len(self.better())} better, {len(self.worse())} worse of {len(self.images)}"
        return [*lines, f"images: {counts}", self.verdict()]


def _signed(own: Difference) -> str:
    bounds = "of one image" if np.isnan(own.low) else f"[{own.low:+.4f}, {own.high:+.4f}]"
    return f"{own.change:+.4f} {bounds}"


def read_evaluation(path: Path) -> dict[str, Any]:
    """Return an evaluation that was written as JSON, with what each image contributes.

    Raises:
        UserError: it cannot be read, or has no intervals.
    """
    return read_json(path, _SCHEMA, _REMEDY)


def compare(record: dict[str, Any], other: dict[str, Any], name: str = "--compare") -> Comparison:
    """Compare an evaluation with another one of the same images.

    Args:
        record: protocol, scores and metrics, with intervals among them.
        other: the same, as `read_evaluation` returns it.
        name: of the other, for messages.

    Raises:
        UserError: they are of other images, classes or labels.
    """
    classes = record["protocol"]["data"]["classes"]
    own, others = (what["metrics"]["intervals"]["images"] for what in (record, other))
    check_same_images(other, classes, [image["path"] for image in own], name)
    for old, new in zip(others, own):
        if old["labelled"] != new["labelled"]:
            raise UserError(f"{name} has other labels of {old['path']} than this evaluation; {_SAME}")
    after, before = (_counts(images, len(classes)) for images in (own, others))
    ious = [class_iou(counts.sum(axis=0)) for counts in (before, after)]
    # The same seed draws the same sets of images for both.
    sets = [class_iou(resampled(counts)) for counts in (before, after)]
    both = np.concatenate([before, after], axis=1)
    rows = zip(classes, *(iou.tolist() for iou in ious), (sets[1] - sets[0]).T, images_of_classes(both))
    means = [float(known_mean(iou)) for iou in ious]
    changes, images = known_mean(sets[1]) - known_mean(sets[0]), int(both.any(axis=(1, 2)).sum())
    weights = other["protocol"]["weights"]
    return Comparison(
        weights=(weights["path"], weights["sha256"]),
        miou=Difference(means[0], means[1], *interval(changes, images)),
        classes={name: Difference(old, new, *interval(own, n)) for name, old, new, own, n in rows},
        images=[
            (new["index"], new["path"], old["miou"], new["miou"])
            for old, new in zip(others, own)
            if old["miou"] is not None and new["miou"] is not None
        ],
    )


def check_same_images(
    other: dict[str, Any], classes: Sequence[str], paths: Sequence[str], name: str = "--compare"
) -> None:
    """Check that an evaluation is of the images that another one is or will be of.

    Args:
        other: as `read_evaluation` returns it.
        classes: of the data set.
        paths: of its images; those of one name are the same.
        name: of the other, for messages.

    Raises:
        UserError: it is of other ones.
    """
    known, images = other["protocol"]["data"]["classes"], other["metrics"]["intervals"]["images"]
    if known != list(classes):
        raise UserError(f"{name} has the classes {known}, this evaluation {list(classes)}; {_SAME}")
    if len(images) != len(paths):
        raise UserError(f"{name} has {counted(len(images), 'image')}, this evaluation {len(paths)}; {_SAME}")
    for place, (image, path) in enumerate(zip(images, paths)):
        if any(len(image[key]) != len(known) for key in _COUNTS):
            raise UserError(f"{name} is damaged: {image['path']} has not a count of each class; {_REMEDY}")
        if PurePath(image["path"]).name != PurePath(path).name:
            found = f"at place {place} {name} has {image['path']}, this evaluation {path}"
            raise UserError(f"{found}; {_SAME}")


def _counts(images: list[dict[str, Any]], classes: int) -> np.ndarray:
    """Return [N, 3, K] of the counts of images."""
    rows = [[image[name] for name in _COUNTS] for image in images]
    return np.array(rows, np.int64).reshape(-1, 3, classes)
