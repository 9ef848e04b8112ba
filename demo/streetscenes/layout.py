"""Who stands where: traffic, people, furniture and plots along a street, each with the ground it covers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from demo.streetscenes import buildings, furniture, nature, people, trams, vehicles
from demo.streetscenes.geometry import NEAR, Camera, Frame
from demo.streetscenes.street import KERB, LANE, Street

Draw = Callable[..., None]  # (canvas, rng=...)


@dataclass(frozen=True)
class Item:
    """Something upright: how to draw it, the ground it covers (x0..x1, z0..z1), its height; in metres."""

    draw: Draw
    x: tuple[float, float]
    z: tuple[float, float]
    height: float
    heavy: bool = False  # darkens the ground right beneath it

    def overlaps(self, other: Item, gap: float) -> bool:
        """Whether less than `gap` metres are left between the two boxes."""
        return (
            self.x[0] < other.x[1] + gap
            and other.x[0] < self.x[1] + gap
            and self.z[0] < other.z[1] + gap
            and other.z[0] < self.z[1] + gap
        )


def item(draw: Draw, frame: Frame, radius: tuple[float, float], height: float, heavy: bool = False) -> Item:
    """An item whose box reaches radius = (in x, in z) from the frame's origin."""
    (x, z), (rx, rz) = (frame.x, frame.z), radius
    return Item(partial(draw, frame=frame), (x - rx, x + rx), (z - rz, z + rz), height, heavy)


class Crowd:
    """Items that don't stand in each other's way: one that would is not let in."""

    def __init__(self) -> None:
        self.items: list[Item] = []

    def add(self, new: Item, gap: float = 0.15) -> bool:
        """Add the item if there is room for it; says whether there was."""
        if any(new.overlaps(old, gap) for old in self.items):
            return False
        self.items.append(new)
        return True


_HALF_LENGTH = {"car": 2.4, "truck": 5.0, "bus": 6.0, "tram": 13.5}


def _vehicle(street: Street, kind: str, lateral: float, z: float, yaw: float) -> Item:
    draw: Draw = {"car": vehicles.car, "truck": vehicles.truck, "bus": vehicles.bus, "tram": trams.tram}[kind]
    wide, tall = (0.95, 1.5) if kind == "car" else (1.3, 3.3)
    return item(draw, street.frame(lateral, z, yaw), (wide, _HALF_LENGTH[kind]), tall, True)


def _traffic(street: Street, crowd: Crowd, rng: np.random.Generator) -> None:
    """Moving and parked vehicles, lane by lane."""

    def lane(
        lateral: float, first: float, yaw: float, chance: float, gap: tuple[float, float], large: float
    ) -> None:
        tail = first
        while tail < 75:
            kind = str(rng.choice(["car", "truck", "bus"], p=[1 - large, large / 2, large / 2]))
            half = _HALF_LENGTH[kind]
            if rng.random() < chance:
                wobble, turn = lateral + float(rng.normal(0, 0.08)), yaw + float(rng.normal(0, 0.02))
                if not crowd.add(_vehicle(street, kind, wobble, tail + half, turn)):
                    tail += 1.5
                    continue
            tail += 2 * half + float(rng.uniform(*gap))

    lane(LANE / 2, float(rng.uniform(8, 17)), 0.0, 0.62, (8, 22), 0.56)
    oncoming = -LANE * 1.5 if street.tram else -LANE * 0.5
    lane(oncoming, float(rng.uniform(5, 14)), np.pi, 0.7, (5, 20), 0.56)
    if street.parking_right:
        lane(street.right - 1.15, float(rng.uniform(4, 9)), 0.0, 0.5, (0.8, 3.0), 0.25)
    if street.parking_left:
        lane(street.left + 1.15, float(rng.uniform(5, 11)), np.pi, 0.5, (0.8, 3.0), 0.25)


def _two_wheeler(frame: Frame, motor: bool, ridden: bool) -> Item:
    across, along = abs(float(np.sin(frame.yaw))), abs(float(np.cos(frame.yaw)))
    draw = partial(people.two_wheeler, motor=motor, ridden=ridden)
    return item(draw, frame, (0.9 * across + 0.3 * along, 0.3 * across + 0.9 * along), 1.5, True)


