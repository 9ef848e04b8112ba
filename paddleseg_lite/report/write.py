"""A report's folder: the page, its numbers as JSON, and its pictures as PNG."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from paddleseg_lite.files import atomic_write, remove
from paddleseg_lite.report.compare import Comparison
from paddleseg_lite.report.diagrams import NAMES, confusion_matrix, diagrams, render_png
from paddleseg_lite.report.gallery import Gallery, shrunk
from paddleseg_lite.report.page import Record, render_page
from paddleseg_lite.report.pictures import LAYERS, Shot, make_shot
from paddleseg_lite.report.selection import densest_window, same_part, worst_confusions, worst_median_best
from paddleseg_lite.visualize import fit, to_rgb

SHOWN = 6  # images of each kind
_PAIRS, _CROPS = 6, 3  # confusions, and places of each
_STRIP_WIDTH = 512  # of each picture in a PNG, in pixels
# PNGs that a report may have written.
_OWN = re.compile(rf"({'|'.join(NAMES)})\.png|images/(worst|median|best|better|worse)_[1-9]\d*\.png")


@dataclass(frozen=True)
class Source:
    """Where a report's images come from.

    Attributes:
        gallery: has been shown all images.
        photo: returns the photograph of an index, [H, W, C].
        palette: of the classes, uint8 [K, 3], RGB.
    """

    gallery: Gallery
    photo: Callable[[int], Any]
    palette: np.ndarray

    @cached_property
    def names(self) -> dict[int, str]:
        """The images' files by index, below the folder that all of them are in."""
        paths = {index: kept.path for index, kept in self.gallery.images.items()}
        try:
            folder = os.path.commonpath([os.path.dirname(path) for path in paths.values()])
        except ValueError:  # none, or some are absolute and others are not
            return paths
        return {index: os.path.relpath(path, folder or ".") for index, path in paths.items()}


def write_report(folder: Path, record: Record, source: Source, comparison: Comparison | None = None) -> Path:
    """Write report.html, evaluation.json and PNGs into a folder, and return the page's path.

    Args:
        folder: is made; files of an earlier report are replaced or removed, others are left alone.
        record: "protocol", "scores" (with "confusion"), "metrics" (with "intervals") and maybe "times".
        source: the images.
        comparison: with another evaluation.

    Raises:
        UserError: Jinja2 is missing, a photograph cannot be read, or the folder cannot be written to.
    """
    groups = _groups(record, source, comparison)
    confusion = np.array(record["scores"]["confusion"], np.int64)
    pairs = _confusions(confusion, source)
    drawings = diagrams(record)
    page = render_page(record, source.palette, groups, pairs, drawings, comparison)
    numbers = json.dumps(record, allow_nan=False) + "\n"
    files: dict[str, bytes | str] = {"report.html": page, "evaluation.json": numbers}
    for drawing in (*drawings, confusion_matrix(confusion, record["protocol"]["data"]["classes"])):
        files[f"{drawing.name}.png"] = render_png(drawing)
    for group in groups:
        for place, one in enumerate(group["shots"]):
            files[f"images/{group['key']}_{place + 1}.png"] = strip(one["shot"])
    for name, content in files.items():
        atomic_write(folder / name, content)
    for path in (*folder.glob("*.png"), *folder.glob("images/*.png")):
        name = path.relative_to(folder).as_posix()
        if name not in files and _OWN.fullmatch(name):
            remove(path)
    return folder / "report.html"


def _groups(record: Record, source: Source, comparison: Comparison | None) -> list[dict[str, Any]]:
    """Return the images to be shown, by kind."""
    images = {image["index"]: image for image in record["metrics"]["intervals"]["images"]}
    chosen = worst_median_best({index: image["miou"] for index, image in images.items()}, SHOWN)
    captions = {
        index: f"mIoU {image['miou']:.3f}" for index, image in images.items() if image["miou"] is not None
    }
    kinds = [(key, f"{key.capitalize()} images", own, captions) for key, own in chosen.items()]
    for key, rows in (("better", comparison.better()), ("worse", comparison.worse())) if comparison else ():
        changes = {index: f"mIoU {old:.3f} → {new:.3f}" for index, _, old, new in rows[:SHOWN]}
        kinds.append((key, f"Images that got {key}", list(changes), changes))
    whole = (slice(None), slice(None))
    return [
        {
            "key": key,
            "name": f"{name}: {len(indices)} of {len(images)}",
            "shots": [_view(source, index, whole) | {"caption": texts[index]} for index in indices],
        }
        for key, name, indices, texts in kinds
        if indices
    ]


def _confusions(confusion: np.ndarray, source: Source) -> list[dict[str, Any]]:
    """Return the worst confusions with crops of the images that have most of them."""
    found = []
    for pair in worst_confusions(confusion, source.gallery, _PAIRS, _CROPS):
        shots = []
        for index in pair.images:
            truth, prediction = source.gallery.images[index].maps()
            part = densest_window((truth == pair.truth) & (prediction == pair.prediction))
            shots.append(_view(source, index, part))
        found.append({**asdict(pair), "shots": shots})
    return found


def _view(source: Source, index: int, part: tuple[slice, slice]) -> dict[str, Any]:
    """Return a part of an image, with the image's name and file."""
    kept = source.gallery.images[index]
    truth, prediction = (ids[part] for ids in kept.maps())
    photo = same_part(to_rgb(source.photo(index)), part, kept.shape)
    shot = make_shot(shrunk(photo), truth, prediction, source.palette)
    return {"shot": shot, "name": source.names[index], "path": kept.path}


def strip(shot: Shot) -> bytes:
    """Return photograph, truth, prediction and errors beside each other, as a PNG."""
    layers = [_opened(getattr(shot, name)) for name in ("photo", *LAYERS)]
    photo = layers[0].resize(shot.size)
    pictures = [np.array(Image.alpha_composite(photo, layer.resize(shot.size))) for layer in layers]
    pictures = [fit(picture[:, :, :3], _STRIP_WIDTH) for picture in pictures]
    out = io.BytesIO()
    Image.fromarray(np.hstack(pictures)).save(out, "PNG")
    return out.getvalue()


def _opened(content: bytes) -> Image.Image:
    with Image.open(io.BytesIO(content)) as image:
        return image.convert("RGBA")
