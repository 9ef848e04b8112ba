"""The page of a search, and its plot."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator

from paddleseg_lite.errors import missing_modules
from paddleseg_lite.files import atomic_write
from paddleseg_lite.printable import printable
from paddleseg_lite.report.diagrams import LINE, SECOND, Diagram, render_png
from paddleseg_lite.report.page import INSTALL, drawn, environment
from paddleseg_lite.scaling.results import FRONTIER, Point, markdown, rows

_log = logging.getLogger(__name__)

PAGE, PLOT, TABLE = "search.html", "search.png", "search.md"
_GREY = "#8b98a5"


def write_page(folder: Path, found: Sequence[Point], unit: str, facts: Mapping[str, str]) -> list[Path]:
    """Write the table, the plot, and if Jinja2 is installed the page; return their paths.

    Args:
        folder: of the search.
        found: the networks.
        unit: of their costs.
        facts: what the search was, in a few words each.

    Raises:
        UserError: a file cannot be written.
    """
    drawing = diagram(found, unit)
    head, *others = rows(found, unit)
    files: dict[str, str | bytes] = {TABLE: markdown(found, unit), PLOT: render_png(drawing)}
    if missing_modules("jinja2"):
        _log.warning(f"[SCALE] there is no page {PAGE}, which takes Jinja2: {INSTALL}")
    else:
        template = environment().get_template("search.html")
        files[PAGE] = template.render(
            views=("photo",),  # of the style sheet, which hides the others
            facts={name: printable(value) for name, value in facts.items()},
            diagram=drawn(drawing),
            columns=head,
            rows=others,
            frontier=FRONTIER,
            is_latency=unit == "ms",
        )
    for name, content in files.items():
        atomic_write(folder / name, content)
    return [folder / name for name in files]


def diagram(found: Sequence[Point], unit: str) -> Diagram:
    """Return the plot of mIoU by cost: candidates, those chosen, those not beaten, those to compare with."""
    own = [point for point in found if point.step is not None]
    chosen = sorted((point for point in own if point.is_chosen), key=lambda point: point.step or 0)
    best = sorted((point for point in own if point.is_best), key=lambda point: point.cost)
    others = [point for point in found if point.step is None]

    def draw(axes: Axes) -> None:
        axes.scatter(*_places(own), s=14, color=_GREY, label="candidates", zorder=2)
        axes.plot(*_places(best), color=SECOND, drawstyle="steps-post", label="frontier", zorder=1)
        axes.plot(*_places(chosen), color=LINE, marker="o", label="chosen", zorder=3)
        for point in chosen:
            axes.annotate(str(point.step), (point.cost, point.miou or 0), (0, 6), textcoords="offset points")
        for point in others:
            if point.miou is None:
                axes.axvline(point.cost, color=_GREY, linestyle=":", linewidth=1, zorder=0)
                place: dict[str, Any] = {
                    "transform": axes.get_xaxis_transform(),
                    "rotation": 90,
                    "ha": "right",
                    "size": 8,
                }
                axes.text(point.cost, 0.02, point.name, **place)
            else:
                axes.plot(point.cost, point.miou, color=SECOND, marker="D", linestyle="", zorder=3)
                style: dict[str, Any] = {"textcoords": "offset points", "ha": "right", "size": 8}
                axes.annotate(point.name, (point.cost, point.miou), (-7, -3), **style)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
        axes.set(xlabel=f"latency, {unit}" if unit == "ms" else f"multiply-adds, {unit}", ylabel="mIoU")
        axes.legend(frameon=False, loc="upper left", fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)

    path = ", ".join(f"step {point.step}: {point.cost:.3g} {unit}, {point.miou:.3f}" for point in chosen)
    note = "Numbers are steps; mIoU is that at the end of a short training. Dotted: not trained."
    return Diagram(
        "search", "mIoU by cost", f"mIoU by cost of what was chosen: {path}", draw, note, (7.5, 4.6)
    )


def _places(found: Sequence[Point]) -> tuple[list[float], list[float]]:
    return [point.cost for point in found], [point.miou or 0.0 for point in found]
