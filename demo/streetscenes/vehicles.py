"""Cars, trucks and buses, each drawn in a Frame whose z axis is its heading, centred on its length."""

from __future__ import annotations

import numpy as np

from demo.streetscenes import palette as pal
from demo.streetscenes.canvas import Canvas
from demo.streetscenes.geometry import UP, Color, Frame
from demo.streetscenes.shapes import (
    box,
    darker,
    disc,
    prism,
    rectangles,
    visible_sides,
)

BLACK, TYRE, LAMP_RED = (0.03, 0.03, 0.035), (0.05, 0.05, 0.055), (0.65, 0.05, 0.05)
WHITE, ORANGE = (0.9, 0.9, 0.88), (0.95, 0.55, 0.1)


def _treads(
    canvas: Canvas, frame: Frame, half_width: float, axles: list[float], radius: float, label: int
) -> None:
    """The tyres as seen under both ends; to be painted before the body."""
    for z in (axles[0], axles[-1]):
        tread = rectangles(
            [-half_width, half_width - 0.28], [0.28 - half_width, half_width], 0.0, radius * 1.3
        )
        canvas.fill(frame.on_end(z, tread), BLACK, label)


def _wheels(
    canvas: Canvas, frame: Frame, half_width: float, axles: list[float], radius: float, label: int
) -> None:
    """Tyres in their arches and rims on the visible flank."""
    for sign in visible_sides(canvas, frame, half_width):
        x = sign * (half_width + 0.01)
        arches = np.stack([disc((z, radius * 1.17), radius * 1.17) for z in axles])
        tyres, rims = (np.stack([disc((z, radius), radius * size) for z in axles]) for size in (1.0, 0.6))
        canvas.fill(frame.on_side(x, arches), BLACK, label)
        canvas.fill(frame.on_side(x, tyres), TYRE, label)
        canvas.fill(frame.on_side(x, rims), (0.5, 0.5, 0.52), None)


def _lamps(
    canvas: Canvas, frame: Frame, length: float, half_width: float, y: float, size: float, label: int
) -> None:
    """Red lamps behind, white ones in front, and a number plate at both ends."""
    front = canvas.faces(frame.turn((0, 0, 1)), frame.place((0, y, length / 2)))
    z = (length / 2 + 0.02) * (1 if front else -1)
    out, into = half_width - 0.04, half_width - 0.04 - size
    lamps = rectangles([-out, into], [-into, out], y, y + size * 0.6)
    canvas.fill(frame.on_end(z, lamps), WHITE if front else LAMP_RED, label, UP)
    canvas.fill(frame.on_end(z, rectangles(-0.26, 0.26, y - 0.22, y - 0.1)), WHITE, label)


def car(canvas: Canvas, frame: Frame, rng: np.random.Generator) -> None:
    """A passenger car: saloon, hatchback, estate, off-roader or van."""
    kind = int(rng.integers(5))
    length = float((4.6, 3.9, 4.7, 4.5, 4.9)[kind] * rng.uniform(0.95, 1.05))
    roof = float((1.45, 1.5, 1.5, 1.75, 1.95)[kind] * rng.uniform(0.97, 1.04))
    belt = roof * 0.64
    half = length / 2
    hood = half - float((1.25, 0.95, 1.25, 1.2, 0.75)[kind])  # where the windscreen starts
    roof_front = hood - float((0.75, 0.65, 0.75, 0.6, 0.5)[kind])
    deck = float((0.6, 0.08, 0.1, 0.08, 0.05)[kind])  # length of the boot lid
    roof_rear = -half + deck + float((0.65, 0.5, 0.35, 0.2, 0.1)[kind])
    body, window = pal.paint(rng), pal.glass(rng)
    profile = [
        (half - 0.05, 0.28), (half, belt * 0.62), (half - 0.12, belt * 0.8), (hood, belt),
        (roof_front, roof), (roof_rear, roof), (-half + deck, belt * 1.02), (-half, belt * 0.9),
        (-half + 0.05, 0.28),
    ]  # fmt: skip
    width = float(rng.uniform(0.86, 0.95))
    axles = [-half + 0.85, half - 0.85]
    _treads(canvas, frame, width, axles, 0.33, pal.CAR)
    prism(canvas, frame, profile, width, body, pal.CAR, {3: window, 5: window})
    for sign in visible_sides(canvas, frame, width):
        x = sign * (width + 0.01)
        low, high = belt * 1.02, roof - 0.09
        pane = [[(hood - 0.1, low), (roof_front, high), (roof_rear + 0.03, high), (-half + deck + 0.15, low)]]
        canvas.fill(frame.on_side(x, np.array(pane)), window, pal.CAR)
        middle = (hood + roof_rear) / 2
        pillars = rectangles(
            [middle - 0.06, middle + 1.05, middle - 1.1],
            [middle + 0.06, middle + 1.1, middle - 1.0],
            low,
            high,
        )
        canvas.fill(frame.on_side(x, pillars[:1]), darker(body, 0.7), pal.CAR)
        canvas.fill(
            frame.on_side(x, rectangles(-half + 0.1, half - 0.1, 0.28, 0.4)), darker(body, 0.4), pal.CAR
        )
        handles = rectangles(
            [middle - 0.3, middle + 0.8], [middle - 0.1, middle + 1.0], belt * 0.88, belt * 0.92
        )
        canvas.fill(frame.on_side(x, handles), darker(body, 0.5), pal.CAR)
    z = half if canvas.faces(frame.turn((0, 0, 1)), frame.place((0.0, 0.5, half))) else -half
    canvas.fill(frame.on_end(z * 1.005, rectangles(-width * 0.95, width * 0.95, 0.26, 0.42)), BLACK, pal.CAR)
    if z > 0:
        canvas.fill(frame.on_end(z * 1.005, rectangles(-0.5, 0.5, belt * 0.55, belt * 0.68)), BLACK, pal.CAR)
    _lamps(canvas, frame, length, width, belt * 0.66, 0.36, pal.CAR)
    _wheels(canvas, frame, width, axles, 0.33, pal.CAR)


