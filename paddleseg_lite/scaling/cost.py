"""What a network costs: its measured latency, kept in a file, or its multiply-adds."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, Protocol

from paddleseg_lite.files import atomic_write
from paddleseg_lite.json_files import NUMBER, read_json

_log = logging.getLogger(__name__)

KEPT = 10  # rounds of a network, the fastest ones, that its latency is the median of

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

    It is the median of the fastest rounds of runs, its spread the range of these. Others are slower for what
    the machine does besides, often for seconds on end, and a median over all would be one of that.

    Args:
        path: the JSON file: for each network and condition the fastest rounds.
        measure: returns the times of rounds with a network, in milliseconds.
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
        return self._cost(name) if self._kept.get(self._key(name)) else self.again(name, model)

    def again(self, name: str, model: Model) -> Cost:
        """Measure a network once more, and return its latency by all the rounds so far."""
        key = self._key(name)
        times = [*self._kept.get(key, []), *(round(time, 4) for time in self._measure(model))]
        self._kept[key] = sorted(times)[:KEPT]
        lines = (f" {json.dumps(name)}: {json.dumps(times)}" for name, times in self._kept.items())
        atomic_write(self._path, "{\n" + ",\n".join(lines) + "\n}\n")
        cost = self._cost(name)
        _log.info(f"[SCALE] {name}: {cost.value:.3f} ms, spread {cost.spread:.3f} ms")
        return cost

    def _key(self, name: str) -> str:
        return f"{name}, {self.condition}"

    def _cost(self, name: str) -> Cost:
        times = self._kept[self._key(name)]
        return Cost(median(times), times[-1] - times[0])


class Macs:
    """Multiply-adds of a network's convolutions, in 1e9; they have no spread.

    Args:
        count: returns those of a network by its name.
        condition: the size of the image.
    """

    unit = "GMACs"

    def __init__(self, count: Callable[[str], float], condition: str) -> None:
        self._count, self.condition = count, condition

    def of(self, name: str, model: Model) -> Cost:
        """Return a network's multiply-adds."""
        return Cost(self._count(name))

    again = of
