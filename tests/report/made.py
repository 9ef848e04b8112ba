"""An evaluation made up in a moment: random predictions, measured by the real metrics."""

from __future__ import annotations

from typing import Any

import numpy as np

from paddleseg_lite.metrics import METRICS, Metric, Observation, make_metrics, scores
from paddleseg_lite.metrics.confusion import confusion_matrix
from paddleseg_lite.report.gallery import Gallery
from paddleseg_lite.report.write import Source

HOSTILE = "<img src=x onerror=alert(1)>&\"'"
CLASSES = (HOSTILE, "cost $x_1$", *(f"class {number}" for number in range(2, 18)), "absent")
SIZE = (48, 96)


def observations(count: int, noise: float = 0.3, seed: int = 0) -> list[Observation]:
    """Return images of which some pixels are wrong and some ignored; the last class is nowhere."""
    found = []
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        label = np.kron(rng.integers(0, len(CLASSES) - 1, (6, 12)), np.ones((8, 8))).astype(np.uint8)
        guess = np.where(rng.random(SIZE) < noise * (index + 1) / count, (label + 1) % 18, label)
        label[:2] = 255
        path = f"photos/<b>{index}</b>.png"
        sure = rng.random(SIZE, np.float32)
        found.append(Observation(index, path, f"{index}.png", guess.astype(np.uint8), label, sure))
    return found


def evaluation(seen: list[Observation], names: tuple[str, ...] = tuple(METRICS)) -> tuple[dict, Source]:
    """Return an evaluation's record, and where its images come from."""
    metrics: list[Metric] = make_metrics(names, CLASSES)
    gallery = Gallery(CLASSES)
    matrix = np.zeros((len(CLASSES), len(CLASSES)), np.int64)
    for one in seen:
        matrix += confusion_matrix(one.prediction, one.label, len(CLASSES))
        for metric in (*metrics, gallery):
            metric.update(one)
    record = {
        "protocol": _protocol(len(seen)),
        "scores": {**scores(matrix, CLASSES).as_dict(), "confusion": matrix.tolist()},
        "metrics": {metric.name: metric.result() for metric in metrics},
        "times": {"images": len(seen), "seconds": {"reading": 0.01, "network": 0.2, "measuring": 0.03}},
    }
    return record, Source(gallery, _photo, palette())


def palette() -> np.ndarray:
    """Return the classes' colors."""
    return np.random.default_rng(7).integers(0, 256, (len(CLASSES), 3)).astype(np.uint8)


def _photo(index: int) -> np.ndarray:
    """Return a photograph twice as large as its label."""
    return np.random.default_rng(index).integers(0, 256, (96, 192, 3)).astype(np.uint8)


def _protocol(images: int) -> dict[str, Any]:
    data = {"type": "Squares", "mode": "val", "images": images, "classes": list(CLASSES), "ignore_index": 255}
    return {
        "config": "<i>config.yml</i>",
        "data": {**data, "settings": None},
        "inference": {"scales": [1.0], "crop_size": None},
        "weights": {"path": "model.pdparams", "sha256": "0" * 64},
        "host": "here",
        "platform": "Linux",
        "device_name": "a CPU",
        "git": None,
        "command": ["val.py"],
    }
