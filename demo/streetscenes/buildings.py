"""What stands along a street: houses, walls and fences.

Each fills a plot, `length` metres long. The z axis of its frame runs along the plot's front; the plot lies on
the side of positive local x (`side` = +1) or negative local x (-1).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from demo.streetscenes import palette as pal
from demo.streetscenes.canvas import Canvas
from demo.streetscenes.geometry import Color, Frame
from demo.streetscenes.shapes import darker, limb, rectangles


def _block(
    canvas: Canvas,
    frame: Frame,
    side: float,
    length: float,
    depth: float,
    y: tuple[float, float],
    albedo: Color,
    label: int,
) -> tuple[bool, bool]:
    """A box behind the plot's front; returns whether its near end and its front are seen."""
    far = side * depth
    end = np.array([[[0, y[0], 0], [far, y[0], 0], [far, y[1], 0], [0, y[1], 0]]], float)
    top = np.array([[[0, y[1], 0], [far, y[1], 0], [far, y[1], length], [0, y[1], length]]], float)
    front = frame.on_side(0.0, rectangles(0.0, length, y[0], y[1]))
    if y[1] < canvas.camera.eye[1]:
        canvas.fill(frame.place(top), albedo, label)
    near_seen = canvas.faces(frame.turn((0, 0, -1)), (frame.x, frame.y, frame.z))
    front_seen = canvas.faces(frame.turn((-side, 0, 0)), (frame.x, frame.y, frame.z))
    if near_seen:
        canvas.fill(frame.place(end), albedo, label)
    if front_seen:
        canvas.fill(front, albedo, label)
    return near_seen, front_seen


def _roof(
    canvas: Canvas,
    frame: Frame,
    side: float,
    length: float,
    depth: float,
    eaves: float,
    rng: np.random.Generator,
) -> None:
    """A pitched roof with its gable, ridge along the street."""
    rise, tiles = depth * float(rng.uniform(0.25, 0.45)), pal.masonry(rng)
    mid, far = side * depth / 2, side * depth
    out = -side * 0.4
    gable = np.array([[[0, eaves, 0], [far, eaves, 0], [mid, eaves + rise, 0]]], float)
    slope = np.array(
        [
            [
                [out, eaves - 0.2, 0],
                [out, eaves - 0.2, length],
                [mid, eaves + rise, length],
                [mid, eaves + rise, 0],
            ]
        ]
    )
    canvas.fill(frame.place(slope), tiles, pal.BUILDING)
    canvas.fill(frame.place(gable), darker(tiles, 0.85), pal.BUILDING)


def building(canvas: Canvas, frame: Frame, side: float, length: float, rng: np.random.Generator) -> None:
    """A house of 2 to 6 floors: rows of framed windows, shops or a door below, a flat or pitched roof."""
    floors, floor = int(rng.integers(2, 7)), float(rng.uniform(2.9, 3.4))
    top, depth = floors * floor + 1.0, float(rng.uniform(8.0, 12.0))
    wall, window, trim = pal.masonry(rng), pal.glass(rng), pal.grey(rng, 0.3, 0.9)
    near, front = _block(canvas, frame, side, length, depth, (0.0, top), wall, pal.BUILDING)
    step, wide = float(rng.uniform(2.0, 3.2)), float(rng.uniform(1.0, 1.5))
    tall, lit = float(rng.uniform(1.4, 1.9)), int(rng.integers(3, 7))
    shops, shop = rng.random() < 0.5, pal.paint(rng)
    x = -side * 0.02

    def face(left: ArrayLike, right: ArrayLike, low: ArrayLike, high: ArrayLike, color: Color) -> None:
        canvas.fill(frame.on_side(x, rectangles(left, right, low, high)), color, None, disjoint=True)

    lows = np.arange(1 if shops else 0, floors) * floor + 1.0
    if front:
        at, low = (v.ravel() for v in np.meshgrid(np.arange(0.7, length - wide - 0.3, step), lows))
        face(at - 0.12, at + wide + 0.12, low - 0.14, low + tall + 0.12, trim)
        face(at, at + wide, low, low + tall, window)
        face(at[::lit], at[::lit] + wide, low[::lit], low[::lit] + tall, darker(window, 1.6))
        face(at + wide / 2 - 0.05, at + wide / 2 + 0.05, low, low + tall, trim)
        if shops:
            face(0.3, length - 0.3, 2.6, 3.2, shop)
            wides = np.arange(0.6, length - 2.2, 2.9)
            face(wides, wides + 2.4, 0.4, 2.5, darker(window, 0.7))
        else:
            face(length * 0.4, length * 0.4 + 1.2, 0.0, 2.2, shop)
        face(0.0, length, top - 0.35, top, trim)
        face(0.0, length, 0.0, 0.35, darker(wall, 0.6))
    if near:
        at, low = (v.ravel() for v in np.meshgrid(np.arange(1.2, depth - 2.0, step + 0.6), lows))
        panes = rectangles(side * at, side * (at + wide), low, low + tall)
        canvas.fill(frame.on_end(-0.02, panes), window, None, disjoint=True)
    if rng.random() < 0.5:
        _roof(canvas, frame, side, length, depth, top, rng)


