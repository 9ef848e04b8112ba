"""What is wrong with a data set's files: one error, or a list for a check that wants all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from paddleseg_lite.errors import UserError

SHOWN = 3  # problems that an error spells out


@dataclass(frozen=True)
class Problem:
    """One thing that makes training wrong or impossible."""

    kind: str  # a few words that a report groups by, such as "missing file"
    file: str  # the file to look at, or "" if it is about the whole data set
    message: str  # one sentence: what was found, where, what to do


_collector: ContextVar[list[Problem] | None] = ContextVar("_collector", default=None)


@contextmanager
def collected() -> Iterator[list[Problem]]:
    """Within this context `refuse` adds to the list that it gives, instead of raising.

    It is how a check builds a data set of the pairs that are left; training never does.
    """
    found: list[Problem] = []
    token = _collector.set(found)
    try:
        yield found
    finally:
        _collector.reset(token)


def refuse(problems: Sequence[Problem], listed: str = ", which the command check_dataset lists") -> None:
    """Raise one error for all problems, if there are any; within `collected`, add them to its list.

    Args:
        problems: what is wrong.
        listed: where those are told that the error does not spell out.

    Raises:
        UserError: the first few messages, and how many more there are.
    """
    collector = _collector.get()
    if collector is not None:
        collector.extend(problems)
    elif problems:
        message = "; ".join(problem.message for problem in problems[:SHOWN])
        if len(problems) > SHOWN:
            message += f"; and {len(problems) - SHOWN} more{listed}"
        raise UserError(message)
