"""Poles, lamps, traffic lights, signs and bins, all of them facing traffic that comes from the camera."""

from __future__ import annotations

import numpy as np

from demo.streetscenes import palette as pal
from demo.streetscenes.canvas import Canvas
from demo.streetscenes.geometry import UP, Color, Frame
from demo.streetscenes.shapes import box, darker, disc, limb, rectangles

LAMPS = ((0.9, 0.08, 0.06), (0.95, 0.65, 0.05), (0.1, 0.85, 0.45))


def pole(canvas: Canvas, frame: Frame, height: float, width: float, albedo: Color) -> None:
    """A round post: bright on one flank, dark on the other."""
    half = width / 2
    canvas.fill(frame.on_end(0.0, rectangles(-half, half, 0.0, height)), albedo, pal.POLE)
    canvas.fill(frame.on_end(0.0, rectangles(half * 0.2, half, 0.0, height)), darker(albedo, 0.6), None)


def street_lamp(canvas: Canvas, frame: Frame, towards: float, rng: np.random.Generator) -> None:
    """A lamp post of 6 to 8 m whose arm reaches over the road (`towards` = -1 or +1 in x)."""
    height, metal = float(rng.uniform(5.5, 8.0)), pal.grey(rng, 0.1, 0.6)
    pole(canvas, frame, height, float(rng.uniform(0.24, 0.34)), metal)
    reach = towards * float(rng.uniform(1.2, 2.2))
    arm = np.stack([limb((0.0, height - 0.1), (reach, height + 0.3), 0.16, 0.12)])
    canvas.fill(frame.on_end(0.0, arm), metal, pal.POLE)
    head = rectangles(min(reach, reach * 1.4), max(reach, reach * 1.4), height + 0.2, height + 0.42)
    canvas.fill(frame.on_end(0.0, head), darker(metal, 1.3), pal.POLE)


def _signal(
    canvas: Canvas, frame: Frame, x: float, low: float, scale: float, state: int, housing: Color
) -> None:
    w, h = 0.3 * scale, 1.15 * scale
    canvas.fill(frame.on_end(-0.1, rectangles(x - w * 0.75, x + w * 0.75, low, low + h)), housing, pal.LIGHT)
    for i in range(3):
        centre = (x, low + h * (0.82 - 0.32 * i))
        lit = i == state
        color = LAMPS[i] if lit else darker(LAMPS[i], 0.12)
        canvas.fill(frame.on_end(-0.12, disc(centre, w * 0.46, 12)[None]), color, None, UP)


def traffic_light(canvas: Canvas, frame: Frame, towards: float, rng: np.random.Generator) -> None:
    """Three lamps in a housing on a post, and often a second set on an arm over the lane."""
    metal = pal.grey(rng, 0.1, 0.55)
    housing = pal.grey(rng, 0.04, 0.3) if rng.random() < 0.75 else pal.paint(rng)
    state, scale = int(rng.integers(3)), float(rng.uniform(1.15, 1.5))
    arm = rng.random() < 0.5
    height = 5.6 if arm else 3.6
    pole(canvas, frame, height, 0.22, metal)
    if arm:
        reach = towards * float(rng.uniform(2.2, 3.6))
        canvas.fill(frame.on_end(0.0, limb((0.0, 5.45), (reach, 5.6), 0.2, 0.14)[None]), metal, pal.POLE)
        _signal(canvas, frame, reach, 4.5, scale, state, housing)
    _signal(canvas, frame, 0.0, 2.3, scale, state, housing)


def _panel(rng: np.random.Generator, canvas: Canvas, frame: Frame, y: float) -> None:
    """One board at height y: prohibition, warning, order, priority, or direction."""
    kind, r = int(rng.integers(5)), float(rng.uniform(0.48, 0.62))
    red, white = pal.varied(rng, (0.75, 0.08, 0.08), 0.3), pal.varied(rng, (0.85, 0.85, 0.83), 0.15)
    blue, black = pal.varied(rng, (0.08, 0.22, 0.65), 0.3), (0.05, 0.05, 0.05)

    def draw(shape: np.ndarray, color: Color) -> None:
        canvas.fill(frame.on_end(-0.08, shape if shape.ndim == 3 else shape[None]), color, pal.SIGN)

    if kind == 0:
        draw(disc((0, y), r, 16), red)
        draw(disc((0, y), r * 0.72, 16), white)
        draw(rectangles([-0.26 * r, 0.08 * r], [-0.04 * r, 0.4 * r], y - 0.35 * r, y + 0.35 * r), black)
    elif kind == 1:
        up = np.array([(-1.1, -0.75), (1.1, -0.75), (0.0, 1.1)])
        draw(up * r + (0, y), red)
        draw(up * r * 0.66 + (0, y), white)
        draw(rectangles(-0.1 * r, 0.1 * r, y - 0.3 * r, y + 0.4 * r), black)
    elif kind == 2:
        draw(disc((0, y), r, 16), white)
        draw(disc((0, y), r * 0.92, 16), blue)
        arrow = np.stack(
            [
                limb((0, y - 0.6 * r), (0, y + 0.6 * r), 0.25 * r, 0.25 * r),
                limb((-0.45 * r, y), (0, y + 0.6 * r), 0.2 * r, 0.2 * r),
            ]
        )
        draw(arrow, white)
    elif kind == 3:
        diamond = np.array([(0, -1.15), (1.15, 0), (0, 1.15), (-1.15, 0)])
        draw(diamond * r + (0, y), white)
        draw(diamond * r * 0.75 + (0, y), pal.varied(rng, (0.9, 0.7, 0.08)))
    else:
        field = pal.paint(rng)
        wide, tall = r * 2.1, r * 0.85
        draw(rectangles(-wide, wide, y - tall, y + tall), white)
        draw(rectangles(-wide * 0.95, wide * 0.95, y - tall * 0.88, y + tall * 0.88), field)
        at = np.arange(-wide * 0.8, wide * 0.5, wide * 0.3)
        draw(rectangles(at, at + wide * 0.2, y + tall * 0.1, y + tall * 0.5), white)
        draw(rectangles(at[:-1], at[:-1] + wide * 0.2, y - tall * 0.55, y - tall * 0.2), white)


def traffic_sign(canvas: Canvas, frame: Frame, rng: np.random.Generator) -> None:
    """One or two boards on a post, 2 to 3.5 m above the ground."""
    top = float(rng.uniform(2.6, 3.3))
    pole(canvas, frame, top + 0.3, 0.19, pal.grey(rng, 0.25, 0.7))
    if rng.random() < 0.35:
        _panel(rng, canvas, frame, top - 1.3)
    _panel(rng, canvas, frame, top)


def bin_or_box(canvas: Canvas, frame: Frame, rng: np.random.Generator) -> None:
    """A litter bin or a switch box: of none of the 19 classes."""
    size, height = float(rng.uniform(0.25, 0.5)), float(rng.uniform(0.8, 1.3))
    paint = pal.paint(rng)
    box(canvas, frame, (-size, size), (0.0, height), size * 0.8, paint, pal.STATIC)
    lid = rectangles(-size * 0.8, size * 0.8, height * 0.8, height * 0.9)
    canvas.fill(frame.on_end(-size - 0.01, lid), darker(paint, 0.6), None)


def bollard(canvas: Canvas, frame: Frame, rng: np.random.Generator) -> None:
    """A short post with a reflecting band."""
    pole(canvas, frame, 0.95, 0.2, pal.grey(rng, 0.1, 0.7))
    canvas.fill(frame.on_end(0.0, rectangles(-0.1, 0.1, 0.7, 0.82)), (0.85, 0.85, 0.82), None)