def _cab(
    canvas: Canvas, frame: Frame, z: tuple[float, float], height: float, paint: Color, window: Color
) -> None:
    """A lorry's cab over the engine, with windscreen, grille and side window."""
    back, front = z
    w = 1.18
    profile = [(front, 0.45), (front, 1.55), (front - 0.25, height), (back, height), (back, 0.45)]
    prism(canvas, frame, profile, w, paint, pal.TRUCK, {1: window})
    for sign in visible_sides(canvas, frame, w):
        side = rectangles(back + 0.7, front - 0.3, 1.6, height - 0.45)
        canvas.fill(frame.on_side(sign * (w + 0.01), side), window, pal.TRUCK)
    if canvas.faces(frame.turn((0, 0, 1)), frame.place((0, 1.0, front))):
        grille = rectangles(-0.75, 0.75, [0.75, 1.0, 1.25], [0.9, 1.15, 1.4])
        canvas.fill(frame.on_end(front + 0.02, grille), BLACK, pal.TRUCK)
        canvas.fill(
            frame.on_end(front + 0.02, rectangles([-1.1, 0.75], [-0.75, 1.1], 0.6, 0.85)), WHITE, pal.TRUCK
        )
        canvas.fill(frame.on_end(front + 0.02, rectangles(-1.1, 1.1, 0.4, 0.55)), BLACK, pal.TRUCK)


def _cargo(
    canvas: Canvas, frame: Frame, z: tuple[float, float], top: float, rng: np.random.Generator
) -> None:
    """A box body or a tarpaulin with ribs, doors with bars behind, striped under-run guard."""
    back, front = z
    paint, w = pal.paint(rng), 1.25
    box(canvas, frame, z, (1.0, top), w, paint, pal.TRUCK)
    edge, ribs = darker(paint, 0.55), rng.random() < 0.6
    board = pal.paint(rng)
    for sign in visible_sides(canvas, frame, w):
        x = sign * (w + 0.01)
        if ribs:
            at = np.arange(back + 0.1, front, 0.75)
            canvas.fill(frame.on_side(x, rectangles(at, at + 0.1, 1.1, top)), edge, pal.TRUCK)
        else:
            middle = (back + front) / 2
            canvas.fill(
                frame.on_side(x, rectangles(middle - 1.6, middle + 1.6, 1.8, top - 0.5)), board, pal.TRUCK
            )
        rims = rectangles(back, front, [1.0, top - 0.12], [1.15, top])
        canvas.fill(frame.on_side(x, rims), edge, pal.TRUCK)
        canvas.fill(frame.on_side(x, rectangles(back + 1.5, front, 0.45, 0.8)), (0.3, 0.3, 0.3), pal.TRUCK)
    if canvas.faces(frame.turn((0, 0, -1)), frame.place((0, 2.0, back))):
        z0 = back - 0.02
        frame_bars = rectangles([-w, w - 0.1, -0.05], [-w + 0.1, w, 0.05], 1.0, top)
        canvas.fill(frame.on_end(z0, frame_bars), edge, pal.TRUCK)
        canvas.fill(frame.on_end(z0, rectangles(-w, w, [1.0, top - 0.1], [1.12, top])), edge, pal.TRUCK)
        bars = rectangles([-0.85, -0.35, 0.27, 0.77], [-0.77, -0.27, 0.35, 0.85], 1.15, top - 0.15)
        canvas.fill(frame.on_end(z0, bars), darker(paint, 0.8), pal.TRUCK)
        canvas.fill(frame.on_end(z0, rectangles(-w, w, 0.45, 0.72)), (0.25, 0.25, 0.26), pal.TRUCK)
        at = np.arange(-1.2, 1.2, 0.4)
        canvas.fill(frame.on_end(z0 - 0.01, rectangles(at, at + 0.2, 0.5, 0.68)), LAMP_RED, pal.TRUCK)
        canvas.fill(frame.on_end(z0 - 0.01, rectangles(at + 0.2, at + 0.4, 0.5, 0.68)), WHITE, pal.TRUCK)


