"""Which images a report shows, and which places of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from paddleseg_lite.report.gallery import Gallery

_ZOOM = 3  # a crop is as much smaller than its image
_SMALLEST = 64  # side of a crop, in pixels


def worst_median_best(scores: Mapping[int, float | None], count: int) -> dict[str, list[int]]:
    """Return images by their scores, `count` of each kind, and none of them twice.

    Args:
        scores: {index: the image's mIoU, or None where nothing of it counts}; those are left out.
        count: of each kind.

    Returns:
        {"worst", "median", "best": indices}, the worst ones first, of the best the best ones first.
    """
    known = {index: score for index, score in scores.items() if score is not None}
    order = sorted(known, key=lambda index: (known[index], index))
    worst = order[:count]
    best = order[max(len(order) - count, len(worst)) :][::-1]
    rest = order[len(worst) : len(order) - len(best)]
    first = max(0, (len(rest) - count) // 2)
    return {"worst": worst, "median": rest[first : first + count], "best": best}


@dataclass(frozen=True)
class Confusion:
    """Pixels of one class that were taken for another one.

    Attributes:
        share: of the class's pixels.
        pixels: how many.
        images: indices of those with the most of them.
    """

    truth: int
    prediction: int
    share: float
    pixels: int
    images: tuple[int, ...] = ()


def worst_confusions(confusion: np.ndarray, gallery: Gallery, count: int, images: int) -> list[Confusion]:
    """Return the pairs of classes with the largest share of wrong pixels, the largest first.

    Args:
        confusion: [K, K] whole numbers, rows truth.
        gallery: where to look for images.
        count: how many pairs.
        images: how many images of each.
    """
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(shares, 0)
    found = []
    for place in np.argsort(-shares, axis=None, kind="stable")[:count]:
        truth, prediction = divmod(int(place), len(confusion))
        if shares[truth, prediction] > 0:
            shown = _with_most(gallery, int(place), images)
            pixels = int(confusion[truth, prediction])
            found.append(Confusion(truth, prediction, float(shares[truth, prediction]), pixels, shown))
    return found


def _with_most(gallery: Gallery, pair: int, count: int) -> tuple[int, ...]:
    """Return the images with the most pixels of a pair, as `Kept.confused` names it."""
    found = [(-kept.confused[pair], index) for index, kept in gallery.images.items() if pair in kept.confused]
    return tuple(index for _, index in sorted(found)[:count])


def densest_window(mask: np.ndarray) -> tuple[slice, slice]:
    """Return the part of a mask, bool [H, W], with the most of it: a third as high and wide."""
    height, width = (min(side, max(side // _ZOOM, _SMALLEST)) for side in mask.shape)
    around = cv2.boxFilter(
        mask.astype(np.float32), -1, (width, height), normalize=False, borderType=cv2.BORDER_CONSTANT
    )
    center = np.unravel_index(int(around.argmax()), mask.shape)
    top, left = (
        int(np.clip(middle - side // 2, 0, whole - side))
        for middle, side, whole in zip(center, (height, width), mask.shape)
    )
    return slice(top, top + height), slice(left, left + width)


def same_part(picture: np.ndarray, part: tuple[slice, slice], shape: Sequence[int]) -> np.ndarray:
    """Return of a picture [H, W, C] what `part` is of a smaller map of it, whose shape is given."""
    bounds = []
    for own, whole, small in zip(part, picture.shape, shape):
        start, stop, _ = own.indices(small)
        bounds.append(slice(start * whole // small, -(-stop * whole // small)))
    return picture[tuple(bounds)]