def _riders(street: Street, crowd: Crowd, rng: np.random.Generator) -> None:
    """Cyclists and motorcyclists on the road, and two-wheelers left on the pavement."""
    for _ in range(int(rng.integers(1, 4))):
        motor, z = rng.random() < 0.45, float(rng.uniform(6, 14))
        if rng.random() < 0.65:  # crossing, or turning
            lateral, yaw = float(rng.uniform(-3.0, 4.0)), float(rng.choice([-1, 1]) * rng.uniform(0.7, 2.4))
        else:
            lateral, yaw = float(rng.choice([2.7, 0.3, -2.6])), float(rng.choice([0.0, np.pi]))
        crowd.add(_two_wheeler(street.frame(lateral, z, yaw, 0.0, 1.08), motor, True), 0.4)
    for side in (-1, 1):
        if rng.random() < 0.62:
            motor, z = rng.random() < 0.5, float(rng.uniform(7, 15))
            kerb = street.left if side < 0 else street.right
            lateral = kerb + side * float(rng.uniform(0.9, 1.7))
            yaw = float(rng.choice([-1, 1]) * rng.uniform(0.9, 2.2))
            for k in range(int(rng.integers(1, 4))):
                frame = street.frame(lateral, z + 1.3 * k, yaw + float(rng.normal(0, 0.1)), KERB, 1.08)
                crowd.add(_two_wheeler(frame, motor, False))


def _pedestrians(street: Street, crowd: Crowd, rng: np.random.Generator) -> None:
    """Couples and single people on the pavements, and some who cross."""
    places = []
    for side in (-1, 1):
        walk = street.walk_left if side < 0 else street.walk_right
        for _ in range(int(rng.poisson(2.4))):
            lateral = street.front(side) - side * float(rng.uniform(0.3, walk - 0.2))
            z = float(6 + 20 * rng.random() ** 1.5)
            for _ in range(1 + int(rng.random() < 0.4)):
                places.append((lateral + float(rng.normal(0, 0.5)), z + float(rng.normal(0, 0.4)), KERB))
    if rng.random() < 0.45:
        z = street.crossing + 1.5 if street.crossing else float(rng.uniform(7, 16))
        for lateral in rng.uniform(street.left, street.right, 3):
            places.append((float(lateral), z + float(rng.normal(0, 0.5)), 0.0))
    for lateral, z, y in places:
        crowd.add(item(people.person, street.frame(lateral, z, 0.0, y), (0.25, 0.25), 1.6, True))


def _furniture(street: Street, side: int, crowd: Crowd, rng: np.random.Generator) -> None:
    """Lamps, lights, signs, street trees, bollards and bins beside the kerb on one side."""
    kerb = street.left if side < 0 else street.right
    verge = street.verge_left if side < 0 else street.verge_right
    beside, towards = kerb + side * 0.55, -float(side)
    if rng.random() < 0.6:
        z = (street.crossing or float(rng.uniform(9, 18))) + 0.5
        frame = street.frame(beside - 0.2 * side, z, 0.0, KERB)
        crowd.add(item(partial(furniture.traffic_light, towards=towards), frame, (0.2, 0.2), 4.0))
    for z in 6.5 + 22 * rng.random(int(rng.integers(1, 4))) ** 1.5:
        frame = street.frame(beside + 0.1 * side, float(z), float(rng.normal(0, 0.15)), KERB)
        crowd.add(item(furniture.traffic_sign, frame, (0.2, 0.2), 3.0))
    for z in np.arange(rng.uniform(7, 16), 80, rng.uniform(18, 28)):
        frame = street.frame(beside, float(z), 0.0, KERB)
        crowd.add(item(partial(furniture.street_lamp, towards=towards), frame, (0.2, 0.2), 6.0))
    if rng.random() < 0.25:
        first = float(rng.uniform(6, 12))
        for k in range(6):
            frame = street.frame(kerb + side * 0.35, first + 1.4 * k, 0.0, KERB)
            crowd.add(item(furniture.bollard, frame, (0.1, 0.1), 0.9))
    if rng.random() < 0.4:
        frame = street.frame(street.front(side) - side * 0.6, float(rng.uniform(7, 20)), 0.0, KERB)
        crowd.add(item(furniture.bin_or_box, frame, (0.5, 0.5), 1.0))
    if verge and rng.random() < 0.7:
        for z in np.arange(rng.uniform(9, 18), 70, rng.uniform(8, 14)):
            frame = street.frame(kerb + side * (verge * 0.55 + 0.2), float(z), 0.0, KERB)
            crowd.add(item(nature.tree, frame, (0.5, 0.5), 6.0))


PLOTS = ("building", "wall", "fence", "hedge", "park")


def _plots(street: Street, side: int, rng: np.random.Generator) -> list[Item]:
    """What lines the pavement on one side, from beside the camera to 110 m."""
    items: list[Item] = []
    z = float(rng.uniform(-6.0, 3.0))
    while z < 110:
        kind = str(rng.choice(PLOTS, p=[0.36, 0.22, 0.24, 0.08, 0.1]))
        length = float(rng.uniform(9, 20) if kind == "building" else rng.uniform(7, 15))
        start = max(z, 0.8)
        if z + length - start > 1.0:
            items += _plot(street, float(side), start, z + length - start, kind, rng)
        z += length + (0.0 if rng.random() < 0.6 else float(rng.uniform(1, 4)))
    return items


