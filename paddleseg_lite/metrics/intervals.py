"""The IoU of each class with the interval in which it would lie for other images of the same kind."""

from __future__ import annotations

from typing import Any

import numpy as np

from paddleseg_lite.metrics.bootstrap import RESAMPLES, SEED, images_of_classes, interval, resampled
from paddleseg_lite.metrics.counting import LABELLED, class_counts, confusion_by_band
from paddleseg_lite.metrics.metric import Metric, Observation
from paddleseg_lite.metrics.scores import MEANS, class_iou, known_mean, means, plain
from paddleseg_lite.printable import printable

_LEVEL = 0.95


class Intervals(Metric):
    """IoU with its 95 % interval, by a bootstrap over images; also keeps what each image contributes.

    Attributes:
        images: {index: (path, counts)}; counts are int32 [3, K]: of each class the pixels that are right,
            labelled and predicted.
    """

    name = "intervals"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.images: dict[int, tuple[str, np.ndarray]] = {}

    def update(self, seen: Observation) -> None:
        confusion = confusion_by_band(seen, len(self.classes), self.ignore_index).sum(axis=0)
        self.images[seen.index] = seen.path, class_counts(confusion).astype(np.int32)

    def merge(self, other: Intervals) -> None:
        self.images.update(other.images)

    def counts(self) -> np.ndarray:
        """Return the counts of all images, [N, 3, K] int32, in the data set's order."""
        rows = [self.images[index][1] for index in sorted(self.images)]
        return np.array(rows, np.int32).reshape(-1, 3, len(self.classes))

    def result(self) -> dict[str, Any]:
        """Return `miou` and the other means, `class_iou` and, for each image, its own mIoU and counts."""
        counts = self.counts()
        whole, sets = counts.sum(axis=0, dtype=np.int64), resampled(counts)
        of_all, of_sets = means(whole), means(sets)
        with_labels = int((counts[:, LABELLED] > 0).any(axis=1).sum())
        rows = zip(self.classes, class_iou(whole), class_iou(sets).T, images_of_classes(counts).tolist())
        of_images = known_mean(class_iou(counts)).tolist()
        images = [
            {"index": index, "path": path, "miou": plain(miou)}
            | dict(zip(("right", "labelled", "predicted"), own.tolist()))
            for (index, (path, own)), miou in zip(sorted(self.images.items()), of_images)
        ]
        return {
            "level": _LEVEL,
            "resamples": RESAMPLES,
            "seed": SEED,
            **{key: _entry(float(of_all[key]), of_sets[key], with_labels) for key in MEANS},
            "class_iou": {name: _entry(*row) for name, *row in rows},
            "images": images,
        }

    def lines(self) -> list[str]:
        result = self.result()
        rows = {"mIoU": result["miou"], **result["class_iou"]}
        width = max(map(len, map(printable, rows)))
        title = f"IoU, and where 95 % of {RESAMPLES} sets of images drawn from these lie (seed {SEED}):"
        return [title, *(f"{printable(name):<{width}}  {_text(row)}" for name, row in rows.items())]


def _entry(value: float, samples: np.ndarray, images: int) -> dict[str, float | None]:
    low, high = interval(samples, images, _LEVEL)
    return {"value": plain(value), "low": plain(low), "high": plain(high)}


def _text(row: dict[str, float | None]) -> str:
    if row["value"] is None:
        return "     -"
    if row["low"] is None:
        return f"{row['value']:.4f}  of one image"
    return f"{row['value']:.4f}  [{row['low']:.4f}, {row['high']:.4f}]"
