"""The street's plan and what lies flat: carriageway, markings, rails, kerbs, pavements, lawns."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike

from demo.streetscenes import palette as pal
from demo.streetscenes.canvas import Canvas
from demo.streetscenes.geometry import UP, Color, Frame
from demo.streetscenes.nature import noise_tile, tufts
from demo.streetscenes.shapes import rectangles

LANE, KERB, FAR = 3.3, 0.13, 260.0


@dataclass(frozen=True)
class Street:
    """Widths and lateral positions in metres; the camera drives in the lane from 0 to LANE.

    Attributes:
        left, right: edges of the carriageway (left < 0 < right).
        parking_left, parking_right: width of the parking lanes inside these edges, 0 for none.
        tram: whether the lane -LANE..0 carries rails.
        verge_left, verge_right: width of the grass strip between kerb and pavement, 0 for none.
        walk_left, walk_right: width of the pavement.
        bend: curvature; the street's axis runs through x = bend * z**2.
        crossing: distance of a zebra crossing, 0 for none.
    """

    left: float
    right: float
    parking_left: float
    parking_right: float
    tram: bool
    verge_left: float
    verge_right: float
    walk_left: float
    walk_right: float
    bend: float
    crossing: float

    @classmethod
    def draw_plan(cls, rng: np.random.Generator) -> Street:
        """A random street."""
        tram = rng.random() < 0.62
        park = [float(rng.uniform(2.1, 2.4)) if rng.random() < 0.5 else 0.0 for _ in range(2)]
        verge = [float(rng.uniform(1.2, 2.6)) if rng.random() < 0.4 else 0.0 for _ in range(2)]
        walk = [float(rng.uniform(1.8, 3.6)) for _ in range(2)]
        left = -LANE * (2 if tram else 1) - park[0]
        bend = float(rng.normal(0.0, 0.0009))
        crossing = float(rng.uniform(7.0, 18.0)) if rng.random() < 0.4 else 0.0
        right = LANE + 0.3 + park[1]
        return cls(left, right, park[0], park[1], tram, verge[0], verge[1], walk[0], walk[1], bend, crossing)

    def frame(self, lateral: float, z: float, yaw: float = 0.0, y: float = 0.0, scale: float = 1.0) -> Frame:
        """A frame at this place of the street, its heading relative to the street's."""
        return Frame(lateral + self.bend * z * z, z, yaw + float(np.arctan(2 * self.bend * z)), y, scale)

    def front(self, side: int) -> float:
        """Where the plots begin: the pavement's outer edge, on the left (-1) or right (+1)."""
        if side < 0:
            return self.left - self.verge_left - self.walk_left
        return self.right + self.verge_right + self.walk_right

    def strip(self, a: float, b: float, start: float = 0.8, end: float = FAR, y: float = 0.0) -> np.ndarray:
        """The ground between lateral a and b as a polygon [K, 3] that follows the bend."""
        z = start + (end - start) * np.linspace(0, 1, 12 if end - start > 20 else 2) ** 2
        shift = self.bend * z * z
        near = np.stack([a + shift, np.full_like(z, y), z], axis=-1)
        far = np.stack([b + shift, np.full_like(z, y), z], axis=-1)
        return np.concatenate([near, far[::-1]])

    def patches(
        self, a: ArrayLike, b: ArrayLike, start: ArrayLike, end: ArrayLike, y: float = 0.0
    ) -> np.ndarray:
        """Short straight rectangles on the ground (scalars or [N], broadcast): [N, 4, 3]."""
        flat = rectangles(a, b, start, end)
        out = np.empty((len(flat), 4, 3))
        out[..., 0], out[..., 1], out[..., 2] = flat[..., 0] + self.bend * flat[..., 1] ** 2, y, flat[..., 1]
        return out


