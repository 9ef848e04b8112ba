"""Which format a folder has, told by its content."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from paddleseg_lite.annotations.masks import open_masks
from paddleseg_lite.annotations.source import Choices, Source
from paddleseg_lite.datasets.base import checked_folder
from paddleseg_lite.errors import UserError
from paddleseg_lite.registry import did_you_mean

_OPENERS: dict[str, Callable[[Path, Choices], Source]] = {
    "masks": open_masks,
}
FORMATS = tuple(_OPENERS)


def open_source(folder: Path, format: str | None = None, choices: Choices | None = None) -> Source:
    """Open a folder of annotated images; nothing is written to it.

    Args:
        folder: the folder.
        format: one of FORMATS; None finds out.
        choices: what the user decided.

    Raises:
        UserError: there is no such folder or format, or nothing in it that can be used; the message says
            what was found.
    """
    folder = checked_folder(folder, "the source")
    if format is None:
        format = "masks"
    if format not in _OPENERS:
        raise UserError(
            f"no format '{format}'{did_you_mean(format, FORMATS)}; known are {', '.join(FORMATS)}"
        )
    return _OPENERS[format](folder, choices or Choices())