def wall(canvas: Canvas, frame: Frame, side: float, length: float, rng: np.random.Generator) -> None:
    """A free-standing wall, 1.6 to 2.8 m high, with a coping and courses of stone or panels between piers."""
    height, stone = float(rng.uniform(1.7, 2.8)), pal.masonry(rng)
    cap, joint = pal.grey(rng, 0.35, 0.8), darker(stone, 0.6)
    _, front = _block(canvas, frame, side, length, 0.35, (0.0, height), stone, pal.WALL)
    x = -side * 0.02
    if not front:
        pass
    elif rng.random() < 0.6:
        course = np.arange(0.3, height - 0.2, 0.36)
        canvas.fill(frame.on_side(x, rectangles(0.0, length, course, course + 0.05)), joint, None)
        at, low = (v.ravel() for v in np.meshgrid(np.arange(0.2, length - 0.5, 0.9), course[:-1]))
        shift = 0.45 * (np.rint(low / 0.36) % 2)
        canvas.fill(
            frame.on_side(x, rectangles(at + shift, at + shift + 0.05, low, low + 0.36)),
            joint,
            None,
            disjoint=True,
        )
    else:
        at = np.arange(0.0, length, 2.4)
        canvas.fill(frame.on_side(x, rectangles(at, at + 0.35, 0.0, height)), darker(stone, 0.75), None)
        canvas.fill(frame.on_side(x, rectangles(0.0, length, 0.0, 0.4)), joint, None)
        if rng.random() < 0.4:  # sprayed letters
            z0 = float(rng.uniform(0.2, max(0.3, length - 4)))
            letters = np.stack(
                [
                    limb((z0 + 0.5 * i, 0.5), (z0 + 0.5 * i + rng.uniform(-0.3, 0.3), 1.4), 0.14, 0.14)
                    for i in range(6)
                ]
            )
            canvas.fill(frame.on_side(x, letters), pal.paint(rng), None)
    _block(canvas, frame, side, length, 0.45, (height, height + 0.2), cap, pal.WALL)


def fence(canvas: Canvas, frame: Frame, side: float, length: float, rng: np.random.Generator) -> None:
    """A fence of bars, pickets or wire. The gaps show what is behind, yet all of it is labelled as fence."""
    height, color = float(rng.uniform(1.5, 2.2)), pal.paint(rng)
    kind = int(rng.integers(3))
    canvas.mark(frame.on_side(0.0, rectangles(0.0, length, 0.1, height)), pal.FENCE)
    if kind == 0:  # iron bars
        at = np.arange(0.0, length, 0.26)
        canvas.fill(
            frame.on_side(0.0, rectangles(at, at + 0.06, 0.1, height)), color, pal.FENCE, disjoint=True
        )
    elif kind == 1:  # wooden pickets
        at = np.arange(0.0, length, 0.3)
        canvas.fill(
            frame.on_side(0.0, rectangles(at, at + 0.17, 0.08, height - 0.05)),
            color,
            pal.FENCE,
            disjoint=True,
        )
    else:  # wire mesh
        at = np.arange(-height, length, 0.42)
        up = [limb((a, 0.1), (a + height, height), 0.035, 0.035) for a in at]
        down = [limb((a, height), (a + height, 0.1), 0.035, 0.035) for a in at]
        strands = np.clip(np.stack(up + down), [0.0, 0.1], [length, height])
        canvas.fill(frame.on_side(0.0, strands), color, pal.FENCE)
    rails = rectangles(0.0, length, [0.3, height - 0.2], [0.38, height - 0.1])
    canvas.fill(frame.on_side(0.0, rails), darker(color, 0.85), pal.FENCE)
    posts = np.append(np.arange(0.0, length - 0.5, 2.2), length - 0.1)
    canvas.fill(
        frame.on_side(0.0, rectangles(posts, posts + 0.13, 0.0, height + 0.1)),
        darker(color, 0.7),
        pal.FENCE,
    )
