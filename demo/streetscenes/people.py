"""People on foot, and bicycles and motorcycles with or without their riders.

They are flat figures: people face the camera, two-wheelers lie in the plane of their heading, or, if that is
seen edge-on, are drawn from the front.
"""

from __future__ import annotations

from typing import Callable

import numpy as np

from demo.streetscenes import palette as pal
from demo.streetscenes.canvas import Canvas
from demo.streetscenes.geometry import Color, Frame
from demo.streetscenes.shapes import Point, darker, disc, limb, rectangles

Brush = Callable[[np.ndarray, Color, int], None]  # (polygons [N, K, 2], color, label)
DARK, METAL, RUBBER = (0.06, 0.06, 0.065), (0.45, 0.45, 0.47), (0.04, 0.04, 0.045)


def _skin(rng: np.random.Generator) -> Color:
    return pal.hsv(rng.uniform(0.03, 0.08), rng.uniform(0.3, 0.6), rng.uniform(0.25, 0.85))


def _brush(canvas: Canvas, frame: Frame) -> Brush:
    """Paint flat polygons in the frame's x-y plane, lit as if they faced up and to the camera."""
    normal = (0.0, 0.6, -0.8)

    def brush(polygons: np.ndarray, albedo: Color, label: int) -> None:
        polygons = np.asarray(polygons, float)
        polygons = polygons[None] if polygons.ndim == 2 else polygons
        canvas.fill(frame.on_end(0.0, polygons), albedo, label, normal)

    return brush


def _head(brush: Brush, centre: Point, radius: float, skin: Color, hair: Color, label: int) -> None:
    brush(disc(centre, radius), hair, label)
    brush(disc((centre[0], centre[1] - radius * 0.28), radius * 0.78), skin, label)


def person(canvas: Canvas, frame: Frame, rng: np.random.Generator) -> None:
    """Somebody standing or walking, 1.2 to 1.9 m tall, perhaps with a skirt, a coat or a bag."""
    height = float(rng.uniform(1.58, 1.92) if rng.random() < 0.88 else rng.uniform(1.15, 1.4))
    brush = _brush(canvas, Frame(frame.x, frame.z, canvas.camera.yaw, frame.y, height))
    top, legs, skin, hair = pal.paint(rng), pal.paint(rng), _skin(rng), pal.grey(rng, 0.04, 0.35)
    stride, swing = float(rng.uniform(0.0, 0.17)), float(rng.uniform(0.02, 0.14))
    mirror = 1.0 if rng.random() < 0.5 else -1.0
    coat = rng.random() < 0.3
    hip, knee = 0.5, 0.27
    for side, shade in ((-1.0, 0.75), (1.0, 1.0)):
        foot = side * (0.05 + stride)
        bend = side * (0.05 + stride * 0.55) + mirror * stride * 0.2
        upper = limb((side * 0.05, hip), (bend, knee), 0.12, 0.09)
        brush(
            np.stack([upper, limb((bend, knee + 0.01), (foot, 0.03), 0.09, 0.06)]),
            darker(legs, shade),
            pal.PERSON,
        )
        brush(
            limb((foot - 0.03 * mirror, 0.02), (foot + 0.09 * mirror, 0.015), 0.05, 0.035), DARK, pal.PERSON
        )
    brush(limb((-0.12, 0.8), (-0.16 - swing, 0.48), 0.08, 0.06), darker(top, 0.7), pal.PERSON)
    hem = 0.3 if coat else 0.47
    torso = [
        (-0.1 - 0.03 * coat, hem),
        (0.1 + 0.03 * coat, hem),
        (0.14, 0.78),
        (0.08, 0.85),
        (-0.08, 0.85),
        (-0.14, 0.78),
    ]
    brush(np.array(torso), top, pal.PERSON)
    brush(limb((0.12, 0.8), (0.16 + swing, 0.48), 0.08, 0.06), darker(top, 0.85), pal.PERSON)
    brush(disc((0.16 + swing, 0.46), 0.03, 8), skin, pal.PERSON)
    brush(limb((0.0, 0.84), (0.0, 0.9), 0.06, 0.06), skin, pal.PERSON)
    _head(brush, (0.0, 0.935), 0.068, skin, hair, pal.PERSON)
    if rng.random() < 0.3:
        brush(rectangles(0.1 + swing, 0.26 + swing, 0.26, 0.42), pal.paint(rng), pal.PERSON)


