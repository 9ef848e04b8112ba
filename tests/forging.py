"""Plain data with one place changed, as a forger or a damaged disk changes it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

Place = tuple[Any, ...]  # keys and indices, from the outside inwards


def places(value: Any, place: Place = ()) -> Iterator[Place]:
    """Yield the place of a value, and those of all that is in its dicts and lists."""
    yield place
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*place, key))


def replaced(value: Any, place: Place, new: Any) -> Any:
    """Return a copy of a value that has something else in a place."""
    if not place:
        return new
    changed = copy.copy(value)
    changed[place[0]] = replaced(value[place[0]], place[1:], new)
    return changed
