"""The pinhole camera, the light, and local systems of coordinates.

World axes, in metres: x to the right, y up, z ahead along the road. The ground is y = 0. Colors are RGB,
0..1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

Color = tuple[float, float, float]
NEAR = 0.7  # metres; what is closer is clipped away
UP: Color = (0.0, 1.0, 0.0)


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
        haze: RGB of the air; visibility: metres at which 63 % of a color is lost to it.
        shadow: 0..1, how dark the sun's shadows are (0 under an overcast sky).
    """

    direction: Color
    sun: Color
    ambient: Color
    haze: Color
    visibility: float
    shadow: float

    def shade(self, albedos: ArrayLike, normals: np.ndarray, distances: np.ndarray) -> np.ndarray:
        """How surfaces look from some way off.

        Args:
            albedos: RGB 0..1 [N, 3]; normals: unit vectors [N, 3]; distances: metres [N].

        Returns:
            RGB, 0..255 and more when overexposed, float [N, 3].
        """
        lit = np.maximum(normals @ np.array(self.direction), 0.0)[:, None]
        up = 0.8 + 0.2 * normals[:, 1:2]  # undersides get less of the sky
        clear = np.exp(-distances / self.visibility)[:, None]
        seen = np.asarray(albedos) * (lit * self.sun + up * self.ambient)
        return 255.0 * (clear * seen + (1.0 - clear) * self.haze)


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

    def turn(self, direction: Sequence[float]) -> Color:
        """A local direction -> the world's, both unit vectors."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        x, y, z = direction
        return (c * x + s * z, y, c * z - s * x)
