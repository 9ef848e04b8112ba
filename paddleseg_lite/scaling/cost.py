"""What a network costs: its measured latency, kept in a file, or its multiply-adds."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, Protocol

import numpy as np

from paddleseg_lite.files import atomic_write
from paddleseg_lite.json_files import NUMBER, read_json

_log = logging.getLogger(__name__)

Model = Mapping[str, Any]  # the section `model` of a config


class Cost(NamedTuple):
    """A cost, and how far a second measurement may be from it."""

    value: float
    spread: float = 0.0


class Costs(Protocol):
    """Tells what networks cost.

    Attributes:
        unit: of the costs.
        condition: what they depend on besides the network, for a person to read.
    """

    unit: str
    condition: str

    def of(self, name: str, model: Model) -> Cost:
        """Return what the network of that name costs."""

    def again(self, name: str, model: Model) -> Cost:
        """Return the same, known better if that is possible."""


class Latency:
    """The time of one image, in milliseconds, which is measured once and kept.

    It is the median of the medians of several rounds of runs. Its spread is twice the standard error of that
    median, 1.86 x interquartile range / sqrt(rounds): a second measurement lies within it 19 times of 20, as
    long as the machine does nothing else meanwhile.

    Args:
        path: the JSON file: for each network and condition the medians of the rounds.
        measure: returns the medians of a network, in milliseconds; the rounds are as many as it likes.
        condition: runtime, size, threads and machine.
    """

    unit = "ms"

    def __init__(self, path: Path, measure: Callable[[Model], list[float]], condition: str) -> None:
        self._path, self._measure, self.condition = path, measure, condition
        self._kept: dict[str, list[float]] = {}
        if path.exists():
            remedy = "remove it: latencies are then measured again"
            self._kept = read_json(path, {str: [NUMBER]}, remedy)

    def of(self, name: str, model: Model) -> Cost:
        """Return a network's latency, which is measured if it is not known."""
        return self._cost(name) if self._key(name) in self._kept else self.again(name, model)

    def again(self, name: str, model: Model) -> Cost:
        """Measure a network once more, and return its latency by all the rounds so far."""
        key = self._key(name)
        self._kept[key] = [*self._kept.get(key, []), *(round(time, 4) for time in self._measure(model))]
        lines = (f" {json.dumps(name)}: {json.dumps(times)}" for name, times in self._kept.items())
        atomic_write(self._path, "{\n" + ",\n".join(lines) + "\n}\n")
        cost = self._cost(name)
        _log.info(f"[SCALE] {name}: {cost.value:.3f} ms, spread {cost.spread:.3f} ms")
        return cost

    def _key(self, name: str) -> str:
        return f"{name}, {self.condition}"

    def _cost(self, name: str) -> Cost:
        times = self._kept[self._key(name)]
        low, high = np.percentile(times, [25, 75])
        return Cost(median(times), float(1.86 * (high - low) / np.sqrt(len(times))))


class Macs:
    """Multiply-adds of a network's convolutions, in 1e9; they have no spread.

    Args:
        count: returns those of a network.
        condition: the size of the image.
    """

    unit = "GMACs"

    def __init__(self, count: Callable[[Model], float], condition: str) -> None:
        self._count, self.condition = count, condition
        self._kept: dict[str, float] = {}

    def of(self, name: str, model: Model) -> Cost:
        """Return a network's multiply-adds."""
        if name not in self._kept:
            self._kept[name] = self._count(model)
        return Cost(self._kept[name])

    again = of
