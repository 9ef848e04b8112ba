"""Trees, hedges, grass and the sky with its clouds."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from demo.streetscenes import palette as pal
from demo.streetscenes.canvas import Canvas
from demo.streetscenes.geometry import UP, Color, Frame
from demo.streetscenes.shapes import darker, limb, rectangles


@lru_cache(maxsize=8)
def noise_tile(size: int, octaves: int, seed: int) -> np.ndarray:
    """Smooth noise that tiles, float32 [size, size], mean 0, standard deviation 1."""
    rng = np.random.default_rng(seed)
    total = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        cells = max(2, size >> octave)
        coarse = rng.standard_normal((cells, cells)).astype(np.float32)
        pad = np.pad(coarse, 2, mode="wrap")
        factor = size // cells
        fine = cv2.resize(pad, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
        total += fine[2 * factor : 2 * factor + size, 2 * factor : 2 * factor + size] * 1.7**octave
    return (total - total.mean()) / total.std()


def _clumps(
    canvas: Canvas,
    frame: Frame,
    centres: np.ndarray,
    radii: np.ndarray,
    leaf: Color,
    rng: np.random.Generator,
) -> None:
    """Leafy balls, dark ones first and low, bright ones last and high."""
    low, high = centres[:, 1].min(), centres[:, 1].max() + 1e-6
    order = np.argsort(centres[:, 1] + rng.uniform(0, 0.5, len(centres)) * (high - low))
    corners = 10
    angle = np.arange(corners) * (2 * np.pi / corners)
    reach = radii[order, None] * rng.uniform(0.75, 1.2, (len(order), corners))  # ragged, as leaves are
    c, s = np.cos(canvas.camera.yaw), np.sin(canvas.camera.yaw)
    across = np.cos(angle) * reach
    edge = np.stack([c * across, np.sin(angle) * reach, -s * across], axis=-1)
    polygons = frame.place(centres[order])[:, None] + edge
    steps = 4 + len(order) // 8
    for k in range(steps):
        part, rise = polygons[k * len(order) // steps : (k + 1) * len(order) // steps], k / (steps - 1)
        tone, up = (0.45 + 0.65 * rise) * float(rng.uniform(0.8, 1.2)), 0.2 + 0.7 * rise
        canvas.fill(part, darker(leaf, tone), pal.VEGETATION, (0.0, up, -((1 - up * up) ** 0.5)))


def tree(canvas: Canvas, frame: Frame, rng: np.random.Generator) -> None:
    """A broad-leaved tree, a column or a conifer, 4 to 9 m high; the trunk counts as vegetation."""
    leaf, bark = (
        pal.plant(rng),
        pal.hsv(rng.uniform(0.04, 0.12), rng.uniform(0.1, 0.4), rng.uniform(0.12, 0.4)),
    )
    facing = Frame(frame.x, frame.z, canvas.camera.yaw, frame.y)
    height, kind = float(rng.uniform(4.5, 9.0)), rng.random()
    thick = height * float(rng.uniform(0.035, 0.06))
    trunk = np.stack([limb((0, 0), (rng.uniform(-0.3, 0.3), height * 0.6), thick * 1.4, thick)])
    canvas.fill(facing.on_end(0.0, trunk), bark, pal.VEGETATION)
    if kind < 0.2:
        for k in range(6):
            y, w = height * (0.15 + 0.13 * k), height * 0.3 * (1 - k / 6.5)
            skirt = np.array([(-w, y), (w, y), (w * 0.12, y + height * 0.25), (-w * 0.12, y + height * 0.25)])
            canvas.fill(facing.on_end(0.0, skirt[None]), pal.varied(rng, leaf, 0.3), pal.VEGETATION)
        return
    count = 40 if frame.z < 25 else 14
    spread = height * float(rng.uniform(0.22, 0.4) if kind < 0.85 else 0.12)
    direction = rng.standard_normal((count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    offset = direction * rng.uniform(0.4, 1.0, (count, 1)) ** 0.5
    centres = np.array([0.0, height * 0.68, 0.0]) + offset * (spread, height * 0.3, 0.3)
    _clumps(canvas, facing, centres, rng.uniform(0.16, 0.34, count) * spread + 0.1, leaf, rng)


def hedge(canvas: Canvas, frame: Frame, side: float, length: float, rng: np.random.Generator) -> None:
    """A hedge or a row of bushes along the plot's front, 1 to 2.2 m high."""
    height, leaf = float(rng.uniform(0.9, 2.2)), pal.plant(rng)
    if rng.random() < 0.6:
        canvas.fill(
            frame.on_side(side * 0.3, rectangles(0, length, 0, height * 0.8)),
            darker(leaf, 0.6),
            pal.VEGETATION,
        )
        end = rectangles(min(0.3 * side, 1.2 * side), max(0.3 * side, 1.2 * side), 0, height * 0.8)
        canvas.fill(frame.on_end(0.0, end), darker(leaf, 0.5), pal.VEGETATION)
    count = int((5 if frame.z < 25 else 2) * length)
    centres = np.stack(
        [
            side * rng.uniform(0.2, 0.8, count),
            rng.uniform(0.15, 0.9, count) * height,
            rng.uniform(0, length, count),
        ],
        axis=-1,
    )
    _clumps(canvas, frame, centres, rng.uniform(0.2, 0.38, count), leaf, rng)


