"""What a search has found: a table, and a config and weights for each network that no other one beats."""

from __future__ import annotations

import logging
import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from paddleseg_lite.files import atomic_write, remove
from paddleseg_lite.scaling.architecture import Architecture
from paddleseg_lite.scaling.state import SearchState

_log = logging.getLogger(__name__)

FRONTIER = "frontier"  # folder of configs and weights
_SUFFIXES = (".yml", ".pdparams")
_COLUMNS = ("network", "step", "grown in", "cost", "spread", "GMACs", "mIoU", "seconds", "")
_TEXTS = ("network", "grown in", "")  # columns that begin at the left


@dataclass(frozen=True)
class Point:
    """A trained network of a search.

    Attributes:
        name: of the network.
        step: in which it was a candidate last; 0 for the first one, None for one to compare with.
        move: how it has grown from its parent.
        cost, spread: see `cost.Cost`.
        gmacs: multiply-adds, 1e9.
        miou: at the end of its training; None if it was not trained.
        seconds: of its training.
        is_chosen: whether the search went on from it.
        is_best: whether no other one costs no more and has no lower mIoU.
    """

    name: str
    step: int | None
    move: str
    cost: float
    spread: float
    gmacs: float
    miou: float | None
    seconds: float | None
    is_chosen: bool = False
    is_best: bool = False

    def cells(self) -> tuple[str, ...]:
        """Return the texts of all columns."""
        return (
            self.name,
            "–" if self.step is None else str(self.step),
            self.move,
            f"{self.cost:.4g}",
            f"{self.spread:.2g}" if self.spread else "–",
            f"{self.gmacs:.4g}",
            "–" if self.miou is None else f"{self.miou:.4f}",
            f"{self.seconds:.0f}" if self.seconds else "–",
            ", ".join(
                word for word, holds in (("chosen", self.is_chosen), ("frontier", self.is_best)) if holds
            ),
        )


def points(state: SearchState, gmacs: Callable[[str], float]) -> list[Point]:
    """Return the networks that were trained, in the order of steps, then those to compare with.

    Args:
        state: of the search.
        gmacs: returns the multiply-adds of a network, in 1e9, by its name.
    """
    trained = {name: own for name, own in state.networks.items() if own.miou is not None}
    best = frontier([(name, own.cost, own.miou) for name, own in trained.items() if own.miou])
    chosen = state.path()
    found = [
        Point(
            name,
            own.step,
            own.move,
            own.cost,
            own.spread,
            gmacs(name),
            own.miou,
            own.seconds,
            name in chosen,
            name in best,
        )
        for name, own in sorted(trained.items(), key=lambda item: item[1].step)
    ]
    return found + [
        Point(name, None, "", own.cost, own.spread, gmacs(name), own.miou, own.seconds)
        for name, own in state.references.items()
    ]


def frontier(candidates: Sequence[tuple[str, float, float]]) -> list[str]:
    """Return the names, the cheapest first, of those (name, cost, mIoU) that no other one beats.

    One beats another if it costs no more and its mIoU is no lower, and one of the two is better.
    """
    kept: list[str] = []
    best = float("-inf")
    for name, _, miou in sorted(candidates, key=lambda one: (one[1], -one[2])):
        if miou > best:
            kept.append(name)
            best = miou
    return kept


def rows(found: Sequence[Point], unit: str) -> list[tuple[str, ...]]:
    """Return the table's head and its rows; multiply-adds that are the cost stand there once."""
    kept = [number for number, name in enumerate(_COLUMNS) if name != unit]
    head = [unit if name == "cost" else name for name in _COLUMNS]
    return [tuple(row[number] for number in kept) for row in (head, *(point.cells() for point in found))]


def table(found: Sequence[Point], unit: str) -> str:
    """Return a table for a terminal."""
    head, *others = rows(found, unit)
    lines = []
    widths = [max(map(len, column)) for column in zip(head, *others)]
    for row in (head, *others):
        cells = zip(head, row, widths)
        texts = (cell.ljust(width) if name in _TEXTS else cell.rjust(width) for name, cell, width in cells)
        lines.append("  ".join(texts).rstrip())
    return "\n".join(lines)


def markdown(found: Sequence[Point], unit: str) -> str:
    """Return the table as Markdown."""
    head, *others = rows(found, unit)
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ("---",) * len(head), *others))


def write_frontier(
    folder: Path, found: Sequence[Point], config: Mapping[str, Any], weights: Callable[[str], Path]
) -> None:
    """Write NAME.yml and NAME.pdparams of each network that no other one beats into a folder of their own.

    Args:
        folder: of the search.
        found: the networks.
        config: of the search, as a file in any folder may have it.
        weights: returns the file of a network's weights.

    Raises:
        UserError: a file cannot be written.
    """
    best = [point for point in found if point.is_best]
    beaten = {f"{point.name}{suffix}" for point in found for suffix in _SUFFIXES if not point.is_best}
    for old in (folder / FRONTIER).glob("*"):
        if old.name in beaten:  # anything else is the user's
            remove(old)
    for point in best:
        path = folder / FRONTIER / f"{point.name}.yml"
        weights_path = path.with_suffix(".pdparams")
        head = (
            f"# Found by `paddleseg-lite scale`: mIoU {point.miou:.4f} at the end of its short training,\n"
            f"# whose weights are in {weights_path.name}. A whole training from random weights:\n#\n"
            f"#   paddleseg-lite train --config {shlex.quote(str(path))} --do_eval --save_dir "
            f"output/{point.name}\n\n"
        )
        values = {**config, "model": Architecture.from_name(point.name).model()}
        atomic_write(path, head + yaml.safe_dump(values, sort_keys=False, allow_unicode=True))
        if (source := weights(point.name)).exists():
            atomic_write(weights_path, partial(shutil.copyfile, source))
        elif not weights_path.exists():
            _log.warning(f"[SCALE] {source} is gone, and so there is no {weights_path}")