def truck(canvas: Canvas, frame: Frame, rng: np.random.Generator) -> None:
    """A lorry: a cab before a taller box, some 8 to 10 m long."""
    length, height = float(rng.uniform(7.5, 10.0)), float(rng.uniform(2.6, 3.0))
    top, half = float(rng.uniform(3.3, 3.9)), length / 2
    paint, window = pal.paint(rng), pal.glass(rng)
    axles = [-half + 1.2, -half + 2.3, half - 1.2]
    _treads(canvas, frame, 1.2, axles, 0.5, pal.TRUCK)
    box(canvas, frame, (-half + 0.1, half - 0.5), (0.55, 1.0), 0.9, (0.1, 0.1, 0.11), pal.TRUCK)
    eye = np.array(canvas.camera.eye)
    ahead = float(np.dot(frame.turn((0, 0, 1)), eye - frame.place((0.0, 1.0, half - 2.0))))
    cargo_rng = np.random.default_rng(
        int(rng.integers(1 << 31))
    )  # the painter's order must not change the dice
    if ahead > 0:
        _cargo(canvas, frame, (-half, half - 2.2), top, cargo_rng)
        _cab(canvas, frame, (half - 2.0, half), height, paint, window)
    else:
        _cab(canvas, frame, (half - 2.0, half), height, paint, window)
        _cargo(canvas, frame, (-half, half - 2.2), top, cargo_rng)
    _wheels(canvas, frame, 1.25, axles, 0.5, pal.TRUCK)


def bus(canvas: Canvas, frame: Frame, rng: np.random.Generator) -> None:
    """A city bus: one box with rows of windows, doors on the kerb side, a lit board for its line."""
    length, top, w = float(rng.uniform(9.5, 12.0)), float(rng.uniform(3.0, 3.3)), 1.25
    half, paint, window = length / 2, pal.paint(rng), pal.glass(rng)
    skirt = pal.paint(rng)
    profile = [(half, 0.35), (half, 1.0), (half - 0.1, top), (-half, top), (-half, 0.35)]
    axles = [-half + 2.6, half - 2.4]
    _treads(canvas, frame, w, axles, 0.48, pal.BUS)
    prism(canvas, frame, profile, w, paint, pal.BUS)
    for sign in visible_sides(canvas, frame, w):
        x = sign * (w + 0.01)
        canvas.fill(frame.on_side(x, rectangles(-half, half, 0.35, 0.85)), skirt, pal.BUS)
        canvas.fill(
            frame.on_side(x, rectangles(-half + 0.15, half - 0.15, 1.3, top - 0.4)),
            darker(window, 0.6),
            pal.BUS,
        )
        at = np.arange(-half + 0.25, half - 1.2, 1.3)
        canvas.fill(frame.on_side(x, rectangles(at, at + 1.15, 1.38, top - 0.48)), window, pal.BUS)
        if sign > 0:
            doors = np.array([half - 1.5, 0.2])
            canvas.fill(frame.on_side(x, rectangles(doors, doors + 1.25, 0.42, top - 0.5)), BLACK, pal.BUS)
            leaves = np.concatenate([doors + 0.06, doors + 0.67])
            canvas.fill(frame.on_side(x, rectangles(leaves, leaves + 0.52, 0.5, top - 0.6)), window, pal.BUS)
    _wheels(canvas, frame, w, axles, 0.5, pal.BUS)
    front = canvas.faces(frame.turn((0, 0, 1)), frame.place((0, 1.5, half)))
    z, low = (half + 0.02, 1.05) if front else (-half - 0.02, 1.7)
    canvas.fill(frame.on_end(z, rectangles(-w, w, 0.35, 0.55)), BLACK, pal.BUS)
    canvas.fill(
        frame.on_end(z, rectangles(-w + 0.08, w - 0.08, low, top - 0.08)), darker(window, 0.7), pal.BUS
    )
    canvas.fill(frame.on_end(z, rectangles(-0.75, 0.75, top - 0.45, top - 0.14)), BLACK, pal.BUS)
    letters = np.arange(-0.6, 0.5, 0.22)
    canvas.fill(frame.on_end(z, rectangles(letters, letters + 0.14, top - 0.4, top - 0.2)), ORANGE, pal.BUS)
    if not front:
        grille = rectangles(-0.8, 0.8, [0.7, 0.9, 1.1], [0.8, 1.0, 1.2])
        canvas.fill(frame.on_end(z, grille), darker(paint, 0.45), pal.BUS)
    _lamps(canvas, frame, length, w, 0.75, 0.32, pal.BUS)