def tufts(canvas: Canvas, points: np.ndarray, color: Color, rng: np.random.Generator) -> None:
    """Blades of grass at ground points [N, 3]: the strokes that tell a lawn from asphalt."""
    lean = rng.uniform(-0.12, 0.12, len(points))
    high = rng.uniform(0.08, 0.24, len(points))
    width = np.array([0.04, 0.0, 0.0])
    a, b, c = points - width, points + width, points + np.stack([lean, high, 0 * lean], -1)
    blades = np.stack([a, b, c], axis=1)
    for k, tone in enumerate((0.6, 0.85, 1.25)):
        canvas.fill(blades[k::3], darker(color, tone), pal.TERRAIN, UP, disjoint=True)


def paint_sky(canvas: Canvas, rng: np.random.Generator) -> None:
    """Fill the canvas with sky: haze at the horizon, blue, grey or dusk above, clouds of any cover."""
    light, size = canvas.light, (128, 256)
    row = np.linspace(0.0, 1.0, size[0], dtype=np.float32)[:, None, None]
    rise = np.clip(1.0 - row / canvas.camera.horizon, 0.0, 1.0)  # 0 at the horizon, 1 at the image's top
    strength = float(np.mean(light.ambient)) * 0.9 + 0.35
    zenith = (
        np.array(pal.hsv(rng.uniform(0.53, 0.64), rng.uniform(0.05, 0.6), 1.0))
        * strength
        * rng.uniform(0.55, 1.0)
    )
    sky = np.array(light.haze) * (1 - rise) + zenith.astype(np.float32) * rise
    tile = noise_tile(512, 9, 7)
    y, x = (int(v) for v in rng.integers(0, 512, 2))
    rolled = np.roll(tile, (y, x), (0, 1))
    cloud = cv2.resize(rolled[:96, :192], size[::-1], interpolation=cv2.INTER_LINEAR)
    cover = np.clip(cloud * rng.uniform(0.3, 0.8) + rng.uniform(-0.5, 0.7), 0, 1)[..., None] * np.clip(
        rise * 4, 0, 1
    )
    shade = strength * rng.uniform(0.75, 1.15) * (1 - 0.25 * np.clip(cloud, 0, 1.5))[..., None]
    sky = sky * (1 - cover) + shade * cover * np.array([1.0, 1.0, 1.02])
    full = np.clip(sky * 255, 0, 255).astype(np.uint8)
    cv2.resize(
        full, (canvas.camera.width, canvas.camera.height), canvas.image, interpolation=cv2.INTER_LINEAR
    )
    canvas.label[:] = pal.SKY