def _carriageway(canvas: Canvas, street: Street, rng: np.random.Generator) -> None:
    asphalt = pal.grey(rng, 0.16, 0.5)
    canvas.fill(street.strip(street.left, street.right), asphalt, pal.ROAD, UP)
    for _ in range(int(rng.integers(2, 7))):  # repairs
        a, z = rng.uniform(street.left, street.right - 1), rng.uniform(2, 30)
        wide, long = rng.uniform(0.4, 2.0), rng.uniform(0.6, 6)
        patch = street.patches(a, min(a + wide, street.right), z, z + long)
        canvas.fill(patch, pal.varied(rng, asphalt, 0.2), pal.ROAD, UP)
    worn = pal.varied(rng, asphalt, 0.12)
    for centre in (LANE * 0.5 - 0.75, LANE * 0.5 + 0.75):  # where tyres run
        canvas.fill(street.strip(centre - 0.22, centre + 0.22), worn, None, UP)
    if street.tram:
        _rails(canvas, street, rng)


def _rails(canvas: Canvas, street: Street, rng: np.random.Generator) -> None:
    centre = -LANE / 2
    if rng.random() < 0.35:  # a track laid in grass
        grass = pal.plant(rng)
        canvas.fill(street.strip(-LANE + 0.1, -0.1), grass, pal.TERRAIN, UP)
        _lawn_texture(canvas, street, -LANE + 0.15, -0.15, 0.0, grass, rng)
    else:
        canvas.fill(street.strip(-LANE + 0.2, -0.2), pal.grey(rng, 0.2, 0.5), None, UP)
    for rail in (centre - 0.72, centre + 0.72):
        canvas.fill(street.strip(rail - 0.13, rail + 0.13), (0.1, 0.1, 0.1), None, UP)
        canvas.fill(street.strip(rail - 0.06, rail + 0.06), (0.55, 0.56, 0.6), None, UP)


def _markings(canvas: Canvas, street: Street, rng: np.random.Generator) -> None:
    value = float(rng.uniform(0.55, 0.95))
    line = (value, value, value * 0.97)
    at = np.arange(1.0 + rng.uniform(0, 3), 90, 6.0)
    if street.tram:
        canvas.fill(street.strip(0.02, 0.16), line, pal.ROAD, UP)
        canvas.fill(street.strip(-LANE - 0.14, -LANE), line, pal.ROAD, UP)
    else:
        canvas.fill(street.patches(-0.08, 0.08, at, at + 3.0), line, pal.ROAD, UP)
    for edge in (street.right - street.parking_right - 0.12, street.left + street.parking_left + 0.12):
        if rng.random() < 0.7:
            canvas.fill(street.strip(edge - 0.07, edge + 0.07), line, pal.ROAD, UP)
    if street.crossing:
        bars = np.arange(street.left + 0.3, street.right - 0.5, 1.0)
        canvas.fill(
            street.patches(bars, bars + 0.5, street.crossing, street.crossing + 3.0), line, pal.ROAD, UP
        )
        stop = street.crossing - 1.2
        canvas.fill(street.patches(0.2, LANE, stop, stop + 0.4), line, pal.ROAD, UP)
    elif rng.random() < 0.4:
        z, x = float(rng.uniform(5, 14)), LANE / 2
        canvas.fill(street.patches(x - 0.1, x + 0.1, z, z + 2.5), line, pal.ROAD, UP)
        head = np.array([(x - 0.4, 0, z + 2.4), (x + 0.4, 0, z + 2.4), (x, 0, z + 3.8)])
        head[:, 0] += street.bend * z * z
        canvas.fill(head, line, pal.ROAD, UP)


def _pavement(canvas: Canvas, street: Street, side: int, rng: np.random.Generator) -> None:
    """The raised strip: kerb, grass verge or none, slabs with joints."""
    kerb = street.left if side < 0 else street.right
    verge = street.verge_left if side < 0 else street.verge_right
    slab, stone = pal.grey(rng, 0.25, 0.68), pal.grey(rng, 0.35, 0.8)
    if rng.random() < 0.3:
        slab = pal.masonry(rng)
    front = street.front(side)
    canvas.fill(street.strip(kerb, front, y=KERB), slab, pal.SIDEWALK, UP)
    z = 0.8 + (FAR - 0.8) * np.linspace(0, 1, 14) ** 2
    x = kerb + street.bend * z * z
    face = np.concatenate([np.stack([x, 0 * z, z], -1), np.stack([x, 0 * z + KERB, z], -1)[::-1]])
    canvas.fill(face, stone, pal.SIDEWALK, (-float(side), 0.0, 0.0))
    canvas.fill(street.strip(kerb, kerb + side * 0.2, y=KERB), stone, pal.SIDEWALK, UP)
    inner = kerb + side * (verge + 0.22)
    joint = (slab[0] * 0.6, slab[1] * 0.6, slab[2] * 0.6)
    rows = np.arange(1.5, 34, 0.75)
    canvas.fill(
        street.patches(inner, front, rows, rows + 0.05 + rows * 0.002, KERB), joint, None, UP, disjoint=True
    )
    for lateral in np.arange(inner, front, side * 0.75):
        canvas.fill(
            street.strip(lateral, lateral + 0.05 * side, 1.2, 34, KERB), joint, None, UP, disjoint=True
        )
    if verge:
        grass = pal.plant(rng)
        canvas.fill(street.strip(kerb + side * 0.2, inner, y=KERB), grass, pal.TERRAIN, UP)
        _lawn_texture(canvas, street, kerb + side * 0.25, inner, KERB, grass, rng)


