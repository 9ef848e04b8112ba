"""Findings to look at: how often each class occurs, and labels laid over their images."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from paddleseg_lite.datasets.base import SegmentationDataset
from paddleseg_lite.datasets.check.findings import Findings
from paddleseg_lite.datasets.reading.images import read_image, read_stored_label
from paddleseg_lite.datasets.reading.labels import LabelRule, as_ids
from paddleseg_lite.datasets.reading.png import encode_png, png_palette
from paddleseg_lite.files import atomic_write
from paddleseg_lite.visualize import LabelRow, colorize, label_sheet, to_rgb

_COLORS = ("#2a6f97", "#e07a3f")
_BAR = 0.38  # height of a bar, where classes are 1 apart


def write_pictures(folder: Path, results: Sequence[Findings]) -> list[str]:
    """Write classes.png and samples.png; remove those of an earlier check.

    Returns:
        A sentence for each picture that there is nothing to draw for.
    """
    reasons = {
        write_histogram: ("classes.png", "no label that can be read holds a class"),
        write_samples: ("samples.png", "no image can be shown with its label"),
    }
    missing = []
    for write, (name, reason) in reasons.items():
        (folder / name).unlink(missing_ok=True)
        if not write(folder / name, results):
            missing.append(f"there is no {name}: {reason}")
    return missing


def write_histogram(path: Path, results: Sequence[Findings]) -> bool:
    """Draw each class's share of the labelled pixels and of the images, as PNG; False if there are none."""
    # Neither pyplot nor a global backend: nothing is left behind in a process that draws figures of its own.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = [findings for findings in results if findings.dataset is not None and findings.class_pixels.any()]
    if not shown:
        return False
    classes = max((findings.dataset.classes for findings in shown if findings.dataset is not None), key=len)
    figure = Figure(figsize=(11, 1.5 + 0.32 * len(classes)), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharey=True)
    for offset, (findings, color) in enumerate(zip(shown, _COLORS)):
        place = np.arange(len(findings.class_pixels)) + (offset - (len(shown) - 1) / 2) * _BAR
        pixels = 100 * findings.class_pixels / findings.class_pixels.sum()
        images = 100 * findings.class_images / max(len(findings.present), 1)
        left.barh(place, pixels, _BAR, color=color, label=findings.section)
        right.barh(place, images, _BAR, color=color, label=findings.section)
    shares = np.concatenate([findings.class_pixels / findings.class_pixels.sum() for findings in shown])
    left.set_xscale("log")
    left.set_xlim(50 * shares[shares > 0].min(), 100)
    left.xaxis.set_major_formatter("{x:g}")
    left.set_xlabel("% of the labelled pixels")
    right.set_xlabel("% of the images")
    right.set_xlim(0, 100)
    left.set_yticks(range(len(classes)), classes, parse_math=False)
    left.set_ylim(len(classes) - 0.5, -0.5)
    right.legend(loc="lower right", bbox_to_anchor=(1, 1), ncol=2, frameon=False)
    for axes in (left, right):
        axes.grid(axis="x", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    atomic_write(path, buffer.getvalue())
    return True


def write_samples(path: Path, results: Sequence[Findings]) -> bool:
    """Draw image, label and overlay of up to four pairs of each data set, as PNG; False if there are none.

    The pairs are chosen so that all classes are seen. Labels of colors are shown as they are, ids that are
    not allowed in the file's own colors or greys, hatched.
    """
    sets = [(found, found.dataset) for found in results if found.dataset is not None]
    shown = [_row(found.section, data, index) for found, data in sets for index in found.chosen(4)]
    if not shown:
        return False
    sheet = label_sheet(shown, sets[0][1].classes, np.asarray(sets[0][1].palette))
    atomic_write(path, encode_png(sheet))
    return True


def _row(section: str, data: SegmentationDataset, index: int) -> LabelRow:
    """Return a pair to be shown."""
    image_path, label_path = data.pairs[index]
    title = f"{section}: {label_path or image_path}"
    colors = None
    if label_path is None or data.has_own_reader:
        image, label = data.read_files(index)
        rule = LabelRule(data.num_classes, data.ignore_index)
    else:
        image, label = read_image(image_path, data.in_channels), read_stored_label(label_path)
        rule = data.label_rule(label_path)
        colors = png_palette(Path(label_path).read_bytes())
    picture = to_rgb(image)
    label = np.asarray(label)
    if label.ndim == 3 and label.shape[2] > 1:
        size = (picture.shape[1], picture.shape[0])
        mask = cv2.resize(to_rgb(label)[..., ::-1], size, interpolation=cv2.INTER_NEAREST)
        nothing = np.zeros(picture.shape[:2], bool)
        return LabelRow(f"{title} (colors, as they are)", picture, mask, nothing, nothing)
    label = as_ids(label, title)
    wrong = ~rule.allowed[label]
    ids = rule.table[label]
    painted = np.where(wrong[..., None], _as_stored(label, colors), colorize(ids, np.asarray(data.palette)))
    return LabelRow(title, picture, painted, ~wrong & (ids == data.ignore_index), wrong)


def _as_stored(label: np.ndarray, colors: np.ndarray | None) -> np.ndarray:
    """Return a label as other programs show it: in the colors of its palette, else in greys."""
    if colors is None:
        return to_rgb(label * (255 // max(int(label.max()), 1)))
    return colorize(label, colors[:256])
