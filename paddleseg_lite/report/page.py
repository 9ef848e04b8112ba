"""The page: what its template is given, made of an evaluation's numbers and of the images to be shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex

from paddleseg_lite.errors import require_modules
from paddleseg_lite.printable import counted, printable
from paddleseg_lite.report.colorblind import colorblind_palette
from paddleseg_lite.report.compare import Comparison, Difference
from paddleseg_lite.report.diagrams import Diagram, cell_ink, render_svg, row_shares
from paddleseg_lite.report.pictures import ERRORS, LAYERS, RIGHT, Shot, data_uri

if TYPE_CHECKING:
    from jinja2 import Environment

Record = Mapping[str, Any]  # protocol, scores, metrics, times: what is written as JSON
# What the page shows; a metric that is not there leaves a gap, others add a diagram at most.
SHOWN_METRICS = ("intervals", "boundary", "size", "rows", "calibration")
INSTALL = "pip install 'paddleseg_lite[report]'"
_WRONG = {"own": (255, 45, 111), "colorblind": (255, 176, 0)}


def check_installed() -> None:
    """Check, before hours of evaluation, that a report can be made.

    Raises:
        UserError: Jinja2 is not installed.
    """
    require_modules("jinja2", install=INSTALL)


def render_page(
    record: Record,
    palette: np.ndarray,
    groups: Sequence[Mapping[str, Any]],
    confusions: Sequence[Mapping[str, Any]],
    diagrams: Sequence[Diagram],
    comparison: Comparison | None = None,
) -> str:
    """Return the page as one HTML file that needs no other.

    Args:
        record: the numbers.
        palette: of the classes, uint8 [K, 3], RGB.
        groups: of images: "name", and "shots" with "shot", "name", "path", "caption".
        confusions: "truth" and "prediction" as class ids, "share", "pixels", and "shots" as of groups.
        diagrams: to be drawn.
        comparison: with another evaluation.
    """
    palettes = {"own": palette, "colorblind": colorblind_palette(len(palette))}
    classes = _classes(record)
    matrix = record["scores"].get("confusion")
    content = {
        "title": f"Evaluation: mIoU {_number(record['scores']['miou'])}",
        "subtitle": _subtitle(record["protocol"]),
        "sections": _sections(comparison, bool(groups), bool(confusions), bool(diagrams)),
        "palettes": {name: [to_hex(color / 255) for color in colors] for name, colors in palettes.items()},
        "cards": _cards(record),
        "sampling": record["metrics"]["intervals"],
        "comparison": _comparison(comparison),
        "columns": ("IoU", "95 % interval", "boundary IoU", *_SCORES, "share of pixels"),
        "classes": classes,
        "matrix": _matrix(np.array(matrix), [row["name"] for row in classes]),
        "groups": [{**group, "shots": _shown(group["shots"])} for group in groups],
        "confusions": [{**pair, "shots": _shown(pair["shots"])} for pair in confusions],
        "diagrams": [drawn(diagram) for diagram in diagrams],
        "facts": {"short": _short_facts(record["protocol"]), "all": _facts(record["protocol"])},
        "views": ("photo", *LAYERS),
        "data": {
            "palettes": {name: colors.tolist() for name, colors in palettes.items()},
            "wrong": _WRONG,
            "errors": ERRORS.tolist(),
            "right": RIGHT,
        },
    }
    return environment().get_template("report.html").render(content)


def environment() -> Environment:
    """Return what finds and fills in the templates of pages."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("paddleseg_lite.report")
    return Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def _sections(comparison: Comparison | None, *has: bool) -> list[tuple[str, str]]:
    images, confusions, diagrams = has
    found = [
        (True, "protocol", "What was evaluated"),
        (True, "figures", "Headline figures"),
        (comparison is not None, "comparison", "Comparison"),
        (True, "classes", "Classes"),
        (True, "confusion", "Confusion matrix"),
        (images, "images", "Images"),
        (confusions, "confusions", "Worst confusions"),
        (diagrams, "diagrams", "Diagrams"),
    ]
    return [(section, name) for is_there, section, name in found if is_there]


def _subtitle(protocol: Record) -> str:
    data = protocol["data"]
    images = counted(data["images"], "image")
    return printable(f"{protocol['weights']['path']} on {data['type']} {data['mode']}, {images}")


def _short_facts(protocol: Record) -> list[tuple[str, str]]:
    """Return what somebody asks first."""
    data, weights = protocol["data"], protocol["weights"]
    facts = {
        "config": protocol["config"],
        "weights": weights["path"],
        "weights’ SHA-256": weights["sha256"],
        "data": f"{data['type']} {data['mode']}, {counted(data['images'], 'image')}",
        "host": f"{protocol['host']}, {protocol['device_name']}, {protocol['platform']}",
        "git revision": protocol["git"],
    }
    return [(name, printable(value or "none")) for name, value in facts.items()]


