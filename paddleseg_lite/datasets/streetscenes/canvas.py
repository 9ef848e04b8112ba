"""The pinhole camera, the light, and the canvas on which everything is drawn.

World axes, in metres: x to the right, y up, z ahead along the road; the ground is y = 0. A colour is RGB in 0..1;
it becomes uint8 when a polygon is filled, after light and haze. A scene is some thousand small polygons, so what
counts here is the number of Python and NumPy calls, not of pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import ArrayLike

Colour = tuple[float, float, float]
NEAR = 0.7  # metres; what is closer is clipped away
_BITS = 4  # cv2 draws with 1/16 pixel precision
_ONE = 1 << _BITS
UP: Colour = (0.0, 1.0, 0.0)


@dataclass(frozen=True)
class Camera:
    """A pinhole over the ground plane; all lengths that concern the image are relative to its size.

    Attributes:
        width, height: image size in pixels.
        eye: position (x, y, z) in metres.
        focal: focal length in image widths.
        horizon: row of the horizon as a fraction of the height.
        yaw: rotation to the right, in radians.
        roll: rotation of the image plane, in radians.
    """

    width: int
    height: int
    eye: tuple[float, float, float]
    focal: float
    horizon: float
    yaw: float = 0.0
    roll: float = 0.0

    @cached_property
    def matrix(self) -> np.ndarray:
        """[4, 3]: (x, y, z, 1) @ matrix = (column * depth, row * depth, depth)."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        turn = np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])  # world -> right, up, depth
        f, cr, sr = self.focal * self.width, math.cos(self.roll), math.sin(self.roll)
        centre = (self.width * 0.5 - 0.5, self.height * self.horizon - 0.5)
        lens = np.array([[f * cr, f * sr, 0.0], [f * sr, -f * cr, 0.0], [*centre, 1.0]])
        rotation = turn @ lens
        return np.vstack([rotation, -np.array(self.eye) @ rotation])

    def project(self, points: np.ndarray) -> np.ndarray:
        """World points [..., 3] -> homogeneous pixels [..., 3]: (column * depth, row * depth, depth)."""
        return points @ self.matrix[:3] + self.matrix[3]

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """World points [..., 3] beyond the near plane -> (column, row) [..., 2]."""
        projected = self.project(points)
        return projected[..., :2] / projected[..., 2:]


@dataclass(frozen=True)
class Light:
    """Sun, sky and haze of one scene.

    Attributes:
        direction: unit vector towards the sun.
        sun, ambient: RGB strength of direct and of diffuse light.
        haze: RGB of the air; visibility: metres at which 63 % of a colour is lost to it.
        shadow: 0..1, how dark the sun's shadows are (0 under an overcast sky).
    """

    direction: Colour
    sun: Colour
    ambient: Colour
    haze: Colour
    visibility: float
    shadow: float

    def shade(self, albedo: Colour, normal: Colour, depth: float) -> Colour:
        """The RGB (0..255) under which a surface `depth` metres away is seen."""
        d, sun, ambient, haze = self.direction, self.sun, self.ambient, self.haze
        lit = max(0.0, normal[0] * d[0] + normal[1] * d[1] + normal[2] * d[2])
        up = 0.8 + 0.2 * normal[1]  # undersides get less of the sky
        clear = 255.0 * math.exp(-depth / self.visibility)
        air = 255.0 - clear
        return (
            clear * albedo[0] * (sun[0] * lit + ambient[0] * up) + air * haze[0],
            clear * albedo[1] * (sun[1] * lit + ambient[1] * up) + air * haze[1],
            clear * albedo[2] * (sun[2] * lit + ambient[2] * up) + air * haze[2],
        )


