"""The scores of Cityscapes' benchmark, as its own tool has them: IoU and iIoU of classes and categories."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from paddleseg_lite.datasets.cityscapes import EVALUATED_LABEL_IDS, LABEL_IDS_SUFFIX, TRAIN_IDS_SUFFIX
from paddleseg_lite.datasets.cityscapes_labels import (
    CATEGORIES,
    LABEL_NAMES,
    MEAN_INSTANCE_PIXELS,
    to_label_ids,
)
from paddleseg_lite.datasets.reading.images import read_label, read_stored_label
from paddleseg_lite.errors import UserError
from paddleseg_lite.metrics import Metric, Observation, confusion_matrix
from paddleseg_lite.metrics.scores import known_mean, plain, ratio
from paddleseg_lite.metrics.text import columns

_INSTANCE_SUFFIX = "_gtFine_instanceIds.png"
_LABELS = len(LABEL_NAMES)
_CATEGORY_OF = np.repeat(np.arange(len(CATEGORIES)), [len(ids) for ids in CATEGORIES.values()])
# [34]: the weight of an instance is this by its own pixels; 0 for labels that are not evaluated by instance.
_PIXELS_OF_MEAN = np.array([{name: 0.0, **MEAN_INSTANCE_PIXELS}[name] for name in LABEL_NAMES])
# Of a pixel of an instance: found as its class or missed, found as its category or missed.
_FOUND, _MISSED, _CATEGORY_FOUND, _CATEGORY_MISSED = range(4)


class CityscapesScores(Metric):
    """Counts by labelId, which predictions written with `--save cityscapes` would have.

    The label and instance files are read once more, for what train ids do not tell: what was ignored, and
    which instance a pixel is of. iIoU weighs each instance's pixels by the mean size of its class over its
    own size; it is there if all images have *_gtFine_instanceIds.png.

    Attributes:
        confusion: [34, 34] int64, rows the truth.
        images: {index: (name, pixels ignored, of these such as differ from the prediction)}.
        instances: {index: [4, 34] float64}: weighted pixels of the instances of each label.

    Raises:
        UserError: the classes are not Cityscapes' 19.
    """

    name = "cityscapes"

    def __init__(self, classes: Sequence[str], ignore_index: int = 255) -> None:
        super().__init__(classes, ignore_index)
        evaluated = tuple(LABEL_NAMES[label] for label in EVALUATED_LABEL_IDS)
        if self.classes != evaluated:
            raise UserError(
                f"Cityscapes' scores are of its {len(evaluated)} classes, {evaluated[0]} to {evaluated[-1]}, "
                f"and this data set has {len(self.classes)}, {self.classes[0]} first; leave 'cityscapes' out"
            )
        self.confusion = np.zeros((_LABELS, _LABELS), np.int64)
        self.images: dict[int, tuple[str, int, int]] = {}
        self.instances: dict[int, np.ndarray] = {}

    def update(self, seen: Observation) -> None:
        path = _label_ids_path(seen)
        truth, guess = read_label(path), to_label_ids(seen.prediction)
        if truth.shape != guess.shape or truth.max(initial=0) >= _LABELS:
            raise UserError(
                f"{path} has {truth.shape[1]}x{truth.shape[0]} pixels and ids up to {truth.max(initial=0)}, "
                f"allowed are the prediction's {guess.shape[1]}x{guess.shape[0]} and 0 to {_LABELS - 1}; "
                "Cityscapes' scores are of its own files"
            )
        confusion = confusion_matrix(guess, truth, _LABELS, ignore_index=-1)
        self.confusion += confusion
        ignored = np.delete(confusion, EVALUATED_LABEL_IDS, axis=0)
        same = np.delete(np.diag(confusion), EVALUATED_LABEL_IDS)
        name = f"{Path(path).name.removesuffix(LABEL_IDS_SUFFIX)}_leftImg8bit.png"
        self.images[seen.index] = name, int(ignored.sum()), int(ignored.sum() - same.sum())
        of_instances = f"{path[: -len(LABEL_IDS_SUFFIX)]}{_INSTANCE_SUFFIX}"
        if os.path.isfile(of_instances):
            self.instances[seen.index] = _weighted(read_stored_label(of_instances), guess, of_instances)

    def merge(self, other: CityscapesScores) -> None:
        self.confusion += other.confusion
        self.images.update(other.images)
        self.instances.update(other.instances)

    def result(self) -> dict[str, Any]:
        """Return IoU and iIoU of classes and categories, and their means."""
        scores = {
            "class_iou": self._class_iou(),
            "class_iiou": self._class_iiou(),
            "category_iou": self._category_iou(),
            "category_iiou": self._category_iiou(),
        }
        means = {f"mean_{key}": plain(_mean(values)) for key, values in scores.items()}
        return {**means, **{key: _plain_values(values) for key, values in scores.items()}}

    def lines(self) -> list[str]:
        result = self.result()
        tables = []
        for kind in ("class", "category"):
            iou, iiou = result[f"{kind}_iou"], result[f"{kind}_iiou"]
            rows = {name: [iou[name], iiou[name]] for name in iou if name not in _NOT_SHOWN}
            rows["mean"] = [result[f"mean_{kind}_iou"], result[f"mean_{kind}_iiou"]]
            tables += columns(f"Cityscapes' scores by {kind}", ("IoU", "iIoU"), rows)
        if not self._has_instances() and self.images:
            lacking = len(self.images) - len(self.instances)
            tables.append(f"no iIoU: {lacking} of {len(self.images)} images have no *{_INSTANCE_SUFFIX}")
        return tables

    def as_cityscapes(self) -> str:
        """Return the content of resultPixelLevelSemanticLabeling.json, as the benchmark's tool writes it.

        Numbers that do not exist are NaN in it, which JSON proper does not have. `perImageScores` has what
        the tool writes with `evalPixelAccuracy`, which are, whatever their names, the pixels that the label
        ignores, and those of them with another id than the prediction's.
        """
        scores = {
            "Classes": ("classScores", self._class_iou()),
            "InstClasses": ("classInstScores", self._class_iiou()),
            "Categories": ("categoryScores", self._category_iou()),
            "InstCategories": ("categoryInstScores", self._category_iiou()),
        }
        priors = ratio(self.confusion.sum(axis=1), np.full(_LABELS, self.confusion.sum()))
        content = {
            "confMatrix": self.confusion.tolist(),
            "labels": {name: label for label, name in enumerate(LABEL_NAMES)},
            "priors": dict(zip(LABEL_NAMES, priors.tolist())),
            **dict(scores.values()),
            **{f"averageScore{mean}": _mean(values) for mean, (_, values) in scores.items()},
            "perImageScores": {
                name: {"nbNotIgnoredPixels": ignored, "nbCorrectPixels": differing}
                for _, (name, ignored, differing) in sorted(self.images.items())
            },
        }
        return json.dumps(content, sort_keys=True, indent=4)

    def _has_instances(self) -> bool:
        return len(self.instances) == len(self.images)

    def _instances(self) -> np.ndarray:
        """Return the sum over images, [4, 34]; NaN if some have no instances."""
        if not self._has_instances():
            return np.full((4, _LABELS), np.nan)
        return sum((self.instances[index] for index in sorted(self.instances)), np.zeros((4, _LABELS)))

    def _counted(self, columns: Iterable[int]) -> tuple[int, int, int]:
        """Return the evaluated pixels of some labels: right as any of them, labelled, predicted."""
        columns = [label for label in columns if label in EVALUATED_LABEL_IDS]
        right = int(self.confusion[np.ix_(columns, columns)].sum())
        labelled = int(self.confusion[columns].sum())
        predicted = int(self.confusion[np.ix_(EVALUATED_LABEL_IDS, columns)].sum())
        return right, labelled, predicted

    def _class_iou(self) -> dict[str, float]:
        return {name: _iou(*self._counted([label])) for label, name in enumerate(LABEL_NAMES)}

    def _category_iou(self) -> dict[str, float]:
        return {name: _iou(*self._counted(labels)) for name, labels in CATEGORIES.items()}

    def _class_iiou(self) -> dict[str, float]:
        found, missed, *_ = self._instances()
        return {
            name: self._iiou([label], found[label], missed[label]) if _PIXELS_OF_MEAN[label] else float("nan")
            for label, name in enumerate(LABEL_NAMES)
        }

    def _category_iiou(self) -> dict[str, float]:
        """Only categories all of whose labels have instances have it."""
        *_, found, missed = self._instances()
        return {
            name: self._iiou(labels, found[labels].sum(), missed[labels].sum())
            if name in ("human", "vehicle")
            else float("nan")
            for name, labels in CATEGORIES.items()
        }

    def _iiou(self, labels: Iterable[int], found: float, missed: float) -> float:
        right, _, predicted = self._counted(labels)
        return float(ratio(found, found + missed + (predicted - right)))


_NOT_SHOWN = {"void", *(name for label, name in enumerate(LABEL_NAMES) if label not in EVALUATED_LABEL_IDS)}


def _label_ids_path(seen: Observation) -> str:
    """Return the file with labelIds, beside one with train ids too."""
    path = seen.label_path
    if path.endswith(TRAIN_IDS_SUFFIX):
        path = f"{path[: -len(TRAIN_IDS_SUFFIX)]}{LABEL_IDS_SUFFIX}"
    if not path.endswith(LABEL_IDS_SUFFIX) or not os.path.isfile(path):
        raise UserError(
            f"Cityscapes' scores need labelIds, and for {seen.path} there is no *{LABEL_IDS_SUFFIX}, but "
            f"{seen.label_path}; put it there, or leave 'cityscapes' out"
        )
    return path


def _weighted(instances: np.ndarray, guess: np.ndarray, path: str) -> np.ndarray:
    """Return the weighted pixels of an image's instances, [4, 34]: see CityscapesScores.

    Args:
        instances: [H, W]; labelId * 1000 + number, or a labelId for what has no instances.
        guess: labelIds, uint8 [H, W].
        path: the file of instances, for messages.
    """
    if instances.shape != guess.shape or instances.dtype != np.uint16 or instances.max(initial=0) >= 34_000:
        raise UserError(
            f"{path}: instance ids up to {instances.max(initial=0)}, {instances.dtype}, of shape "
            f"{instances.shape}; allowed are labelId * 1000 + number in a 16-bit PNG of the label's size"
        )
    is_instance = instances >= 1000
    ids, guess = instances[is_instance], guess[is_instance]
    labels = np.arange(34_000) // 1000
    is_right = labels[ids] == guess
    is_near = _CATEGORY_OF[labels[ids]] == _CATEGORY_OF[guess]
    sizes, right, near = (
        np.bincount(found, minlength=34_000) for found in (ids, ids[is_right], ids[is_near])
    )
    weights = ratio(_PIXELS_OF_MEAN[labels], np.maximum(sizes, 1)) * (sizes > 0)
    parts = (right, sizes - right, near, sizes - near)
    return np.stack([np.bincount(labels, weights * part, _LABELS) for part in parts])


def _iou(right: int, labelled: int, predicted: int) -> float:
    return float(ratio(right, labelled + predicted - right))


def _mean(values: Mapping[str, float]) -> float:
    return float(known_mean(np.array(list(values.values()))))


def _plain_values(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: plain(value) for name, value in values.items()}
