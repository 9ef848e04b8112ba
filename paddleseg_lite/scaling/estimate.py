"""How long trainings will take: from a short one of the first network, then from those that are done."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paddleseg_lite.errors import UserError
from paddleseg_lite.scaling.architecture import PUBLISHED, START

_FITTED = 3  # trainings that are enough to draw a line through


@dataclass(frozen=True)
class Timing:
    """The seconds of the first network's training, before it is done.

    Attributes:
        fixed: what does not depend on the network: starting, reading data.
        computing: what grows with its multiply-adds.
    """

    fixed: float
    computing: float


def predicted_seconds(ratio: float, timing: Timing, done: Sequence[tuple[float, float]]) -> float:
    """Return how long a training will take.

    Args:
        ratio: the network's multiply-adds by those of the first one.
        timing: of the first one.
        done: (ratio, seconds) of trainings: with three or more a straight line is drawn through them, with
            fewer the timing is scaled to them.
    """
    if len({own for own, _ in done}) >= _FITTED:
        slope, fixed = np.polyfit([own for own, _ in done], [seconds for _, seconds in done], 1)
        if slope > 0 and fixed + slope * ratio > 0:
            return float(fixed + slope * ratio)
    before = sum(timing.fixed + timing.computing * own for own, _ in done)
    scale = sum(seconds for _, seconds in done) / before if before else 1.0
    return scale * (timing.fixed + timing.computing * ratio)


@functools.cache
def growth(steps: int) -> float:
    """Return how many times the multiply-adds become in some steps, if it goes as in the paper.

    There 14 steps lead from the first network to S; no more than 20 are looked ahead.
    """
    first, small = (network.macs((2048, 1024), 19) for network in (START, PUBLISHED["lpsnet_s"]))
    return float((small / first) ** (min(steps, 20) / 14))


_UNITS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def duration(text: str, flag: str) -> float:
    """Return the seconds of a duration such as 2h, 90min or 30ms.

    Raises:
        UserError: it is none.
    """
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    try:
        seconds = float(number) * _UNITS[text[len(number) :]]
    except (ValueError, KeyError) as error:
        raise UserError(
            f"{flag} is '{text}'; give a number and one of {', '.join(_UNITS)}, as 2h, 90min or 30ms"
        ) from error
    if not 0 < seconds < float("inf"):
        raise UserError(f"{flag} is '{text}'; give a duration above 0")
    return seconds


def spoken(seconds: float) -> str:
    """Return a duration as "40 s", "12 min" or "3.5 h"."""
    if seconds < 300:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