def _facts(protocol: Record) -> list[tuple[str, str]]:
    """Return a protocol as names and values, those of nested parts with the part's name before them."""
    found = []
    for name, value in protocol.items():
        parts = value.items() if isinstance(value, Mapping) else [(None, value)]
        for part, own in parts:
            text = ", ".join(map(str, own)) if isinstance(own, (list, tuple)) else own
            is_empty = own is None or own in ([], {})
            title = name if part is None else f"{name}, {part}"
            found.append((printable(title.replace("_", " ")), "none" if is_empty else printable(text)))
    return found


def _cards(record: Record) -> list[dict[str, Any]]:
    scores, metrics = record["scores"], record["metrics"]
    notes = {
        "miou": ("mIoU", ""),
        "accuracy": ("pixel accuracy", f"of {sum(scores['class_pixels'].values()):,} pixels"),
        "mean_accuracy": ("mean accuracy", "mean recall of the classes"),
        "frequency_weighted_iou": ("frequency-weighted IoU", ""),
        "kappa": ("Cohen’s kappa", "agreement beyond chance"),
    }
    cards = [
        (name, scores[key], _bounds(metrics["intervals"][key]), note) for key, (name, note) in notes.items()
    ]
    if "boundary" in metrics:
        width = f"width {100 * metrics['boundary']['width']:g} % of the diagonal"
        cards.append(("boundary IoU", metrics["boundary"]["miou"], "", width))
    if "calibration" in metrics:
        cards.append(("calibration error", metrics["calibration"]["ece"], "", "ECE; 0 is perfect"))
    return [{"name": name, "value": _number(value), "notes": notes} for name, value, *notes in cards]


def _bounds(row: Record) -> str:
    return "" if row["low"] is None else f"[{_number(row['low'])}, {_number(row['high'])}]"


# Columns of the table, and their keys among the scores.
_SCORES = {"precision": "class_precision", "recall": "class_recall", "F1": "class_f1"}


def _classes(record: Record) -> list[dict[str, Any]]:
    """Return the rows of the table of classes."""
    scores, intervals = record["scores"], record["metrics"]["intervals"]["class_iou"]
    total = sum(scores["class_pixels"].values())
    borders = record["metrics"].get("boundary", {}).get("class_iou", {})
    return [
        {
            "id": index,
            "name": printable(name),
            "iou": scores["class_iou"][name],
            "low": intervals[name]["low"],
            "high": intervals[name]["high"],
            "scores": [borders.get(name), *(scores[key][name] for key in _SCORES.values())],
            "share": scores["class_pixels"][name] / total if total else None,
        }
        for index, name in enumerate(record["protocol"]["data"]["classes"])
    ]


def _matrix(confusion: np.ndarray, names: Sequence[str]) -> list[list[dict[str, str]]]:
    """Return the cells of the confusion matrix, row by row."""
    shares = row_shares(confusion)
    grounds = colormaps["cividis"](shares)
    nothing = {"ground": "transparent", "ink": "inherit", "text": ""}
    return [
        [
            {**nothing, "title": f"{truth} is in no label"}
            if np.isnan(share)
            else {
                "ground": to_hex(grounds[row, column]),
                "ink": cell_ink(share),
                "text": f"{100 * share:.0f}" if share >= 0.005 else "",
                "title": f"{truth} taken for {names[column]}: {100 * share:.2f} %",
            }
            for column, share in enumerate(shares[row])
        ]
        for row, truth in enumerate(names)
    ]


def _shown(shots: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return images with the addresses of their files."""
    texts = ({key: printable(one[key]) for key in ("name", "path")} for one in shots)
    return [{**one, **text, **_addresses(one["shot"])} for one, text in zip(shots, texts)]


def _addresses(shot: Shot) -> dict[str, Any]:
    files = {key: data_uri(kind, getattr(shot, key)) for key, kind in _KINDS.items()}
    return {**files, "size": shot.size}


_KINDS = {"photo": "webp", **dict.fromkeys(LAYERS, "png")}


def drawn(diagram: Diagram) -> dict[str, str]:
    """Return what a template is given of a diagram: texts, and its address on light and on dark pages."""
    light, dark = (data_uri("svg+xml", drawing) for drawing in render_svg(diagram))
    return {"title": diagram.title, "alt": diagram.alt, "note": diagram.note, "light": light, "dark": dark}


def _comparison(comparison: Comparison | None) -> dict[str, Any] | None:
    if comparison is None:
        return None
    rows = [
        {"id": index, "name": printable(name), **_row(own)}
        for index, (name, own) in enumerate(comparison.classes.items())
    ]
    better, worse = len(comparison.better()), len(comparison.worse())
    counts = f"Of {counted(len(comparison.images), 'image')}, {better} got better and {worse} worse."
    name = printable(comparison.weights[0])
    return {"other": name, "verdict": comparison.verdict(), "counts": counts, "classes": rows}


def _row(own: Difference) -> dict[str, Any]:
    numbers = {
        name: None if np.isnan(value) else value
        for name, value in (*asdict(own).items(), ("change", own.change))
    }
    kind = ("up" if own.change > 0 else "down") if own.exceeds_noise else ""
    text = "–" if np.isnan(own.change) else f"{own.change:+.3f}"
    bounds = "–" if np.isnan(own.low) else f"[{own.low:+.3f}, {own.high:+.3f}]"
    return {**numbers, "kind": kind, "change_text": text, "interval": bounds}


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
