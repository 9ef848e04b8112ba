"""Weather, light and the camera's own flaws."""

from __future__ import annotations

import cv2
import numpy as np

from demo.streetscenes import palette as pal
from demo.streetscenes.canvas import Canvas
from demo.streetscenes.geometry import Camera, Light
from demo.streetscenes.nature import noise_tile

# How rough a surface looks at close range, in percent of its brightness.
ROUGHNESS = {
    pal.ROAD: 5, pal.SIDEWALK: 6, pal.BUILDING: 3, pal.WALL: 7, pal.FENCE: 4, pal.POLE: 4, pal.VEGETATION: 24,
    pal.TERRAIN: 17, pal.PERSON: 7, pal.RIDER: 7,
}  # fmt: skip


def make_camera(rng: np.random.Generator, width: int, height: int, ahead: float) -> Camera:
    """A camera behind the windscreen of a car in the lane right of the axis, `ahead` metres along it."""
    eye = (float(rng.uniform(1.2, 2.1)), float(rng.uniform(1.35, 2.1)), ahead)
    focal, horizon = float(rng.uniform(0.72, 0.98)), float(rng.uniform(0.40, 0.52))
    yaw, roll = float(rng.normal(0.0, 0.05)), float(rng.normal(0.0, 0.012))
    return Camera(width, height, eye, focal, horizon, float(np.clip(yaw, -0.12, 0.12)), roll)


def make_light(rng: np.random.Generator) -> Light:
    """Sunny, overcast, low sun or dusk; clear air or haze."""
    kind = rng.random()
    azimuth = rng.uniform(0, 2 * np.pi)
    height = rng.uniform(0.45, 1.2) if kind < 0.75 else rng.uniform(0.15, 0.4)
    direction = (
        float(np.cos(height) * np.sin(azimuth)),
        float(np.sin(height)),
        float(np.cos(height) * np.cos(azimuth)),
    )
    sunny = 0.0 if 0.4 < kind < 0.7 else float(rng.uniform(0.5, 1.0))
    warmth = 0.0 if kind < 0.75 else float(rng.uniform(0.1, 0.4))
    power = sunny * rng.uniform(0.45, 0.75)
    sun = (float(power * (1 + warmth * 0.3)), float(power), float(power * (1 - warmth)))
    base = float(rng.uniform(0.42, 0.62)) + 0.3 * (1.0 - sunny)
    ambient = (base * 0.96, base, base * float(rng.uniform(1.0, 1.1)))
    fog = rng.random() < 0.25
    visibility = float(rng.uniform(55, 110) if fog else rng.uniform(150, 600))
    tone = float(rng.uniform(0.6, 0.95)) * (0.55 + 0.45 * base)
    haze = (tone * (1 + warmth * 0.25), tone, tone * (1.04 - warmth * 0.4))
    return Light(direction, sun, ambient, haze, visibility, sunny * float(rng.uniform(0.35, 0.55)))


def _rough(canvas: Canvas, rng: np.random.Generator) -> None:
    """Multiply each class's own amount of fine noise into the picture."""
    height, width = canvas.label.shape
    table = np.zeros(256, np.uint8)
    for label, percent in ROUGHNESS.items():
        table[label] = percent
    tile = noise_tile(512, 3, 23)
    y, x = (int(v) for v in rng.integers(0, 512, 2))
    noise = np.roll(tile, (y, x), (0, 1))
    # A scene keeps its grain at any size: the tile always spans 0.75 of the width.
    grown = cv2.resize(noise, (round(width * 0.75), round(width * 0.75)), interpolation=cv2.INTER_AREA)
    repeat = (-(-height // grown.shape[0]), -(-width // grown.shape[1]))
    field = np.tile(grown, repeat)[:height, :width]
    swing = cv2.multiply(field, cv2.LUT(canvas.label, table), scale=1.28, dtype=cv2.CV_32F)
    gain = cv2.convertScaleAbs(swing, alpha=1.0, beta=128.0)
    cv2.multiply(canvas.image, cv2.cvtColor(gain, cv2.COLOR_GRAY2RGB), canvas.image, 1 / 128)


def _tone_curve(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Exposure, white balance and contrast as one table per channel."""
    # As a camera does: the mean brightness decides, here with some luck.
    mean = float(cv2.resize(image, (32, 16), interpolation=cv2.INTER_AREA).mean()) / 255.0
    exposure = float(np.clip(rng.uniform(0.32, 0.5) / (mean + 1e-3), 0.6, 2.6))
    gamma = float(rng.uniform(0.8, 1.2))
    balance = np.exp(rng.normal(0.0, 0.06, 3))
    balance /= balance.mean()
    lift = float(rng.uniform(0.0, 0.08))
    level = np.arange(256) / 255.0
    curves = [lift + (1 - lift) * np.clip(level * exposure * b, 0, 1) ** gamma for b in balance]
    table = np.rint(np.stack(curves, axis=-1) * 255).astype(np.uint8)[None]
    return cv2.LUT(image, table)


def develop(canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
    """Turn the painted canvas into a photograph: roughness, tone, vignette, blur, noise. uint8 [H, W, 3]."""
    _rough(canvas, rng)
    image = _tone_curve(rng, canvas.image)
    height, width = image.shape[:2]
    fall = float(rng.uniform(0.0, 0.4))
    y, x = np.mgrid[-1:1:33j, -1:1:65j].astype(np.float32)
    dark = 255 * (1 - fall * (x * x + 0.5 * y * y) / 1.5)
    mask = cv2.resize(dark.astype(np.uint8), (width, height), interpolation=cv2.INTER_LINEAR)
    cv2.multiply(image, cv2.cvtColor(mask, cv2.COLOR_GRAY2RGB), image, 1 / 255)
    sigma = float(rng.uniform(0.25, 0.75)) * width / 512
    image = cv2.GaussianBlur(image, (0, 0), sigma)
    tile, strength = noise_tile(256, 1, 31), float(rng.uniform(1.5, 6.0))
    y0, x0 = (int(v) for v in rng.integers(0, 256, 2))
    grain = np.tile(np.roll(tile, (y0, x0), (0, 1)), (-(-height // 256), -(-width // 256)))
    scaled = np.rint(grain[:height, :width] * strength).astype(np.int16)
    channels = [scaled, np.roll(scaled, 97, 1), np.roll(scaled, 61, 0)]
    return cv2.add(image, cv2.merge(channels), dtype=cv2.CV_8U)