@dataclass(frozen=True)
class Frame:
    """A local system on the ground: local x to the right of, z along the heading (yaw, radians), y up."""

    x: float
    z: float
    yaw: float = 0.0
    y: float = 0.0
    scale: float = 1.0

    @cached_property
    def matrix(self) -> np.ndarray:
        """[4, 3]: (local x, y, z, 1) @ matrix = world."""
        c, s = math.cos(self.yaw) * self.scale, math.sin(self.yaw) * self.scale
        return np.array([[c, 0.0, -s], [0.0, self.scale, 0.0], [s, 0.0, c], [self.x, self.y, self.z]])

    def place(self, local: ArrayLike) -> np.ndarray:
        """Local points [..., 3] -> world points [..., 3]."""
        return np.asarray(local, dtype=np.float64) @ self.matrix[:3] + self.matrix[3]

    def on_side(self, x: float, flat: np.ndarray) -> np.ndarray:
        """Points [..., 2] given as (z, y) on the flank at local x -> world [..., 3]."""
        m = self.matrix
        return flat @ m[2:0:-1] + (x * m[0] + m[3])

    def on_end(self, z: float, flat: np.ndarray) -> np.ndarray:
        """Points [..., 2] given as (x, y) on the front or back at local z -> world [..., 3]."""
        m = self.matrix
        return flat @ m[:2] + (z * m[2] + m[3])

    def turn(self, direction: Sequence[float]) -> Colour:
        """A local direction -> the world's, both unit vectors."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        x, y, z = direction
        return (c * x + s * z, y, c * z - s * x)


def clip_near(projected: np.ndarray) -> np.ndarray:
    """The part of a polygon [K, 3] (homogeneous pixels) beyond NEAR: [M, 3], M = 0 when nothing is."""
    out = []
    for a, b in zip(projected, np.roll(projected, -1, axis=0)):
        if a[2] >= NEAR:
            out.append(a)
        if (a[2] >= NEAR) != (b[2] >= NEAR):
            out.append(a + (b - a) * ((NEAR - a[2]) / (b[2] - a[2])))
    return np.array(out).reshape(-1, 3)


def face_normal(polygon: np.ndarray, eye: Sequence[float]) -> Colour:
    """Unit normal of the plane through a polygon's first three points, turned towards the eye."""
    (px, py, pz), (qx, qy, qz), (rx, ry, rz) = polygon[:3].tolist()
    ax, ay, az, bx, by, bz = qx - px, qy - py, qz - pz, rx - px, ry - py, rz - pz
    nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    length = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
    if nx * (eye[0] - px) + ny * (eye[1] - py) + nz * (eye[2] - pz) < 0:
        length = -length
    return (nx / length, ny / length, nz / length)


