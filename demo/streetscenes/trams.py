"""The tram, labelled as train: sections with bellows, sloped noses, double stripes, a pantograph."""

from __future__ import annotations

import numpy as np

from demo.streetscenes import palette as pal
from demo.streetscenes.canvas import Canvas
from demo.streetscenes.geometry import UP, Color, Frame
from demo.streetscenes.shapes import box, limb, prism, rectangles, visible_sides
from demo.streetscenes.vehicles import BLACK, LAMP_RED, ORANGE, WHITE


def _tram_section(
    canvas: Canvas, frame: Frame, z: tuple[float, float], colors: tuple[Color, Color, Color], nose: float
) -> None:
    """One section; `nose` slopes the front (> 0), the back (< 0) or neither."""
    back, front = z
    paint, stripe, window = colors
    w, top = 1.3, 3.45
    tip, tail = max(nose, 0.0), max(-nose, 0.0)
    profile = [
        (front - tip * 0.3, 0.15), (front, 0.9), (front - tip * 0.35, 1.5), (front - tip, top - 0.3),
        (front - tip - 0.3, top), (back + tail + 0.3, top), (back + tail, top - 0.3),
        (back + tail * 0.35, 1.5),
        (back, 0.9), (back + tail * 0.3, 0.15),
    ]  # fmt: skip
    glazed = {2: window} if nose > 0 else ({6: window} if nose < 0 else {})
    prism(canvas, frame, profile, w, paint, pal.TRAIN, glazed)
    low, high = back + tail + 0.2, front - tip - 0.2
    for sign in visible_sides(canvas, frame, w):
        x = sign * (w + 0.01)
        canvas.fill(
            frame.on_side(x, rectangles(back + tail * 0.3, front - tip * 0.3, 0.15, 0.5)), BLACK, pal.TRAIN
        )
        stripes = rectangles(back + tail * 0.2, front - tip * 0.2, [0.75, 1.15], [1.0, 1.25])
        canvas.fill(frame.on_side(x, stripes), stripe, pal.TRAIN)
        canvas.fill(frame.on_side(x, rectangles(low, high, 3.0, 3.15)), stripe, pal.TRAIN)
        at = np.arange(low, high - 1.0, 1.7)
        canvas.fill(frame.on_side(x, rectangles(at, at + 1.4, 1.5, 2.75)), window, pal.TRAIN)
        door = (low + high) / 2 - 0.7
        canvas.fill(frame.on_side(x, rectangles(door, door + 1.4, 0.3, 2.85)), stripe, pal.TRAIN)
        leaves = np.array([0.1, 0.75]) + door
        canvas.fill(frame.on_side(x, rectangles(leaves, leaves + 0.55, 0.8, 2.6)), window, pal.TRAIN)


def tram(canvas: Canvas, frame: Frame, rng: np.random.Generator) -> None:
    """A tram of three sections with bellows, sloped noses, double stripes and a pantograph on its roof."""
    section = float(rng.uniform(7.0, 9.0))
    colors = (pal.paint(rng), pal.paint(rng), pal.glass(rng))
    half, gap = 1.5 * section, 0.5
    spans = [
        (-half, -half + section - gap / 2),
        (-half + section + gap / 2, half - section - gap / 2),
        (half - section + gap / 2, half),
    ]
    noses = (-1.0, 0.0, 1.0)
    eye = np.array(canvas.camera.eye)
    order = sorted(
        range(3), key=lambda i: -float(np.sum((frame.place(np.array([0, 0, sum(spans[i]) / 2])) - eye) ** 2))
    )
    for rank, i in enumerate(order):
        _tram_section(canvas, frame, spans[i], colors, noses[i])
        if i == 1:
            _pantograph(canvas, frame)
        if rank < 2:  # the bellows towards the next nearer section
            joint = spans[i][1] if order[rank + 1] > i else spans[i][0] - gap
            box(canvas, frame, (joint, joint + gap), (0.4, 3.2), 1.15, (0.08, 0.08, 0.09), pal.TRAIN)
    for sign in (-1.0, 1.0):
        z = sign * (half + 0.03)
        if canvas.faces(frame.turn((0, 0, sign)), frame.place((0, 1.0, z))):
            lamps = rectangles([-1.1, 0.7], [-0.7, 1.1], 0.75, 1.05)
            canvas.fill(frame.on_end(z, rectangles(-0.5, 0.5, 0.2, 0.6)), BLACK, pal.TRAIN)
            canvas.fill(frame.on_end(z, lamps), WHITE if sign > 0 else LAMP_RED, pal.TRAIN, UP)
            sign_board = rectangles(-0.6, 0.6, 2.8, 3.1)
            canvas.fill(frame.on_end(sign * (half - 0.95), sign_board), ORANGE, pal.TRAIN)


def _pantograph(canvas: Canvas, frame: Frame) -> None:
    """The folded arms on the roof that reach for the wire."""
    box(canvas, frame, (-1.2, 1.2), (3.45, 3.75), 0.7, (0.35, 0.35, 0.36), pal.TRAIN)
    arms = np.stack([limb((-0.8, 3.7), (0.7, 4.5), 0.14, 0.14), limb((0.7, 4.5), (-0.3, 5.2), 0.14, 0.14)])
    for x in (-0.5, 0.5):
        canvas.fill(frame.on_side(x, arms), BLACK, pal.TRAIN)
    canvas.fill(frame.on_end(-0.3, rectangles(-0.9, 0.9, 5.15, 5.3)), BLACK, pal.TRAIN)
    rods = np.stack([limb((-0.6, 3.7), (-0.4, 5.2), 0.1, 0.1), limb((0.6, 3.7), (0.4, 5.2), 0.1, 0.1)])
    canvas.fill(frame.on_end(-0.2, rods), BLACK, pal.TRAIN)
