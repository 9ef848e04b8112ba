"""The report's diagrams, drawn by matplotlib: for light and dark pages, and as files."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from paddleseg_lite.metrics.scores import ratio
from paddleseg_lite.printable import printable

_INK, _DARK_INK = "#1b1f24", "#e6e9ee"  # of lines and text on light and on dark pages
LINE, SECOND = "#3b82c4", "#d98324"  # blue and orange, which every kind of eyes tells apart
_DPI = 130
NAMES = ("confusion", "reliability", "size", "rows", "trimap", "times")


@dataclass(frozen=True)
class Diagram:
    """A diagram to be drawn.

    Attributes:
        name: of its file.
        title: above it.
        alt: what it shows, for who cannot see it.
        draw: draws it on axes.
        note: below it.
        size: width and height in inches.
    """

    name: str
    title: str
    alt: str
    draw: Callable[[Axes], None]
    note: str = ""
    size: tuple[float, float] = (5.2, 3.6)


def render_svg(diagram: Diagram) -> tuple[bytes, bytes]:
    """Return a diagram as SVG without a ground, for light pages and for dark ones."""
    light = _drawn(diagram, format="svg", transparent=True, metadata={"Date": None})
    return light, light.replace(_INK.encode(), _DARK_INK.encode())


def render_png(diagram: Diagram) -> bytes:
    """Return a diagram as a PNG on white."""
    return _drawn(diagram, format="png", dpi=_DPI)


def _drawn(diagram: Diagram, **options: Any) -> bytes:
    inked = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    styles: dict[Any, Any] = dict.fromkeys(inked, _INK)
    # A "$" in a name begins no formula.
    with rc_context({**styles, "svg.hashsalt": diagram.name, "text.parse_math": False}):
        figure = Figure(figsize=diagram.size, layout="constrained")
        FigureCanvasAgg(figure)
        diagram.draw(figure.add_subplot())
        out = io.BytesIO()
        figure.savefig(out, **options)
    return out.getvalue()


def confusion_matrix(confusion: np.ndarray, classes: Sequence[str]) -> Diagram:
    """Return the row-normalised matrix, a number in each cell of at least half a percent."""
    shares = row_shares(confusion)

    def draw(axes: Axes) -> None:
        axes.imshow(shares, cmap="cividis", vmin=0, vmax=1)
        names = [printable(name) for name in classes]
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), names)
        axes.set(xlabel="prediction", ylabel="truth")
        for row, column in np.argwhere(shares >= 0.005) if len(names) <= _NUMBERED else ():
            value = shares[row, column]
            text = f"{100 * value:.0f}"
            axes.text(column, row, text, ha="center", va="center", size=7, color=cell_ink(value))

    side = 2.5 + 0.36 * min(len(classes), _NUMBERED)
    alt = "Confusion matrix: the share of each true class's pixels that is taken for each class."
    return Diagram("confusion", "Confusion matrix, % of the truth", alt, draw, size=(side, side))


_NUMBERED = 40  # classes, beyond which cells are too small for numbers


def row_shares(confusion: np.ndarray) -> np.ndarray:
    """Return of each true class's pixels the share taken for each class, [K, K]; NaN of one in no label."""
    return ratio(confusion, np.broadcast_to(confusion.sum(axis=1, keepdims=True), confusion.shape))


def cell_ink(share: float) -> str:
    """Return the color of text on a cell of the matrix."""
    return "#000000" if share > 0.55 else "#ffffff"


def diagrams(record: Mapping[str, Any]) -> list[Diagram]:
    """Return the diagrams of what was measured.

    Args:
        record: metrics by their names, and the seconds of each stage of an image as "times".
    """
    metrics, found = record["metrics"], []
    if "calibration" in metrics:
        found.append(_reliability(metrics["calibration"]))
    if "size" in metrics:
        values = dict(zip(metrics["size"]["regions"], metrics["size"]["miou"]))
        title, note = "mIoU by object size", "Objects are connected parts of a class: below 32×32 pixels, "
        note += "below 96×96, larger."
        found.append(_bars("size", title, values, ("mIoU", "{:.3f}"), note))
    if "rows" in metrics:
        found.append(_by_row(metrics["rows"]))
    if "trimap" in metrics:
        found.append(_trimap(metrics["trimap"]))
    if times := record.get("times"):
        note = (
            f"Mean of {times['images']} images, on {record['protocol']['device_name']}; reading is what the "
        )
        note += "network had to wait for it."
        milliseconds = {name: 1000 * seconds for name, seconds in times["seconds"].items()}
        found.append(_bars("times", "Time of an image", milliseconds, ("ms", "{:.1f}"), note))
    return found