def _plot(
    street: Street, side: float, start: float, length: float, kind: str, rng: np.random.Generator
) -> list[Item]:
    """The items of one plot; behind a wall or a fence there are trees, and perhaps a house."""
    items: list[Item] = []

    def put(draw: Draw, offset: float, depth: float, height: float) -> None:
        frame = street.frame(street.front(int(side)) + side * offset, start)
        x0, x1 = sorted((frame.x, frame.x + side * depth))
        bound = partial(draw, frame=frame, side=side, length=length)
        items.append(Item(bound, (x0, x1), (start, start + length), height))

    if kind == "building":
        put(buildings.building, 0.0, 10.0, 9.0)
        return items
    if rng.random() < 0.45:
        put(buildings.building, 7.0, 10.0, 9.0)
    for at in rng.uniform(0, max(length - 2, 0.1), int(rng.integers(1, 4))):
        lateral = street.front(int(side)) + side * float(rng.uniform(2.2, 4.5))
        if start + at > 4:
            items.append(item(nature.tree, street.frame(lateral, start + float(at)), (0.7, 0.7), 6.0))
    if kind == "wall":
        put(buildings.wall, 0.0, 0.5, 2.2)
    elif kind == "fence":
        put(buildings.fence, 0.0, 0.2, 0.8)
    elif kind == "hedge":
        put(nature.hedge, 0.0, 1.2, 1.5)
    return items


def furnish(street: Street, rng: np.random.Generator) -> list[Item]:
    """Everything upright of one scene, in no particular order."""
    crowd = Crowd()
    if street.tram and rng.random() < 0.85:
        nose, yaw = float(rng.uniform(7, 24)), 0.0 if rng.random() < 0.5 else np.pi
        crowd.add(_vehicle(street, "tram", -LANE / 2, nose + 13.0, yaw))
    _riders(street, crowd, rng)
    for side in (-1, 1):
        _furniture(street, side, crowd, rng)
    _traffic(street, crowd, rng)
    _pedestrians(street, crowd, rng)
    return _plots(street, -1, rng) + _plots(street, 1, rng) + crowd.items


def in_view(camera: Camera, items: list[Item], margin: float = 3.5) -> np.ndarray:
    """Which items can reach into the image, bool [N]; crowns and arms reach `margin` metres further."""
    x = np.array([item.x for item in items])[:, [0, 1, 0, 1]] + np.array([-margin, margin, -margin, margin])
    z = np.array([item.z for item in items])[:, [0, 0, 1, 1]] + np.array([0.0, 0.0, margin, margin])
    u, _, depth = np.moveaxis(
        camera.project(np.stack([x, np.full_like(x, camera.eye[1]), z], axis=-1)), -1, 0
    )
    ahead = (depth > NEAR).any(axis=1)
    # u = column * depth: the comparison holds behind the camera as well, for corners of one convex box.
    return ahead & (u > 0).any(axis=1) & (u < camera.width * depth).any(axis=1)


def painters_order(items: list[Item], eye_x: float) -> list[int]:
    """Indices from back to front, so that nothing is covered by what it stands before.

    Of two boxes on one side of the camera's line, the one that begins beyond the other's end is painted
    first, unless the other is so far out that no ray meets both; boxes side by side are painted from the
    outside in. Where that is circular all the same, the farther one is first.
    """
    x = np.array([item.x for item in items]) - eye_x
    z = np.array([item.z for item in items])
    inner = np.maximum(np.maximum(x[:, 0], -x[:, 1]), 0.0)  # distance from the line: a box's begin
    outer = np.abs(x).max(axis=1)
    right, left = x[:, 1] > 0, x[:, 0] < 0
    together = (right[:, None] & right) | (left[:, None] & left)
    beyond = z[:, None, 0] >= z[None, :, 1]
    beside = ~beyond & ~beyond.T & (inner[:, None] > inner[None, :] + 0.05)
    hidden = beyond & (outer[:, None] > inner[None, :])
    before = (together & (hidden | beside)).astype(np.int64)  # [i, j]: i must be painted before j
    waiting = before.sum(axis=0)
    distance = z.mean(axis=1) + inner
    order: list[int] = []
    done = np.zeros(len(items), bool)
    for _ in items:
        free = ~done & (waiting == 0)
        pool = free if free.any() else ~done
        pick = int(np.argmax(np.where(pool, distance, -np.inf)))
        done[pick] = True
        waiting -= before[pick]
        order.append(pick)
    return order
