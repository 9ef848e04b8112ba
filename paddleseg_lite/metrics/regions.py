"""IoU in parts of the images: in bands of rows, near the borders of classes, of objects by their size."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import cv2
import numpy as np

from paddleseg_lite.metrics.components import run_lengths, sized_runs
from paddleseg_lite.metrics.counting import (
    BANDS,
    LABELLED,
    PREDICTED,
    RIGHT,
    class_counts,
    confusion_by_band,
    confusion_by_region,
    valid_pixels,
)
from paddleseg_lite.metrics.metric import Metric, Observation
from paddleseg_lite.metrics.scores import class_iou, known_mean, plain
from paddleseg_lite.metrics.text import columns


class IoUByRegion(Metric):
    """IoU of each class in each of some regions of all images.

    Attributes:
        regions: names of the regions.
        counts: [regions, 3, K] int64: pixels that are right, labelled and predicted.
    """

    title: ClassVar[str]
    regions: ClassVar[tuple[str, ...]]

    def __init__(self, classes: Sequence[str], ignore_index: int = 255) -> None:
        super().__init__(classes, ignore_index)
        self.counts = np.zeros((len(self.regions), 3, len(self.classes)), np.int64)

    @abstractmethod
    def counts_of(self, seen: Observation) -> np.ndarray:
        """Return the `counts` of an image."""

    def update(self, seen: Observation) -> None:
        self.counts += self.counts_of(seen)

    def merge(self, other: IoUByRegion) -> None:
        self.counts += other.counts

    def result(self) -> dict[str, Any]:
        """Return `regions`, and for each of them `miou`, `class_iou` and the labelled `class_pixels`."""
        iou = class_iou(self.counts)
        values = zip(self.classes, iou.T, self.counts[:, LABELLED].T)
        of_classes = {name: (list(map(plain, ious)), pixels.tolist()) for name, ious, pixels in values}
        return {
            "regions": list(self.regions),
            "miou": list(map(plain, known_mean(iou))),
            "class_iou": {name: ious for name, (ious, _) in of_classes.items()},
            "class_pixels": {name: pixels for name, (_, pixels) in of_classes.items()},
        }

    def lines(self) -> list[str]:
        result = self.result()
        return columns(self.title, self.regions, {"mIoU": result["miou"], **result["class_iou"]})


class IoUByRow(IoUByRegion):
    """IoU in ten bands of rows, from the top of the image to its bottom, of equal height but for rounding."""

    name = "rows"
    title = "IoU by row of the image, from top to bottom"
    regions = tuple(f"{100 * band // BANDS}-{100 * (band + 1) // BANDS}%" for band in range(BANDS))

    def counts_of(self, seen: Observation) -> np.ndarray:
        return class_counts(confusion_by_band(seen, len(self.classes), self.ignore_index))


class TrimapIoU(IoUByRegion):
    """IoU within bands along the borders between labelled classes (Kohli et al. 2009, "trimap").

    A border's pixels are those that touch, also at a corner, a pixel of another class, neither of them
    ignored. The band of width w has the valid pixels that are less than w rows and columns away from one.
    """

    name = "trimap"
    widths = (1, 2, 4, 8, 16, 32)
    title = "IoU near the borders of labelled classes, by the band's width on each side in pixels"
    regions = tuple(map(str, widths))

    def counts_of(self, seen: Observation) -> np.ndarray:
        band: np.ndarray = border_pixels(seen.label, valid_pixels(seen, self.ignore_index)).view(np.uint8)
        bands, reach = np.zeros(seen.label.shape, np.uint8), 1  # in how many bands a pixel is
        for width in self.widths:
            if width > reach:
                band = cv2.dilate(band, _square(width - reach))
            bands += band
            reach = width
        most = len(self.widths)
        confusion = confusion_by_region(seen, len(self.classes), self.ignore_index, bands, most + 1)
        counts = class_counts(confusion)
        return counts[::-1].cumsum(axis=0)[:most]  # a pixel in the narrowest band is in all


class IoUBySize(IoUByRegion):
    """IoU by the size of objects, which are the connected parts of a class, also by corners, in the label.

    What was found and missed counts at the labelled object's size, what was predicted wrongly at the size of
    the predicted part that it belongs to. Sizes are COCO's, in pixels of the image: below 32 x 32, below
    96 x 96, and above.
    """

    name = "size"
    bounds = (32**2, 96**2)
    title = "IoU by the size of objects: below 32x32 pixels, below 96x96, larger"
    regions = ("small", "medium", "large")

    def counts_of(self, seen: Observation) -> np.ndarray:
        valid = valid_pixels(seen, self.ignore_index)
        # No object goes on where it is not seen.
        maps = (seen.label, np.where(valid, seen.prediction, np.int16(-1)))
        runs = [sized_runs(ids) for ids in maps]
        # Between two starts of either kind neither map changes. What starts in both has one of no pixels.
        starts = np.sort(np.concatenate([own for own, _ in runs]), kind="stable")
        lengths = run_lengths(starts, valid.size)
        is_seen = valid.reshape(-1)[starts]
        starts, lengths = starts[is_seen], lengths[is_seen]
        label, guess = (ids.reshape(-1)[starts] for ids in maps)
        truth_bins, guess_bins = (
            np.digitize(sizes[np.searchsorted(own, starts, side="right") - 1], self.bounds)
            for own, sizes in runs
        )
        counts = np.empty_like(self.counts)
        for part, bins, ids, where in (
            (RIGHT, truth_bins, label, label == guess),
            (LABELLED, truth_bins, label, slice(None)),
            (PREDICTED, guess_bins, guess, label != guess),
        ):
            cells = bins[where] * len(self.classes) + ids[where]
            found = np.bincount(cells, lengths[where], counts[:, part].size)
            counts[:, part] = found.reshape(-1, len(self.classes))
        counts[:, PREDICTED] += counts[:, RIGHT]
        return counts


class BoundaryIoU(IoUByRegion):
    """Boundary IoU (Cheng et al. 2021, eq. 3) of each class: IoU of its contours' insides.

    Of a class's mask, in truth and prediction alike, those pixels count that are at most d rows and columns
    away from a pixel that does not belong to it, beyond the image's edges too. d is 2 % of the image's
    diagonal, rounded, at least 1. Pixels that the label ignores belong to no mask.
    """

    name = "boundary"
    ratio = 0.02
    title = "boundary IoU, width 2 % of the image's diagonal"
    regions = ("",)

    def counts_of(self, seen: Observation) -> np.ndarray:
        width = max(1, round(self.ratio * float(np.hypot(*seen.label.shape))))
        valid = valid_pixels(seen, self.ignore_index).view(np.uint8)
        inner = cv2.erode(valid, _TOUCHING, borderType=cv2.BORDER_CONSTANT, borderValue=0)
        truth, guess = (contour_pixels(ids, inner, width) for ids in (seen.label, seen.prediction))
        regions = truth + 2 * guess  # of 4: in neither contour, in the truth's, in the prediction's, in both
        parts = confusion_by_region(seen, len(self.classes), self.ignore_index, regions, 4)
        counts = np.empty_like(self.counts)
        for kind, of_parts in ((RIGHT, [3]), (LABELLED, [1, 3]), (PREDICTED, [2, 3])):
            counts[0, kind] = class_counts(parts[of_parts].sum(axis=0))[kind]
        return counts

    def result(self) -> dict[str, Any]:
        """Return `width`, the ratio, `miou` and `class_iou`."""
        whole = super().result()
        of_classes = {name: values[0] for name, values in whole["class_iou"].items()}
        return {"width": self.ratio, "miou": whole["miou"][0], "class_iou": of_classes}

    def lines(self) -> list[str]:
        result = self.result()
        rows = {name: [value] for name, value in {"mIoU": result["miou"], **result["class_iou"]}.items()}
        return columns(self.title, self.regions, rows)


def border_pixels(ids: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Return where a valid pixel touches a valid one with another id, bool [H, W]; ids are uint8."""
    # What is ignored must win neither the maximum nor the minimum of a neighbourhood.
    highest = cv2.dilate(np.where(valid, ids, np.uint8(0)), _TOUCHING)
    lowest = cv2.erode(np.where(valid, ids, np.uint8(255)), _TOUCHING)
    return (highest != lowest) & valid


def contour_pixels(ids: np.ndarray, inner: np.ndarray, width: int) -> np.ndarray:
    """Return where a pixel has one of another id, an ignored one or the edge within `width`.

    Args:
        ids: uint8 [H, W].
        inner: uint8 [H, W], 0 for pixels that are or touch an ignored one or the image's edge.
        width: in rows and columns.

    Returns:
        uint8 [H, W], 0 or 1; of ignored pixels either.
    """
    near = (cv2.dilate(ids, _TOUCHING) != cv2.erode(ids, _TOUCHING)) | (inner == 0)
    # On the way to another id the last pixel of the own one is a step nearer. A sum, which stops at 255,
    # takes half of a dilation's time.
    window = (2 * width - 1, 2 * width - 1)
    border = cv2.BORDER_CONSTANT
    found = cv2.boxFilter(near.view(np.uint8), -1, window, normalize=False, borderType=border)
    return (found != 0).view(np.uint8)


def _square(reach: int) -> np.ndarray:
    return np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)


_TOUCHING = _square(1)
