"""The one exception for mistakes a user can fix, and modules that may not be installed."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator

from paddleseg_lite.printable import printable


class UserError(Exception):
    """A mistake in what the user gave: a config, a file, a flag.

    The message is one sentence: what was found, where, what is allowed, what to do; names and text of files
    in it are made printable. Command-line tools print it and exit with its code; anything else that is raised
    is a bug in this library and keeps its trace.

    Attributes:
        argument: of the component that raised it, the argument that is to blame, where that is known.
        exit_code: of a command that ends with it.
    """

    argument: str | None = None
    exit_code = 2

    def __str__(self) -> str:
        """Return the message, on one line."""
        return printable(super().__str__())


class Diverged(UserError):
    """A loss or weights that are NaN or infinite: whoever runs many trainings goes on without this one."""

    exit_code = 3


@contextlib.contextmanager
def writing(target: object, remedy: str) -> Iterator[None]:
    """Let an OSError within this context be the UserError "cannot write TARGET (its reason); REMEDY"."""
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot write {target} ({error.strerror or error}); {remedy}") from error


def missing_modules(*names: str) -> list[str]:
    """Return those of some top-level modules that are not installed; imports none."""
    return [name for name in names if importlib.util.find_spec(name) is None]


def require_modules(*names: str, install: str) -> None:
    """Check that modules are installed; imports none.

    Raises:
        UserError: some are missing.
    """
    if missing := missing_modules(*names):
        raise UserError(f"this needs {' and '.join(missing)}; {install}")