class Canvas:
    """An RGB image and its label map, filled together so that they always agree.

    Attributes:
        image: uint8 [H, W, 3]; label: uint8 [H, W].
    """

    def __init__(self, camera: Camera, light: Light) -> None:
        self.camera, self.light = camera, light
        self.image = np.zeros((camera.height, camera.width, 3), np.uint8)
        self.label = np.zeros((camera.height, camera.width), np.uint8)

    def outline(self, points: np.ndarray) -> list[np.ndarray]:
        """World polygons [N, K, 3] -> fixed-point pixel polygons for cv2, clipped; those outside are left out."""
        projected = self.camera.project(points)
        if projected[..., 2].min() >= NEAR:
            pixels = projected[..., :2] / projected[..., 2:]
            if len(pixels) > 1:
                low, high = pixels.min(axis=1), pixels.max(axis=1)
                seen = (high >= 0) & (low < (self.camera.width, self.camera.height))
                pixels = pixels[seen.all(axis=1)]
            return list((pixels * _ONE + 0.5).astype(np.int32))
        clipped = [clip_near(p) for p in projected]
        return [(p[:, :2] / p[:, 2:] * _ONE + 0.5).astype(np.int32) for p in clipped if len(p) >= 3]

    def shade(self, polygon: np.ndarray, albedo: Colour, normal: Colour | None) -> Colour:
        """The colour (0..255) of one world polygon [K, 3] with this surface."""
        # A quadrangle's middle; the near end of a long strip, whose distance is dealt with elsewhere.
        x, y, z = (polygon[:3:2].mean(axis=0) if len(polygon) == 4 else polygon[0]).tolist()
        ex, ey, ez = self.camera.eye
        distance = math.sqrt((x - ex) ** 2 + (y - ey) ** 2 + (z - ez) ** 2)
        return self.light.shade(albedo, normal or face_normal(polygon, self.camera.eye), distance)

    def fill(
        self, points: np.ndarray, albedo: Colour, label: int | None, normal: Colour | None = None
    ) -> None:
        """Fill world polygons that share one colour and one normal.

        Args:
            points: [N, K, 3] or [K, 3], metres.
            albedo: RGB 0..1.
            label: class id, or None to paint only (a detail upon something already labelled).
            normal: unit vector that overrides the polygons' own.
        """
        points = points[None] if points.ndim == 2 else points
        polygons = self.outline(points) if len(points) else []
        if not polygons:
            return
        colour = self.shade(points[len(points) // 2], albedo, normal)
        for polygon in polygons:  # one by one: in a common call, overlaps would cancel out
            cv2.fillPoly(self.image, [polygon], colour, cv2.LINE_AA, _BITS)
            if label is not None:
                cv2.fillPoly(self.label, [polygon], label, cv2.LINE_8, _BITS)

    def ring(self, outer: np.ndarray, inner: np.ndarray, albedo: Colour, label: int) -> None:
        """Paint the area between two polygons [K, 3]; the label covers the hole as well, as annotators do."""
        contours = self.outline(np.stack([outer, inner]))
        if len(contours) == 2:
            cv2.fillPoly(self.image, contours, self.shade(outer, albedo, None), cv2.LINE_AA, _BITS)
            cv2.fillPoly(self.label, contours[:1], label, cv2.LINE_8, _BITS)

    def mark(self, points: np.ndarray, label: int) -> None:
        """Label world polygons [N, K, 3] without painting them (what is seen through a fence)."""
        for polygon in self.outline(points):
            cv2.fillPoly(self.label, [polygon], label, cv2.LINE_8, _BITS)

    def balls(
        self,
        centres: np.ndarray,
        radii: np.ndarray,
        albedos: Sequence[Colour],
        lifts: Sequence[float],
        label: int,
    ) -> None:
        """Fill spheres in the given order, each in one colour.

        Args:
            centres: world [N, 3]; radii: metres [N].
            albedos: RGB 0..1 of each; lifts: the y of the normal by which each is lit (1 as if seen from above).
            label: class id.
        """
        projected = self.camera.project(centres)
        depth = projected[:, 2]
        size = radii * (self.camera.width * self.camera.focal) / np.maximum(depth, NEAR)
        place = projected[:, :2] / np.maximum(depth, NEAR)[:, None]
        frame = (self.camera.width, self.camera.height)
        seen = ((place > -size[:, None]) & (place < size[:, None] + frame)).all(axis=1) & (
            depth > NEAR + radii
        )
        places, sizes = (place * _ONE).astype(int).tolist(), (size * _ONE).astype(int).tolist()
        for i in np.flatnonzero(seen).tolist():
            lift = lifts[i]
            normal = (0.0, lift, -math.sqrt(max(0.0, 1.0 - lift * lift)))
            colour = self.light.shade(albedos[i], normal, float(depth[i]))
            cv2.circle(self.image, places[i], sizes[i], colour, -1, cv2.LINE_AA, _BITS)
            cv2.circle(self.label, places[i], sizes[i], label, -1, cv2.LINE_8, _BITS)

    def faces(self, normal: Colour, point: Sequence[float] | np.ndarray) -> bool:
        """Whether a surface with this outward normal through this point shows its outside to the camera."""
        ex, ey, ez = self.camera.eye
        x, y, z = point
        return normal[0] * (ex - x) + normal[1] * (ey - y) + normal[2] * (ez - z) > 0
