"""Label ids of Cityscapes and random surface colors.

The ranges overlap on purpose: a red patch may be a bus, a brick wall, a coat or a sign, a grey one anything.
"""

from __future__ import annotations

import colorsys

import numpy as np

UNLABELLED, EGO, STATIC = 0, 1, 4
ROAD, SIDEWALK, BUILDING, WALL, FENCE, POLE = 7, 8, 11, 12, 13, 17
LIGHT, SIGN, VEGETATION, TERRAIN, SKY = 19, 20, 21, 22, 23
PERSON, RIDER, CAR, TRUCK, BUS, TRAIN, MOTORCYCLE, BICYCLE = 24, 25, 26, 27, 28, 31, 32, 33

RGB = tuple[float, float, float]


def hsv(hue: float, saturation: float, value: float) -> RGB:
    """Hue, saturation and value (0..1 each) -> RGB 0..1."""
    return colorsys.hsv_to_rgb(hue % 1.0, min(1.0, saturation), min(1.0, value))


def grey(rng: np.random.Generator, low: float = 0.12, high: float = 0.85) -> RGB:
    """A grey with a slight warm or cold tint: asphalt, concrete, metal, paint."""
    value, tint = rng.uniform(low, high), rng.normal(0.0, 0.025)
    return (float(value * (1 + tint)), float(value), float(value * (1 - tint)))


def paint(rng: np.random.Generator) -> RGB:
    """Anything painted or dyed: vehicles, clothes, doors, boards."""
    if rng.random() < 0.5:
        return grey(rng, 0.06, 0.92)
    return hsv(rng.random(), rng.uniform(0.25, 0.85), rng.uniform(0.15, 0.85))


def masonry(rng: np.random.Generator) -> RGB:
    """Facades and walls: concrete, brick, plaster in any pastel, now and then painted."""
    kind = rng.random()
    if kind < 0.35:
        return grey(rng, 0.22, 0.85)
    if kind < 0.6:
        return hsv(rng.uniform(0.0, 0.09), rng.uniform(0.3, 0.65), rng.uniform(0.25, 0.6))
    if kind < 0.85:
        return hsv(rng.uniform(0.05, 0.17), rng.uniform(0.12, 0.45), rng.uniform(0.45, 0.85))
    return hsv(rng.random(), rng.uniform(0.1, 0.4), rng.uniform(0.3, 0.8))


def plant(rng: np.random.Generator) -> RGB:
    """Leaves and grass alike: mostly greens, also straw, rust and dark olive."""
    if rng.random() < 0.85:
        return hsv(rng.uniform(0.17, 0.4), rng.uniform(0.25, 0.65), rng.uniform(0.18, 0.5))
    return hsv(rng.uniform(0.04, 0.16), rng.uniform(0.25, 0.6), rng.uniform(0.25, 0.55))


def glass(rng: np.random.Generator) -> RGB:
    """A window: dark, or reflecting the sky."""
    value = rng.uniform(0.05, 0.5)
    return (float(value * 0.85), float(value * 0.97), float(value * 1.1))


def varied(rng: np.random.Generator, albedo: RGB, spread: float = 0.12) -> RGB:
    """A neighbour of the color, brighter or darker by up to `spread`."""
    factor = rng.uniform(1 - spread, 1 + spread)
    return (min(1.0, albedo[0] * factor), min(1.0, albedo[1] * factor), min(1.0, albedo[2] * factor))
