"""Tables of numbers as lines of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from paddleseg_lite.printable import printable


def columns(title: str, header: Sequence[str], rows: Mapping[str, Sequence[float | None]]) -> list[str]:
    """Return a table: a title, a line of column names if there are any, and a line for each name.

    Args:
        title: of the table.
        header: the columns' names.
        rows: {name: numbers in [-1, 1]}, None for what is not known.
    """
    first = max((len(printable(name)) for name in rows), default=0)
    width = max(6, *(len(name) for name in header))
    lines = ["".join([" " * first, *(f"  {name:>{width}}" for name in header)])] if any(header) else []
    for name, values in rows.items():
        cells = ("-" if value is None else f"{value:.4f}" for value in values)
        lines.append("".join([f"{printable(name):<{first}}", *(f"  {cell:>{width}}" for cell in cells)]))
    return [f"{title}:", *lines]
