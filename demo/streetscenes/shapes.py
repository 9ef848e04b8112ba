"""Solids and flat parts from which vehicles, houses and people are put together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from demo.streetscenes.canvas import Canvas
from demo.streetscenes.geometry import Color, Frame

Point = tuple[float, float]


def darker(albedo: Color, factor: float) -> Color:
    """The color multiplied by a factor and kept within 0..1."""
    return (min(1.0, albedo[0] * factor), min(1.0, albedo[1] * factor), min(1.0, albedo[2] * factor))


def prism(
    canvas: Canvas,
    frame: Frame,
    profile: Sequence[Point],
    half_width: float,
    albedo: Color,
    label: int,
    edge_albedos: dict[int, Color] | None = None,
) -> None:
    """A side view (z, y), counter-clockwise, extruded to local x = -half_width..half_width.

    `edge_albedos` recolors the inner part of the surface that starts at vertex i: a windscreen in its frame.
    """
    side = np.asarray(profile, dtype=np.float64)
    w, eye, surfaces = half_width, canvas.camera.eye, []
    for i, (a, b) in enumerate(zip(profile, [*profile[1:], profile[0]])):
        dz, dy = b[0] - a[0], b[1] - a[1]
        length = math.hypot(dz, dy) + 1e-9
        normal = frame.turn((0.0, -dz / length, dy / length))
        world = frame.place([[-w, a[1], a[0]], [w, a[1], a[0]], [w, b[1], b[0]], [-w, b[1], b[0]]])
        x, y, z = ((world[0] + world[2]) / 2).tolist()
        if canvas.faces(normal, (x, y, z)):
            surfaces.append(((x - eye[0]) ** 2 + (y - eye[1]) ** 2 + (z - eye[2]) ** 2, i, world, normal))
    for _, i, world, normal in sorted(surfaces, key=lambda s: -s[0]):
        canvas.fill(world, albedo, label, normal)
        inner = (edge_albedos or {}).get(i)
        if inner is not None:
            centre = world.mean(axis=0)
            canvas.fill(centre + (world - centre) * 0.86, inner, label, normal)
    for sign in visible_sides(canvas, frame, w):
        canvas.fill(frame.on_side(sign * w, side), albedo, label, frame.turn((sign, 0.0, 0.0)))


def box(
    canvas: Canvas,
    frame: Frame,
    z: Point,
    y: Point,
    half_width: float,
    albedo: Color,
    label: int,
) -> None:
    """A box from z[0] to z[1] and y[0] to y[1]."""
    prism(canvas, frame, [(z[1], y[0]), (z[1], y[1]), (z[0], y[1]), (z[0], y[0])], half_width, albedo, label)


def visible_sides(canvas: Canvas, frame: Frame, half_width: float) -> list[float]:
    """Which of the flanks at local x = -half_width and +half_width the camera sees: their signs."""
    return [
        sign
        for sign in (-1.0, 1.0)
        if canvas.faces(frame.turn((sign, 0.0, 0.0)), frame.place((sign * half_width, 0.0, 0.0)))
    ]


def rectangles(a: ArrayLike, b: ArrayLike, bottom: ArrayLike, top: ArrayLike) -> np.ndarray:
    """Axis-aligned rectangles from a to b and from bottom to top (scalars or [N], broadcast): [N, 4, 2]."""
    out = np.empty((np.broadcast(a, b, bottom, top).size, 4, 2))
    out[:, 0, 0] = out[:, 3, 0] = a
    out[:, 1, 0] = out[:, 2, 0] = b
    out[:, 0, 1] = out[:, 1, 1] = bottom
    out[:, 2, 1] = out[:, 3, 1] = top
    return out


def disc(centre: Point, radius: float, corners: int = 14) -> np.ndarray:
    """A regular polygon [corners, 2] round a point."""
    return _circle(corners) * radius + centre


@cache
def _circle(corners: int) -> np.ndarray:
    angle = np.arange(corners) * (2 * np.pi / corners)
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def limb(a: Point, b: Point, width_a: float, width_b: float) -> np.ndarray:
    """A bar [4, 2] from a to b whose width tapers (arms, legs, tubes)."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    half = 0.5 / (math.hypot(dx, dy) + 1e-9)
    u, v = -dy * half, dx * half
    return np.array(
        [
            (a[0] + u * width_a, a[1] + v * width_a),
            (b[0] + u * width_b, b[1] + v * width_b),
            (b[0] - u * width_b, b[1] - v * width_b),
            (a[0] - u * width_a, a[1] - v * width_a),
        ]
    )
