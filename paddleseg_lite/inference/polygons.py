"""Masks as polygons: outlines with holes, and labelme's shapes, which a person can correct.

A region is what hangs together by sides of its pixels, not by corners alone: so of two regions, one lies
wholly in a hole of the other, or neither does. Points are centers of pixels, [x, y], counted from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

MIN_PIXELS = 16  # regions of fewer are specks, which polygons leave out; told by predict.py --help
_TOLERANCE = 1.0  # pixels that a line to be corrected may be off: a point at each pixel could not be moved
_EDGE = 2  # pixels, by which regions grow under those that are drawn later
_POLYGON = 3  # points that one has at least
_THIN = 0.4  # pixels, the width of one pixel's row or column: rounded, no other pixel is in it
LABELME = "5.5.0"  # the version whose files these are


@dataclass(frozen=True)
class Region:
    """Pixels of one class that hang together.

    Attributes:
        class_id: the class.
        pixels: how many.
        outline: int32 [n, 2], [x, y] of its pixels along its outer border; straight runs by their ends.
        holes: the same of its pixels around each hole.
    """

    class_id: int
    pixels: int
    outline: np.ndarray
    holes: tuple[np.ndarray, ...] = ()


def regions(mask: np.ndarray, min_pixels: int = MIN_PIXELS) -> list[Region]:
    """Return the regions of a mask, class by class.

    Args:
        mask: class ids, uint8 [H, W].
        min_pixels: regions of fewer pixels are left out.
    """
    found = []
    for class_id, part, (left, top), pixels in _parts(mask, min_pixels):
        contours, (hierarchy,) = cv2.findContours(
            part, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE, offset=(left, top)
        )
        outline, *holes = sorted(zip(contours, hierarchy), key=lambda pair: pair[1][3])  # -1: has no parent
        lines = tuple(points[:, 0] for points, _ in (outline, *holes))
        found.append(Region(class_id, pixels, lines[0], lines[1:]))
    return found


def labelme_shapes(mask: np.ndarray, classes: Sequence[str]) -> list[dict]:
    """Return labelme's shapes of a mask: drawn one over the other, they give it again up to border pixels.

    Lines are at most a pixel off, so that they have few points to move. What is in a hole is drawn later.
    Regions of fewer than MIN_PIXELS pixels take the class of the nearest larger one.

    Args:
        mask: class ids, uint8 [H, W].
        classes: K names.
    """
    last = np.array(mask.shape[::-1]) - 1
    # Beyond the image's edge, where points are put back to it, lines may be off without leaving gaps.
    mask = np.pad(_without_specks(mask, MIN_PIXELS), _EDGE, mode="edge")
    parts = sorted(_parts(mask, 1), key=lambda part: -_area(part[1]))
    order = np.zeros(mask.shape, np.int32)
    for number, (_, part, (left, top), _) in enumerate(parts):
        order[top : top + part.shape[0], left : left + part.shape[1]][part > 0] = number
    shapes = []
    for number, (class_id, part, (left, top), _) in enumerate(parts):
        points = _with_area((_grown_outline(part, left, top, order, number) - _EDGE).clip(0, last))
        name = classes[class_id] if class_id < len(classes) else f"class {class_id}"
        shapes.append(
            {
                "label": name,
                "points": points.tolist(),
                "group_id": None,
                "description": "",
                "shape_type": "polygon",
                "flags": {},
                "mask": None,
            }
        )
    return shapes


def labelme_file(
    shapes: list[dict], image_path: str, size: tuple[int, int], classes: Sequence[str] = ()
) -> dict:
    """Return the content of a labelme file.

    Args:
        shapes: as of `labelme_shapes`.
        image_path: relative to the file's folder, with "/"; labelme opens that image.
        size: (height, width).
        classes: all names, of which some may have no shape: who reads the file back has the same ids then.
    """
    return {
        "version": LABELME,
        "flags": {},
        "shapes": shapes,
        "imagePath": image_path,
        "imageData": None,
        "imageHeight": size[0],
        "imageWidth": size[1],
        "classes": list(classes),  # labelme keeps what it does not know
    }


def _parts(mask: np.ndarray, min_pixels: int) -> list[tuple[int, np.ndarray, tuple[int, int], int]]:
    """Return (class, uint8 [h, w] of its box, (left, top), pixels) of each region."""
    found = []
    for class_id in np.flatnonzero(np.bincount(mask.ravel(), minlength=256)):
        of_class = (mask == class_id).view(np.uint8)
        count, numbers, stats, _ = cv2.connectedComponentsWithStats(of_class, connectivity=4)
        for number in range(1, count):
            left, top, width, height, pixels = stats[number].tolist()
            if pixels >= min_pixels:
                part = (numbers[top : top + height, left : left + width] == number).view(np.uint8)
                found.append((int(class_id), part, (left, top), pixels))
    return found


def _without_specks(mask: np.ndarray, min_pixels: int) -> np.ndarray:
    """Return a mask whose small regions have the class of the nearest pixel of a larger one."""
    is_speck = np.ones(mask.shape, np.uint8)
    for _, part, (left, top), _ in _parts(mask, min_pixels):
        is_speck[top : top + part.shape[0], left : left + part.shape[1]][part > 0] = 0
    if not is_speck.any() or is_speck.all():  # all: an image that is smaller than a speck
        return mask
    _, nearest = cv2.distanceTransformWithLabels(is_speck, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    class_of = np.zeros(nearest.max() + 1, np.uint8)
    class_of[nearest[is_speck == 0]] = mask[is_speck == 0]
    return class_of[nearest]


def _area(part: np.ndarray) -> float:
    """Return the area within a region's outline: what encloses another has more."""
    contours, _ = cv2.findContours(part, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return cv2.contourArea(contours[0])


def _grown_outline(part: np.ndarray, left: int, top: int, order: np.ndarray, number: int) -> np.ndarray:
    """Return the simplified outline of a region, grown under those drawn later: lines leave no gaps then."""
    (height, width), window = part.shape, np.ones((2 * _EDGE + 1,) * 2, np.uint8)
    y, x = max(top - _EDGE, 0), max(left - _EDGE, 0)
    place = order[y : top + height + _EDGE, x : left + width + _EDGE]
    padded = np.zeros(place.shape, np.uint8)
    padded[top - y : top - y + height, left - x : left - x + width] = part
    grown = cv2.dilate(padded, window) & ((place > number) | (padded > 0)).view(np.uint8)
    contours, _ = cv2.findContours(grown, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(x, y))
    # The others are growth around a corner.
    outline = max(contours, key=lambda points: cv2.contourArea(points))
    points = cv2.approxPolyDP(outline, _TOLERANCE, closed=True)[:, 0]
    missing = _POLYGON - len(points)  # of a line one pixel wide, which has two ends
    return np.concatenate([points, points[-1:].repeat(missing, axis=0)]) if missing > 0 else points


def _with_area(points: np.ndarray) -> np.ndarray:
    """Return a row or column of pixels as a thin rectangle: who reads shapes takes none without an area."""
    low, high = points.min(0), points.max(0)
    if (low < high).all():
        return points
    right, bottom = np.where(low < high, high, low + _THIN)
    return np.array([low, [right, low[1]], [right, bottom], [low[0], bottom]])
