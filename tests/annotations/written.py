"""What tests of annotations have in common: small files, and what a source found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from paddleseg_lite.annotations import Item, Source

SIZE = (40, 60)


def write(path: Path, array: np.ndarray) -> None:
    """Write a picture of RGB or gray, with the folder that it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, array if array.ndim == 2 else array[..., ::-1])[1].tobytes())


def photo(size: tuple[int, int]) -> np.ndarray:
    """Return a picture of one color, uint8 [H, W, 3] RGB."""
    return np.dstack([np.full(size, value, np.uint8) for value in (30, 90, 200)])


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file, with the folder that it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def kinds(source: Source) -> dict[str, tuple[str, ...]]:
    """Return {kind: names} of what was found."""
    return {finding.kind: finding.names for finding in source.findings}


def label_of(source: Source, name: str) -> np.ndarray:
    """Return the label of an item."""
    return source.label(next(item for item in source.items if item.name == name))


def agree(source: Source, item: Item) -> bool:
    """Return whether image and label of an item have one size."""
    return source.label(item).shape == source.image(item).shape[:2]


ODD = [
    None,
    True,
    -1,
    0,
    1 << 70,
    1e300,
    float("nan"),
    "",
    "\x80",
    "../..",
    "\0",
    [],
    [[]],
    {},
    [[1, 2], [3]],
]


def with_odd_value(content: Any, rng: np.random.Generator) -> Any:
    """Return a copy of JSON values where one of them, anywhere, is of another kind, gone, or there twice."""
    content = json.loads(json.dumps(content))
    place = content
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = keys[rng.integers(len(keys))]
        if isinstance(place[key], (dict, list)) and place[key] and rng.random() < 0.8:
            place = place[key]
            continue
        what = rng.integers(len(ODD) + 2)
        if what < len(ODD):
            place[key] = ODD[what]
        elif what == len(ODD):
            del place[key]
        elif isinstance(place, list):
            place.append(place[key])
        return content
