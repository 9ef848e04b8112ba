"""Text that comes from files and names, made fit for a terminal or a log."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Sequence


def printable(text: object) -> str:
    """Return `str(text)` with whatever a terminal or a log might obey escaped, as Python writes it.

    That is control characters, line ends, escape sequences, marks that turn the direction of writing, and
    bytes of file names that are no UTF-8, which come as "\\xff". Backslashes stay: a path of Windows is as it
    was, and to escape twice is to escape once. So do the spaces of any script.
    """
    plain = str(text)
    return plain if plain.isprintable() else "".join(map(_escaped, plain))


def say(*lines: object) -> None:
    """Print lines for the user, each of them made printable: the one way of a command to its stdout."""
    print(*map(printable, lines), sep="\n")


def counted(number: int, noun: str) -> str:
    """Return for instance "1 image" or "2 images"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def some(names: Sequence[object], most: int = 3) -> str:
    """Return the first few names, for instance "a, b, c and 4 more"."""
    shown = ", ".join(map(str, names[:most]))
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def _escaped(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    if "\udc80" <= character <= "\udcff":  # os.fsdecode's way to carry a byte
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def escape_unencodable(error: UnicodeError) -> tuple[str, int]:
    """Be a handler of errors for `codecs.register_error`: bytes of file names come as "\\xff", as above."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = map(_escaped, error.object[error.start : error.end])
    return "".join(found).encode("ascii", "backslashreplace").decode("ascii"), error.end


class LogFormatter(logging.Formatter):
    """Writes time, level and message, so that no text in a message can pass for a line of the log.

    A table that is logged keeps its lines; all but the first begin with a tab.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s [%(levelname)s]\t%(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line with its message escaped."""
        record.message = "\n\t".join(map(printable, record.message.split("\n")))
        return super().formatMessage(record)
