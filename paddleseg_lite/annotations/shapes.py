"""Shapes that somebody drew -> labels, painted in their order.

Coordinates are those of annotation tools: a pixel spans from x to x + 1. A pixel that a border passes through
belongs to the shape, as labelme has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from paddleseg_lite.annotations.findings import Notes

_ROUNDING = 1e-6  # pixels, by which computed corners may lie too low
_FAR = 1 << 20  # beyond any image: cv2 counts in 32 bits
_MAX_CORNERS = 720  # of an ellipse


class ShapeError(ValueError):
    """A shape that cannot be understood; says why."""


@dataclass(frozen=True)
class Shape:
    """What somebody drew, and called by a name: an area, a line, or the pixels of a patch."""

    name: str
    points: np.ndarray  # float [N, 2] of x, y: corners; of a patch its upper left one
    width: int = 0  # of a line; 0: the points enclose an area
    patch: np.ndarray | None = None  # bool [h, w]

    def bounds(self) -> tuple[float, float, float, float]:
        """Return the smallest and the largest x and y."""
        (left, top), (right, bottom) = self.points.min(0), self.points.max(0)
        if self.patch is not None:
            right, bottom = left + self.patch.shape[1], top + self.patch.shape[0]
        return left, top, right, bottom

    def is_empty(self) -> bool:
        """Whether it has no area."""
        if self.patch is not None:
            return not self.patch.any()
        return not self.width and (len(self.points) < 3 or np.ptp(self.points, axis=0).min() == 0)

    def is_outside(self, size: tuple[int, int]) -> bool:
        """Whether it reaches out of an image (height, width) by more than a pixel."""
        left, top, right, bottom = self.bounds()
        return left < -1 or top < -1 or right > size[1] + 1 or bottom > size[0] + 1


def points_of(values: Any, least: int = 1) -> np.ndarray:
    """Return points as a file has them, float [N, 2].

    Raises:
        ShapeError: they are something else, or too few.
    """
    try:
        points = np.asarray(values, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ShapeError("its points are no numbers") from error
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise ShapeError("its points are not all x and y")
    if len(points) < least:
        raise ShapeError(f"it has {len(points)} point(s), but needs {least}")
    return points.clip(-_FAR, _FAR)


def box(left: float, top: float, right: float, bottom: float, degrees: float = 0.0) -> np.ndarray:
    """Return the corners of a rectangle, turned clockwise around its center, float [4, 2]."""
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)
    return _turned(corners, ((left + right) / 2, (top + bottom) / 2), degrees)


def ellipse(x: float, y: float, radius_x: float, radius_y: float, degrees: float = 0.0) -> np.ndarray:
    """Return the corners of a polygon for an ellipse, turned clockwise around its center, float [N, 2].

    Raises:
        ShapeError: a radius is infinite.
    """
    size = max(radius_x, radius_y)
    if not np.isfinite(size):
        raise ShapeError("its size is no number")
    corners = 4 * int(np.clip(size, 3, _MAX_CORNERS // 4))  # its outermost points are among them
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    points = np.stack([x + radius_x * np.cos(angles), y + radius_y * np.sin(angles)], axis=1)
    return _turned(points, (x, y), degrees)


def paint(label: np.ndarray, shape: Shape, value: int) -> None:
    """Set the pixels of a shape, as far as they are in the label, int16 [H, W]."""
    if shape.patch is not None:
        _paint_patch(label, shape.patch, shape.points[0], value)
        return
    areas = _areas_of_line(shape.points, shape.width) if shape.width else [shape.points]
    for area in areas:
        cv2.fillPoly(label, [np.floor(area.clip(-_FAR, _FAR) + _ROUNDING).astype(np.int32)], value)


def note_shape(notes: Notes, where: str, shape: Shape, size: tuple[int, int] | None) -> bool:
    """Return whether a shape has an area; note what is odd about it."""
    if shape.is_empty():
        notes.add("empty shape", where)
        return False
    if size is not None and shape.is_outside(size):
        notes.add("outside", where)
    return True


def _turned(points: np.ndarray, center: tuple[float, float], degrees: float) -> np.ndarray:
    angle = np.deg2rad(degrees)
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return (points - center) @ rotation + center if degrees else points


def _areas_of_line(points: np.ndarray, width: float) -> list[np.ndarray]:
    """Return a rectangle for each part of a line, and a disc for each bend; its ends are flat.

    cv2's lines are wider than they are asked to be.
    """
    radius = (width - 1) / 2  # since the pixels of the border belong to it
    areas = [ellipse(float(x), float(y), radius, radius) for x, y in points[1:-1]]
    for start, end in zip(points, points[1:]):
        x, y = end - start
        if length := np.hypot(x, y):
            aside = np.array([-y, x]) / length * radius
            areas.append(np.stack([start + aside, end + aside, end - aside, start - aside]))
    return areas


def _paint_patch(label: np.ndarray, patch: np.ndarray, corner: np.ndarray, value: int) -> None:
    left, top = int(corner[0]), int(corner[1])
    y, x = max(0, -top), max(0, -left)
    seen = patch[y : y + max(0, label.shape[0] - top - y), x : x + max(0, label.shape[1] - left - x)]
    place = label[top + y : top + y + seen.shape[0], left + x : left + x + seen.shape[1]]
    place[seen[: place.shape[0], : place.shape[1]]] = value
