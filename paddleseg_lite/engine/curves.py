"""The curves of a run as a picture: curves.png, drawn from metrics.jsonl."""

from __future__ import annotations

import io
import json
import logging
import math
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paddleseg_lite.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)

CURVES = "curves.png"
TRAIN = "train"  # key of the intervals; evaluations go by their tags
_SCORES = {"miou": "mIoU", "top1": "top-1"}  # keys of what evaluations are about, and their names
EVALUATE = "Evaluate"  # the tag of evaluations of the weights, not of their moving average
_EVALUATIONS = {EVALUATE: ("weights", "#2a6f97"), "EvaluateEMA": ("moving average", "#e07a3f")}
_GREY, _DARK = "#b8c4cc", "#2a6f97"
_SMOOTHED = 50  # windows of the smoothed loss in a run; fewer points are not smoothed
Records = dict[str, list[dict[str, Any]]]


def write_curves(metrics: Path, path: Path) -> None:
    """Draw loss, mIoU or top-1 if there are evaluations, and learning rate over iterations, as PNG.

    What fails is told as a warning: a picture is no reason to end a run.

    Args:
        metrics: a run's metrics.jsonl.
        path: the picture.
    """
    try:
        records = read_metrics(metrics)
        if any(records.values()):
            buffer = io.BytesIO()
            _figure(records, path.absolute().parent.name).savefig(buffer, format="png", dpi=100)
            atomic_write(path, buffer.getvalue())
    except Exception as error:
        log.warning(f"[TRAIN] cannot draw {path}: {error}")


def read_metrics(path: Path) -> Records:
    """Return the records of metrics.jsonl as {"train" or a tag of evaluations: records by iteration}.

    A run that went on from an earlier iteration may have left records of what it then did anew: of those the
    newest count, and what it had not reached again is not there. Torn lines are passed over.
    """
    records: Records = defaultdict(list)
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
            key = TRAIN if record["kind"] == TRAIN else record["tag"]
            iteration = float(record["iteration"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            continue
        for key_before, earlier in records.items():
            # An evaluation may be done again at the iteration of an interval, which stays.
            while earlier and earlier[-1]["iteration"] >= iteration + (key_before != key):
                earlier.pop()
        records[key].append(record)
    return records


def _figure(records: Records, title: str) -> Figure:
    # Neither pyplot nor a global backend: nothing is left behind in a process that draws figures of its own.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter, MaxNLocator

    evaluations = {tag: records[tag] for tag in _EVALUATIONS if records.get(tag)}
    draws = [_draw_loss, _draw_score, _draw_rate] if evaluations else [_draw_loss, _draw_rate]
    heights = [3.0, 3.0, 1.8] if evaluations else [3.0, 1.8]
    figure = Figure(figsize=(9, sum(heights) + 0.8), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, parse_math=False)
    panels = figure.subplots(len(draws), 1, sharex=True, height_ratios=heights)
    for draw, axes in zip(draws, panels):
        draw(axes, records)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xlabel("iteration")
    panels[-1].set_xlim(left=0)
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    panels[-1].xaxis.set_major_formatter(EngFormatter(sep=""))
    figure.align_ylabels()
    return figure


def _series(records: list[dict[str, Any]], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return iterations and values, NaN for what is not there."""
    values = [record.get(name) for record in records]
    return (
        np.array([record["iteration"] for record in records], float),
        np.array([math.nan if value is None else value for value in values], float),
    )


def _draw_loss(axes: Axes, records: Records) -> None:
    from matplotlib.ticker import LogLocator

    x, y = _series(records[TRAIN], "loss")
    width = len(y) // _SMOOTHED
    axes.set_ylabel("loss")
    if width < 2:
        axes.plot(x, y, color=_DARK, marker="." if len(y) < _SMOOTHED else "")
    else:
        axes.plot(x, y, color=_GREY, linewidth=0.8, label="each log interval")
        axes.plot(x, _running_mean(y, width), color=_DARK, label=f"mean of {width} intervals")
        axes.legend(frameon=False)
    finite = y[np.isfinite(y)]
    if len(finite) and finite.min() > 0 and np.percentile(finite, 98) > 8 * np.percentile(finite, 2):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("")


def _running_mean(y: np.ndarray, width: int) -> np.ndarray:
    """Return the mean of up to `width` values to each side and the value itself, without NaN."""
    is_there = np.isfinite(y)
    sums = np.cumsum([0.0, *np.where(is_there, y, 0)])
    counts = np.cumsum([0, *is_there])
    place = np.arange(len(y))
    low, high = np.maximum(place - width // 2, 0), np.minimum(place + width // 2 + 1, len(y))
    with np.errstate(invalid="ignore"):
        return (sums[high] - sums[low]) / (counts[high] - counts[low])


def _draw_score(axes: Axes, records: Records) -> None:
    evaluations = [record for tag in _EVALUATIONS for record in records.get(tag, [])]
    key = next((key for key in _SCORES if any(key in record for record in evaluations)), "miou")
    axes.set_ylabel(_SCORES[key])
    for tag, (name, color) in _EVALUATIONS.items():
        x, y = _series(records.get(tag, []), key)
        if np.isfinite(y).any():
            best = int(np.nanargmax(y))
            label = f"{name}: best {y[best]:.4f} at iteration {x[best]:g}"
            axes.plot(x, y, color=color, marker="." if len(y) < _SMOOTHED else "", label=label)
            axes.plot(x[best], y[best], color=color, marker="*", markersize=13)
    axes.legend(loc="lower right", frameon=False)


def _draw_rate(axes: Axes, records: Records) -> None:
    axes.set_ylabel("learning rate")
    x, y = _series(records[TRAIN], "lr")
    axes.plot(x, y, color=_DARK, marker="." if len(y) == 1 else "")
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter("{x:g}")