def _lawn_texture(
    canvas: Canvas, street: Street, a: float, b: float, y: float, color: Color, rng: np.random.Generator
) -> None:
    count = int(min(210, 60 * abs(b - a)))
    z = np.sort(2.5 + 32 * rng.random(count) ** 2)[::-1]
    x = rng.uniform(min(a, b), max(a, b), count) + street.bend * z * z
    tufts(canvas, np.stack([x, np.full(count, y), z], axis=-1), color, rng)


def paint_ground(canvas: Canvas, street: Street, rng: np.random.Generator) -> None:
    """Everything flat, from lawns to zebra stripes, with its texture."""
    for side in (-1, 1):
        soil = pal.plant(rng) if rng.random() < 0.8 else pal.masonry(rng)
        edge = street.front(side)
        canvas.fill(street.strip(edge, edge + side * 400.0), soil, pal.TERRAIN, UP)
        _lawn_texture(canvas, street, edge, edge + side * 9.0, 0.0, soil, rng)
    _carriageway(canvas, street, rng)
    _markings(canvas, street, rng)
    for side in (-1, 1):
        _pavement(canvas, street, side, rng)
    canvas.flush()
    _grain(canvas, rng)


def _grain(canvas: Canvas, rng: np.random.Generator) -> None:
    """Multiply the ground with noise laid out in perspective, fading with distance (where it would alias)."""
    camera = canvas.camera
    tile, metres = noise_tile(512, 5, 11), 14.0
    near = camera.eye[2] + 2.0
    corners = np.array([(-3.0, 0, near), (3.0, 0, near), (10.0, 0, near + 28), (-10.0, 0, near + 28)])
    pixels = camera.pixels(corners).astype(np.float32)
    cells = ((corners[:, [0, 2]] + rng.uniform(0, metres, 2)) * (512 / metres)).astype(np.float32)
    to_tile = cv2.getPerspectiveTransform(pixels, cells)
    top = min(camera.height - 1, int(np.ceil((camera.horizon + 0.02) * camera.height)))
    shift = np.array([[1, 0, 0], [0, 1, top], [0, 0, 1]], np.float64)
    size = (camera.width, camera.height - top)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    noise = cv2.warpPerspective(tile, to_tile @ shift, size, flags=flags, borderMode=cv2.BORDER_WRAP)
    below = (np.arange(top, camera.height) + 0.5) / camera.height - camera.horizon
    fade = np.clip(below * 5, 0, 1) * float(rng.uniform(8, 20))
    gain = np.clip(128 + noise * fade[:, None].astype(np.float32), 0, 255).astype(np.uint8)
    region = canvas.image[top:]
    cv2.multiply(region, cv2.cvtColor(gain, cv2.COLOR_GRAY2RGB), region, 1 / 128)
    # The long strips were painted without haze: add it row by row.
    light = canvas.light
    depth = camera.eye[1] * camera.focal * camera.width / (below * camera.height)
    clear = np.exp(-depth / light.visibility)[:, None, None]
    air = (255 * (1 - clear) * np.array(light.haze)).astype(np.uint8)
    keep = np.rint(255 * clear).astype(np.uint8)
    cv2.multiply(region, np.broadcast_to(keep, region.shape).copy(), region, 1 / 255)
    cv2.add(region, np.broadcast_to(air, region.shape).copy(), region)
