"""Checks that the transforms' constructors share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paddleseg_lite.errors import UserError
from paddleseg_lite.registry import did_you_mean


def size_pair(owner: str, name: str, value: Any) -> tuple[int, int]:
    """Return (width, height) from a list or tuple of two positive integers.

    Raises:
        UserError: it is anything else.
    """
    if not isinstance(value, (list, tuple)) or len(value) != 2 or not all(_is_size(side) for side in value):
        raise UserError(f"{owner}: {name} must be [width, height], two positive integers, got {value!r}")
    return int(value[0]), int(value[1])


def padding(owner: str, im_padding_value: Any, label_padding_value: Any) -> tuple[float, int]:
    """Return the padding values of image (scale 0 to 255) and label.

    Raises:
        UserError: they are no numbers, or the label's is no id from 0 to 255.
    """
    image = number(owner, "im_padding_value", im_padding_value)
    return image, int(number(owner, "label_padding_value", label_padding_value, 0, 255))


def number(
    owner: str, name: str, value: Any, low: float = -float("inf"), high: float = float("inf")
) -> float:
    """Return a number in [low, high] as it came.

    Raises:
        UserError: it isn't a number, or outside.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise UserError(f"{owner}: {name} must be a number in [{low:g}, {high:g}], got {value!r}")
    return value


def positive(owner: str, name: str, value: Any) -> int:
    """Return a positive integer as it came.

    Raises:
        UserError: it is anything else.
    """
    if not _is_size(value):
        raise UserError(f"{owner}: {name} must be a positive integer, got {value!r}")
    return value


def ordered(owner: str, low_name: str, low: Any, high_name: str, high: Any, least: float) -> None:
    """Check least <= low <= high.

    Raises:
        UserError: they aren't.
    """
    number(owner, low_name, low, least)
    number(owner, high_name, high, least)
    if low > high:
        raise UserError(f"{owner}: {low_name} ({low}) must not exceed {high_name} ({high})")


def one_of(owner: str, name: str, value: Any, allowed: Sequence[str]) -> str:
    """Return one of the words that are allowed.

    Raises:
        UserError: it is another one.
    """
    if value not in allowed:
        hint = did_you_mean(value, allowed)
        raise UserError(f"{owner}: {name} must be one of {', '.join(allowed)}, got {value!r}{hint}")
    return str(value)


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
