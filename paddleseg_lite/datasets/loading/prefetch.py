"""What is needed next is made, or read, before it is needed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from functools import partial
from itertools import repeat
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
_AHEAD = 2  # results that are made, or being made, before they are asked for


def prefetch_map(
    pool: Executor, function: Callable[[Item], Result], items: Iterable[Item]
) -> Iterator[Result]:
    """Yield function(item) of every item, in their order; a pool works on the next ones meanwhile.

    Items are taken as results are: so memory is bounded, and endless items are allowed.

    Args:
        pool: where `function` is called.
        function: whatever it raises is raised here, in its place.
        items: gone through in this thread.
    """
    waiting: deque[Future[Result]] = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) > _AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def read_ahead(pool: Executor, items: Iterator[Item]) -> Iterator[Item]:
    """Yield items, of which none is None; the one thread of a pool makes the next ones meanwhile."""
    return iter(partial(next, prefetch_map(pool, lambda _: next(items, None), repeat(None))), None)


def with_next(items: Iterable[Item]) -> Iterator[tuple[Item, Item | None]]:
    """Yield each item together with the one behind it, None behind the last.

    What goes wrong in making an item is raised in its place, when the one before it has been used.
    """
    iterator, failure = iter(items), None
    item = next(iterator, None)
    while item is not None:
        following = None
        try:
            following = next(iterator, None)
        except Exception as error:
            failure = error
        yield item, following
        item = following
    if failure is not None:
        raise failure