def _reliability(result: Mapping[str, Any]) -> Diagram:
    """Return accuracy by confidence, and the share of pixels of each bin."""
    bins = result["bins"]
    total = sum(row["pixels"] for row in bins) or 1

    def draw(axes: Axes) -> None:
        width = 0.9 / len(bins)
        middles = [(row["low"] + row["high"]) / 2 for row in bins]
        axes.bar(
            middles, [row["pixels"] / total for row in bins], width, color=SECOND, alpha=0.5, label="pixels"
        )
        axes.plot([0, 1], [0, 1], color=_INK, linestyle=":", label="perfect")
        known = [row for row in bins if row["pixels"]]
        points = ([row[key] for row in known] for key in ("confidence", "accuracy"))
        axes.plot(*points, color=LINE, marker="o", markersize=4, label="measured")
        axes.set(
            xlabel="confidence of the network", ylabel="accuracy; share of pixels", xlim=(0, 1), ylim=(0, 1)
        )
        axes.legend(frameon=False, loc="upper left")

    alt = "Reliability curve: accuracy of pixels by the confidence of the network."
    note = "Below the dotted line the network is surer than it is right. Bars: how many pixels are so sure."
    return Diagram("reliability", "Reliability", alt, draw, note)


def _bars(
    name: str, title: str, values: Mapping[str, float | None], label: tuple[str, str], note: str
) -> Diagram:
    """Return horizontal bars, the first on top, with numbers; `label` says of what, and their format."""

    def draw(axes: Axes) -> None:
        found = axes.barh(range(len(values)), [value or 0 for value in values.values()], color=LINE)
        texts = ["–" if value is None else label[1].format(value) for value in values.values()]
        axes.bar_label(found, texts, padding=4)
        axes.set_yticks(range(len(values)), [printable(bar) for bar in values])
        axes.invert_yaxis()
        axes.margins(x=0.2)
        axes.set_xlabel(label[0])
        axes.spines[["top", "right"]].set_visible(False)

    alt = f"{title}: " + ", ".join(f"{bar} {value or 0:.3g}" for bar, value in values.items())
    return Diagram(name, title, alt, draw, note, (5.2, 1 + 0.4 * len(values)))


def _by_row(result: Mapping[str, Any]) -> Diagram:
    """Return mIoU by the height in the image, whose top is the diagram's top."""

    def draw(axes: Axes) -> None:
        places = np.arange(len(result["regions"]))
        axes.plot(_numbers(result["miou"]), places, color=LINE, marker="o")
        axes.set_yticks(places, result["regions"])
        axes.set(xlabel="mIoU", ylabel="rows, from the top", xlim=(0, 1))
        axes.invert_yaxis()

    note = "Each point is a band of rows of the image; the top is the image’s top."
    return Diagram("rows", "mIoU by row", "mIoU of bands of rows, from top to bottom.", draw, note)


def _trimap(result: Mapping[str, Any]) -> Diagram:
    """Return mIoU by the distance to borders."""

    def draw(axes: Axes) -> None:
        places = np.arange(len(result["regions"]))
        axes.plot(places, _numbers(result["miou"]), color=LINE, marker="o")
        axes.set_xticks(places, result["regions"])
        axes.set(xlabel="width of the band, pixels", ylabel="mIoU", ylim=(0, 1))

    note = "Only pixels that are so near to a border between classes count."
    return Diagram("trimap", "mIoU near borders", "mIoU in bands along the borders of classes.", draw, note)


def _numbers(values: Sequence[float | None]) -> list[float]:
    return [np.nan if value is None else value for value in values]
