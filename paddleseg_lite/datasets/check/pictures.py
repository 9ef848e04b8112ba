"""Findings to look at: how often each class occurs, and labels laid over their images."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from paddleseg_lite import durable
from paddleseg_lite.datasets.check.findings import Findings
from paddleseg_lite.datasets.check.pair import has_own_reader
from paddleseg_lite.datasets.images import read_image, read_label
from paddleseg_lite.visualize import label_sheet, to_rgb

_COLOURS = ("#2a6f97", "#e07a3f")
_NO_CLASS = 255
_BAR = 0.38  # height of a bar, where classes are 1 apart


def write_histogram(path: Path, results: Sequence[Findings]) -> bool:
    """Draw each class's share of the labelled pixels and of the images, as PNG; False if there are none."""
    # Neither pyplot nor a global backend: nothing is left behind in a process that draws figures of its own.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = [findings for findings in results if findings.dataset is not None and findings.class_pixels.any()]
    if not shown:
        return False
    classes = max((findings.dataset.classes for findings in shown if findings.dataset), key=len)
    figure = Figure(figsize=(11, 1.5 + 0.32 * len(classes)), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharey=True)
    for offset, (findings, colour) in enumerate(zip(shown, _COLOURS)):
        place = np.arange(len(findings.class_pixels)) + (offset - (len(shown) - 1) / 2) * _BAR
        pixels = 100 * findings.class_pixels / findings.class_pixels.sum()
        images = 100 * findings.class_images / max(len(findings.present), 1)
        left.barh(place, pixels, _BAR, color=colour, label=findings.section)
        right.barh(place, images, _BAR, color=colour, label=findings.section)
    shares = np.concatenate([findings.class_pixels / findings.class_pixels.sum() for findings in shown])
    left.set_xscale("log")
    left.set_xlim(50 * shares[shares > 0].min(), 100)
    left.xaxis.set_major_formatter("{x:g}")
    left.set_xlabel("% of the labelled pixels")
    right.set_xlabel("% of the images")
    right.set_xlim(0, 100)
    left.set_yticks(range(len(classes)), classes)
    left.set_ylim(len(classes) - 0.5, -0.5)
    right.legend(loc="lower right", bbox_to_anchor=(1, 1), ncol=2, frameon=False)
    for axes in (left, right):
        axes.grid(axis="x", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    durable.replace(path, buffer.getvalue())
    return True


def write_samples(path: Path, results: Sequence[Findings], rows: int = 4) -> bool:
    """Draw image, label and overlay of up to `rows` pairs of each data set, as PNG; False if there are none.

    The pairs are chosen so that all classes are seen. Ids that are not allowed are left black.
    """
    pictures = []
    for findings in results:
        pictures += [_pair(findings, index) for index in findings.chosen(rows)]
    shown = next((findings.dataset for findings in results if findings.dataset is not None), None)
    if shown is None or not pictures:
        return False
    sheet = label_sheet(pictures, shown.classes, np.asarray(shown.palette))
    durable.replace(path, cv2.imencode(".png", sheet[:, :, ::-1])[1].tobytes())
    return True


def _pair(findings: Findings, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Return an image to paint on and its label, mapped, ids that are not allowed as no class."""
    data = findings.dataset
    if data is None:
        raise ValueError("there is no data set to take a pair from")
    image_path, label_path = data.pairs[index]
    if label_path is None or has_own_reader(data):
        image, label = data.read_files(index)
        return to_rgb(image), np.asarray(label)
    rule = data.label_rule(label_path)
    table = np.where(rule.allowed, rule.table, _NO_CLASS).astype(np.uint8)
    return to_rgb(read_image(image_path, data.in_channels)), cv2.LUT(read_label(label_path), table)
