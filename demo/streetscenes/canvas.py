"""The canvas: an image and its label map, painted by the same strokes.

A scene is some two thousand small polygons: the number of Python and NumPy calls counts, not that of pixels.
Strokes are therefore collected, projected and shaded all at once, and only then drawn, in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from demo.streetscenes.geometry import NEAR, UP, Camera, Color, Light

_BITS = 4  # cv2 draws with 1/16 pixel precision
_ONE = 1 << _BITS


class _Stroke(NamedTuple):
    """N polygons of K corners in one color."""

    points: np.ndarray  # world [N, K, 3]
    albedo: Color | None  # None: label only
    label: int | None  # None: paint only
    normal: Color | None  # None: that of the polygons' own plane
    hole: bool = False  # the second polygon is a hole in the first
    disjoint: bool = False


def clip_near(projected: np.ndarray) -> np.ndarray:
    """The part of a polygon [K, 3] (homogeneous pixels) beyond NEAR: [M, 3], M = 0 when nothing is."""
    out = []
    for a, b in zip(projected, np.roll(projected, -1, axis=0)):
        if a[2] >= NEAR:
            out.append(a)
        if (a[2] >= NEAR) != (b[2] >= NEAR):
            out.append(a + (b - a) * ((NEAR - a[2]) / (b[2] - a[2])))
    return np.array(out).reshape(-1, 3)


class Canvas:
    """An RGB image and its label map, filled together so that they always agree.

    Attributes:
        image: uint8 [H, W, 3]; label: uint8 [H, W]. Both show what was drawn up to the last `flush`.
    """

    def __init__(self, camera: Camera, light: Light) -> None:
        self.camera, self.light = camera, light
        self.image = np.zeros((camera.height, camera.width, 3), np.uint8)
        self.label = np.zeros((camera.height, camera.width), np.uint8)
        self._strokes: list[_Stroke] = []

    def fill(
        self,
        points: np.ndarray,
        albedo: Color,
        label: int | None,
        normal: Color | None = None,
        disjoint: bool = False,
    ) -> None:
        """Fill world polygons that share one color and one normal.

        Args:
            points: [N, K, 3] or [K, 3], metres.
            albedo: RGB 0..1.
            label: class id, or None to paint only (a detail upon something already labelled).
            normal: unit vector that overrides the polygons' own.
            disjoint: draw all polygons in one call, which is faster; where two overlap, nothing is drawn.
        """
        points = points[None] if points.ndim == 2 else points
        if len(points):
            self._strokes.append(_Stroke(points, albedo, label, normal, disjoint=disjoint))

    def ring(self, outer: np.ndarray, inner: np.ndarray, albedo: Color, label: int) -> None:
        """Paint the area between two polygons [K, 3]; the label covers the hole as well, as annotators do."""
        self._strokes.append(_Stroke(np.stack([outer, inner]), albedo, label, None, hole=True))

    def mark(self, points: np.ndarray, label: int) -> None:
        """Label world polygons [N, K, 3] without painting them (what is seen through a fence)."""
        self._strokes.append(_Stroke(points, None, label, UP))

    def faces(self, normal: Color, point: Sequence[float] | np.ndarray) -> bool:
        """Whether a surface with this outward normal through this point shows its outside to the camera."""
        ex, ey, ez = self.camera.eye
        x, y, z = point
        return bool(normal[0] * (ex - x) + normal[1] * (ey - y) + normal[2] * (ez - z) > 0)

    def flush(self) -> None:
        """Draw the strokes collected so far."""
        strokes, self._strokes = self._strokes, []
        if not strokes:
            return
        colors = self._colors(strokes)
        counts = np.repeat([s.points.shape[1] for s in strokes], [len(s.points) for s in strokes])
        starts = np.concatenate([[0], np.cumsum(counts)])
        projected = self.camera.project(np.concatenate([s.points.reshape(-1, 3) for s in strokes]))
        flat = projected[:, :2] / np.maximum(projected[:, 2:], NEAR)
        fixed = np.rint(flat * _ONE).astype(np.int32)
        whole = np.minimum.reduceat(projected[:, 2], starts[:-1]) >= NEAR
        low, high = np.minimum.reduceat(flat, starts[:-1]), np.maximum.reduceat(flat, starts[:-1])
        inside = ((high >= 0) & (low < (self.camera.width, self.camera.height))).all(axis=1)
        inside &= (high - low).max(axis=1) > 0.7  # far windows and bricks are smaller than a pixel
        state = np.where(whole, np.where(inside, 1, 0), 2).tolist()  # 0: unseen, 1: seen, 2: to be clipped
        bounds, k = starts.tolist(), 0
        for stroke, color in zip(strokes, colors):
            polygons = []
            for j in range(k, k + len(stroke.points)):
                if state[j] == 1:
                    polygons.append(fixed[bounds[j] : bounds[j + 1]])
                elif state[j] == 2:
                    part = clip_near(projected[bounds[j] : bounds[j + 1]])
                    if len(part) >= 3:
                        polygons.append(_fixed(part))
            k += len(stroke.points)
            self._draw(stroke, color, polygons)

    def _colors(self, strokes: list[_Stroke]) -> list[tuple[float, float, float]]:
        """The shaded color (0..255) of each stroke, judged by its middle polygon."""
        eye = np.array(self.camera.eye)
        corners = np.stack([s.points[len(s.points) // 2, :3] for s in strokes])
        own = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        own /= np.linalg.norm(own, axis=1, keepdims=True) + 1e-9
        own *= np.where(((eye - corners[:, 0]) * own).sum(axis=1, keepdims=True) < 0, -1.0, 1.0)
        given = np.array([s.normal or (np.nan, 0, 0) for s in strokes])
        normals = np.where(np.isnan(given[:, :1]), own, given)
        # A quadrangle's middle; the near end of a long strip, whose haze is added elsewhere.
        opposite = np.array([s.points.shape[1] == 4 for s in strokes])[:, None]
        place = np.where(opposite, (corners[:, 0] + corners[:, 2]) / 2, corners[:, 0])
        distances = np.linalg.norm(place - eye, axis=1)
        return self.light.shade([s.albedo or (0, 0, 0) for s in strokes], normals, distances).tolist()

    def _draw(self, stroke: _Stroke, color: Sequence[float], polygons: list[np.ndarray]) -> None:
        if stroke.hole:
            if len(polygons) == 2:
                cv2.fillPoly(self.image, polygons, color, cv2.LINE_AA, _BITS)
                cv2.fillPoly(self.label, polygons[:1], stroke.label or 0, cv2.LINE_8, _BITS)
            return
        # In a common call, overlaps would cancel out.
        for group in [polygons] if stroke.disjoint and polygons else [[polygon] for polygon in polygons]:
            if stroke.albedo is not None:
                cv2.fillPoly(self.image, group, color, cv2.LINE_AA, _BITS)
            if stroke.label is not None:
                cv2.fillPoly(self.label, group, stroke.label, cv2.LINE_8, _BITS)


def _fixed(projected: np.ndarray) -> np.ndarray:
    """Homogeneous pixels [K, 3] -> fixed-point pixels [K, 2] int32."""
    return np.rint(projected[:, :2] / projected[:, 2:] * _ONE).astype(np.int32)