def _wheel(canvas: Canvas, frame: Frame, centre: Point, radius: float, tyre: float, label: int) -> None:
    """A wheel seen from its side: tyre and spokes; the label covers what shows through."""
    outer, inner = disc(centre, radius, 16), disc(centre, radius - tyre, 16)
    canvas.ring(frame.on_end(0, outer[None])[0], frame.on_end(0, inner[None])[0], RUBBER, label)
    ends = disc(centre, radius - tyre, 6)
    spokes = np.stack([limb(tuple(a), tuple(b), 0.02, 0.02) for a, b in zip(ends[:3], ends[3:])])
    canvas.fill(frame.on_end(0, spokes), METAL, label)


def _bicycle_side(canvas: Canvas, frame: Frame, color: Color) -> None:
    brush, b = _brush(canvas, frame), pal.BICYCLE
    for x in (-0.54, 0.54):
        _wheel(canvas, frame, (x, 0.35), 0.36, 0.06, b)
    seat, crank, neck = (-0.2, 0.88), (-0.06, 0.32), (0.38, 0.85)
    tubes = [
        limb((-0.54, 0.35), crank, 0.05, 0.06), limb(crank, seat, 0.06, 0.05), limb(crank, neck, 0.07, 0.07),
        limb((-0.16, 0.76), neck, 0.06, 0.06), limb((-0.54, 0.35), (-0.16, 0.76), 0.05, 0.05),
        limb((0.54, 0.35), (0.34, 1.02), 0.06, 0.06),
    ]  # fmt: skip
    brush(np.stack(tubes), color, b)
    brush(
        np.stack(
            [limb((-0.34, 0.92), (-0.06, 0.9), 0.08, 0.05), limb((0.28, 1.05), (0.48, 1.0), 0.06, 0.05)]
        ),
        DARK,
        b,
    )
    brush(disc(crank, 0.1, 10), METAL, b)


def _bicycle_front(canvas: Canvas, frame: Frame, color: Color) -> None:
    brush, b = _brush(canvas, frame), pal.BICYCLE
    ellipse = disc((0, 0.36), 0.36) * (0.17, 1.0)
    brush(ellipse, RUBBER, b)
    brush(limb((0, 0.5), (0, 1.05), 0.09, 0.09), color, b)
    brush(limb((-0.32, 1.04), (0.32, 1.04), 0.06, 0.06), DARK, b)
    brush(rectangles(-0.11, 0.11, 0.84, 0.93), DARK, b)


def _motorcycle_side(canvas: Canvas, frame: Frame, color: Color) -> None:
    brush, m = _brush(canvas, frame), pal.MOTORCYCLE
    for x in (-0.68, 0.72):
        _wheel(canvas, frame, (x, 0.34), 0.35, 0.13, m)
        brush(disc((x, 0.34), 0.13, 10), METAL, m)
    brush(
        np.stack([limb((0.72, 0.34), (0.42, 1.02), 0.1, 0.1), limb((-0.68, 0.34), (0.0, 0.42), 0.12, 0.14)]),
        METAL,
        m,
    )
    brush(np.array([(-0.3, 0.25), (0.3, 0.22), (0.4, 0.62), (-0.25, 0.65)]), DARK, m)
    brush(limb((-0.95, 0.38), (0.1, 0.3), 0.14, 0.1), METAL, m)
    brush(np.array([(-0.15, 0.62), (0.42, 0.6), (0.5, 0.85), (0.3, 0.98), (-0.05, 0.88)]), color, m)
    brush(
        np.array([(-0.85, 0.72), (-0.2, 0.62), (-0.05, 0.86), (-0.45, 0.84), (-0.9, 0.92)]),
        darker(color, 0.8),
        m,
    )
    brush(limb((-0.75, 0.9), (-0.05, 0.85), 0.1, 0.12), DARK, m)
    brush(np.array([(0.35, 0.7), (0.72, 0.78), (0.62, 1.1), (0.42, 1.22)]), color, m)
    brush(disc((0.66, 0.92), 0.1, 10), (0.85, 0.85, 0.8), m)
    brush(limb((0.2, 1.1), (0.46, 1.06), 0.07, 0.07), DARK, m)


def _motorcycle_front(canvas: Canvas, frame: Frame, color: Color) -> None:
    brush, m = _brush(canvas, frame), pal.MOTORCYCLE
    brush(disc((0, 0.35), 0.36) * (0.32, 1.0), RUBBER, m)
    brush(
        np.stack(
            [limb((-0.15, 0.35), (-0.15, 0.95), 0.07, 0.07), limb((0.15, 0.35), (0.15, 0.95), 0.07, 0.07)]
        ),
        METAL,
        m,
    )
    brush(
        np.array([(-0.2, 0.55), (0.2, 0.55), (0.32, 0.85), (0.22, 1.12), (-0.22, 1.12), (-0.32, 0.85)]),
        color,
        m,
    )
    brush(disc((0, 0.88), 0.13, 10), (0.85, 0.85, 0.8), m)
    brush(limb((-0.45, 1.08), (0.45, 1.08), 0.07, 0.07), DARK, m)
    brush(rectangles([-0.52, 0.38], [-0.38, 0.52], 1.1, 1.22), DARK, m)


