"""LPSNet's design space: what describes a network, and the ten directions in which it can grow."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_PATHS = 3
_NAME = re.compile(r"d([\d-]+)_c([\d-]+)_r([\d.-]+)")


@dataclass(frozen=True)
class Architecture:
    """An LPSNet.

    Attributes:
        depths: convolutions of each of the five stages.
        channels: width of each stage.
        ratios: the image's scale for each of the three paths, the largest first; 0: there is no such path.
    """

    depths: tuple[int, ...]
    channels: tuple[int, ...]
    ratios: tuple[float, ...]

    @property
    def name(self) -> str:
        """A name for files, such as d1-3-3-10-10_c8-24-48-96-96_r0.75-0.25."""
        values = (self.depths, self.channels, [f"{ratio:g}" for ratio in self.ratios if ratio])
        return "_".join(letter + "-".join(map(str, numbers)) for letter, numbers in zip("dcr", values))

    @classmethod
    def from_name(cls, name: str) -> Architecture:
        """Return the network of that `name`.

        Raises:
            ValueError: it names none.
        """
        if not (found := _NAME.fullmatch(name)):
            raise ValueError(f"'{name}' names no network")
        depths, channels, ratios = (part.split("-") for part in found.groups())
        missing = [0.0] * (_PATHS - len(ratios))
        return cls(tuple(map(int, depths)), tuple(map(int, channels)), (*map(float, ratios), *missing))

    def model(self) -> dict[str, Any]:
        """Return the section `model` of a config."""
        return {
            "type": "LPSNet",
            "depths": list(self.depths),
            "channels": list(self.channels),
            "scale_ratios": [ratio for ratio in self.ratios if ratio],
        }

    def macs(self, size: tuple[int, int], num_classes: int, in_channels: int = 3) -> int:
        """Return the multiply-adds of the convolutions for an image of size (width, height)."""
        total = sides = 0
        paths = [ratio for ratio in self.ratios if ratio]
        for number, ratio in enumerate(paths):
            width, height = (int(ratio * side) for side in size)
            before = in_channels
            for stage, (depth, channels) in enumerate(zip(self.depths, self.channels)):
                if stage < len(self.depths) - 1:
                    width, height = (width + 1) // 2, (height + 1) // 2  # 3x3 with padding 1 and stride 2
                total += 9 * channels * (before + (depth - 1) * channels) * width * height
                before = channels
            sides = sides if number else width * height  # the classifier works at the first path's size
        return total + sides * num_classes * self.channels[-1] * len(paths)


def _grid(*values: int, first: int = 0) -> tuple[int, ...]:
    return tuple(value if stage >= first else 0 for stage, value in enumerate(values))


_WIDTHS = (4, 8, 16, 32, 32)
_RATIO = 1 / 8
_NONE = (0, 0, 0, 0, 0)

START = Architecture((1, 1, 1, 1, 1), _WIDTHS, (0.5, 0.0, 0.0))
PUBLISHED = {  # what the paper's search found on Cityscapes
    "lpsnet_s": Architecture((1, 3, 3, 10, 10), (8, 24, 48, 96, 96), (0.75, 0.25, 0.0)),
    "lpsnet_m": Architecture((1, 3, 3, 10, 10), (8, 24, 48, 96, 96), (1.0, 0.25, 0.0)),
    "lpsnet_l": Architecture((1, 3, 3, 10, 10), (8, 24, 64, 160, 160), (1.0, 0.25, 0.0)),
}
_BACKBONES = {"lraspp_os8": "MobileNetV3_large_x1_0_os8", "lraspp_os32": "MobileNetV3_large_x1_0"}
REFERENCES: dict[str, dict[str, Any]] = {  # the section `model` of each network to compare with
    **{name: network.model() for name, network in PUBLISHED.items()},
    **{name: {"type": "LRASPP", "backbone": {"type": kind}} for name, kind in _BACKBONES.items()},
}


@dataclass(frozen=True)
class Direction:
    """A direction in which a network can grow.

    Attributes:
        kind: "depth", "width" or "ratio".
        text: what grows.
        depths, channels: what one step adds to each stage.
        path: the path whose ratio one step raises, counted from 0 in the order of the ratios.
    """

    kind: str
    text: str
    depths: tuple[int, ...] = _NONE
    channels: tuple[int, ...] = _NONE
    path: int | None = None

    def grown(self, parent: Architecture, times: int) -> Architecture | None:
        """Return the parent after so many steps; None if a path would enlarge the image."""
        ratios = list(parent.ratios)
        if self.path is not None:
            ratios[self.path] += times * _RATIO
        if max(ratios) > 1:
            return None
        return Architecture(
            _added(parent.depths, self.depths, times),
            _added(parent.channels, self.channels, times),
            tuple(sorted(ratios, reverse=True)),
        )


def _added(before: Sequence[int], step: Sequence[int], times: int) -> tuple[int, ...]:
    return tuple(value + times * more for value, more in zip(before, step))


DIRECTIONS = (
    *(
        Direction("depth", f"depth of the last {word} stages", depths=_grid(1, 1, 1, 1, 1, first=first))
        for first, word in ((1, "four"), (2, "three"), (3, "two"))
    ),
    *(
        Direction("width", f"width of {words}", channels=_grid(*_WIDTHS, first=first))
        for first, words in enumerate(
            ("all stages", "the last four stages", "the last three stages", "the last two stages")
        )
    ),
    *(Direction("ratio", f"ratio of path {path + 1}", path=path) for path in range(_PATHS)),
)
KINDS = ("depth", "width", "ratio")
