"""Predictions and labels drawn at random, as metrics see them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from paddleseg_lite.metrics import Metric, Observation


def seen(index: int, prediction: object, label: object, confidence: object = None) -> Observation:
    """Return an observation of lists or arrays."""
    arrays = (np.asarray(prediction, np.uint8), np.asarray(label, np.uint8))
    sure = None if confidence is None else np.asarray(confidence, np.float32)
    return Observation(index, f"{index}.png", f"{index}_label.png", *arrays, sure)


def drawn(count: int, classes: int = 5, size: tuple[int, int] = (40, 60), seed: int = 0) -> list[Observation]:
    """Return images of blocks, two thirds of whose pixels are predicted right; some are ignored."""
    rng = np.random.default_rng(seed)
    found = []
    for index in range(count):
        blocks = rng.integers(0, classes, (size[0] // 5 + 1, size[1] // 5 + 1))
        label = blocks.repeat(5, 0).repeat(5, 1)[: size[0], : size[1]]
        prediction = np.where(rng.random(size) < 2 / 3, label, rng.integers(0, classes, size))
        label = np.where(rng.random(size) < 0.1, 255, label)
        found.append(seen(index, prediction, label, rng.uniform(1 / classes, 1, size)))
    return found


def filled(metric: Metric, images: Iterable[Observation]) -> Metric:
    """Return the metric after it has seen images."""
    for image in images:
        metric.update(image)
    return metric