def _rider_side(canvas: Canvas, frame: Frame, rng: np.random.Generator, motor: bool) -> None:
    brush, r = _brush(canvas, frame), pal.RIDER
    top, legs, skin, helmet = pal.paint(rng), pal.paint(rng), _skin(rng), pal.paint(rng)
    hip = (-0.3, 0.92) if motor else (-0.2, 0.94)
    foot = (0.05, 0.34) if motor else (float(rng.uniform(-0.15, 0.05)), float(rng.uniform(0.16, 0.4)))
    knee = (0.22, 0.68) if motor else (0.2, 0.62)
    hand = (0.36, 1.1) if motor else (0.36, 1.06)
    neck = (0.02, 1.5) if motor else (0.06, 1.5)
    brush(np.stack([limb(hip, knee, 0.2, 0.15), limb(knee, foot, 0.15, 0.1)]), legs, r)
    brush(limb((foot[0] - 0.08, foot[1] - 0.02), (foot[0] + 0.18, foot[1] - 0.02), 0.09, 0.07), DARK, r)
    brush(limb(hip, neck, 0.28, 0.3), top, r)
    elbow = (0.24, 1.12)
    arm = np.stack([limb((neck[0] + 0.02, 1.42), elbow, 0.12, 0.1), limb(elbow, hand, 0.1, 0.07)])
    brush(arm, darker(top, 0.8), r)
    head = (neck[0] + 0.08, 1.66)
    if motor:
        brush(disc(head, 0.16), helmet, r)
        brush(limb((head[0] + 0.04, head[1]), (head[0] + 0.15, head[1]), 0.09, 0.09), DARK, r)
    else:
        brush(disc(head, 0.12), skin, r)
        cap = np.array([(-0.15, 0.02), (0.15, 0.02), (0.12, 0.13), (0.0, 0.17), (-0.12, 0.13)]) + head
        brush(cap, helmet, r)


def _rider_front(canvas: Canvas, frame: Frame, rng: np.random.Generator, motor: bool) -> None:
    brush, r = _brush(canvas, frame), pal.RIDER
    top, legs, helmet = pal.paint(rng), pal.paint(rng), pal.paint(rng)
    lift = float(rng.uniform(-0.12, 0.12))
    wide = 0.3 if motor else 0.2
    for side in (-1.0, 1.0):
        knee, foot = (side * wide, 0.64 + side * lift), (side * (wide - 0.06), 0.26 + side * lift)
        brush(np.stack([limb((side * 0.12, 0.95), knee, 0.18, 0.15), limb(knee, foot, 0.15, 0.1)]), legs, r)
        brush(limb((side * 0.2, 1.45), (side * 0.36, 1.1), 0.13, 0.1), darker(top, 0.8), r)
    brush(
        np.array([(-0.17, 0.88), (0.17, 0.88), (0.25, 1.42), (0.12, 1.54), (-0.12, 1.54), (-0.25, 1.42)]),
        top,
        r,
    )
    brush(disc((0, 1.66), 0.16 if motor else 0.13), helmet, r)
    if rng.random() < 0.5:  # seen from the front: a visor or a face; from behind: neither
        brush(rectangles(-0.11, 0.11, 1.58, 1.69), DARK if motor else _skin(rng), r)


def two_wheeler(canvas: Canvas, frame: Frame, rng: np.random.Generator, motor: bool, ridden: bool) -> None:
    """A bicycle or motorcycle at the frame's heading; its rider, if any, is labelled apart from it."""
    color, edge_on = pal.paint(rng), abs(np.sin(frame.yaw - canvas.camera.yaw)) < 0.5
    if edge_on:
        plane = Frame(frame.x, frame.z, canvas.camera.yaw, frame.y, frame.scale)
        (_motorcycle_front if motor else _bicycle_front)(canvas, plane, color)
        if ridden:
            _rider_front(canvas, plane, rng, motor)
        return
    plane = Frame(frame.x, frame.z, frame.yaw - np.pi / 2, frame.y, frame.scale)
    (_motorcycle_side if motor else _bicycle_side)(canvas, plane, color)
    if ridden:
        _rider_side(canvas, plane, rng, motor)
