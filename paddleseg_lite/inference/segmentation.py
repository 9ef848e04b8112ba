"""What was found in an image: class ids, and all that can be made of them, as arrays, pictures and files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from paddleseg_lite.datasets.cityscapes_labels import to_label_ids
from paddleseg_lite.datasets.reading.png import encode_png, with_palette
from paddleseg_lite.errors import UserError
from paddleseg_lite.files import atomic_write
from paddleseg_lite.inference.polygons import MIN_PIXELS, labelme_file, labelme_shapes, regions
from paddleseg_lite.visualize import colorize, overlay, to_rgb, with_legend

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN = 3  # classes that `repr` tells of
JSON_END = b"}\n"  # the last bytes of a whole JSON file of ours, which has one line


@dataclass(frozen=True, eq=False, repr=False)  # arrays have no one answer to ==
class Segmentation:
    """What a network found in an image.

    Attributes:
        mask: class ids, uint8 [H, W], at the image's size.
        image: the image, [H, W, C].
        classes: K names of the ids.
        palette: uint8 [K, 3], RGB.
        probabilities: float32 [K, H, W], or None if they were not asked for.
        confidence: float32 [H, W], the probability of the class in `mask`, or None if it was not asked for.
        path: the file or URL that the image came from, None of an array or an image of PIL.
        frame: of a video, which frame it is, counted from 0.
    """

    mask: np.ndarray
    image: np.ndarray
    classes: tuple[str, ...]
    palette: np.ndarray
    probabilities: np.ndarray | None = None
    confidence: np.ndarray | None = None
    path: str | None = None
    frame: int | None = None

    def __repr__(self) -> str:
        """Return what was found: the source, width x height, and the largest classes with their shares."""
        shares = sorted(self.shares.items(), key=lambda share: -share[1])
        found = [f"{name} {share:.1%}" for name, share in shares if share > 0]
        more = [f"{len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
        source = "an image" if self.path is None else repr(self.path)
        source += "" if self.frame is None else f", frame {self.frame}"
        height, width = self.mask.shape
        return f"<Segmentation of {source}, {width}x{height}: {', '.join(found[:_SHOWN] + more)}>"

    @property
    def labels(self) -> np.ndarray:
        """`mask`, by the name that it had first."""
        return self.mask

    @cached_property
    def shares(self) -> dict[str, float]:
        """Each class's share of the pixels, 0 to 1; also of those that were not found."""
        counts = np.bincount(self.mask.ravel(), minlength=len(self.classes))
        shares = dict.fromkeys(self.classes, 0.0)
        for name, count in zip(self.classes, counts.tolist()):  # two classes may have one name
            shares[name] += count / self.mask.size
        return shares

    def color(self) -> np.ndarray:
        """Return the painted mask, uint8 [H, W, 3], RGB."""
        return colorize(self.mask, self.palette)

    def overlay(self, alpha: float = 0.6) -> np.ndarray:
        """Return the painted mask over the image, uint8 [H, W, 3], RGB; `alpha` is the image's weight."""
        return overlay(to_rgb(self.image), self.mask, self.palette, alpha)

    def plot(self) -> Figure:
        """Return a figure of matplotlib: image and overlay, with a legend of the classes that were found.

        It is nobody's current figure: pyplot does not know it, and need not be told to close it.
        """
        from matplotlib.figure import Figure
        from matplotlib.patches import Patch

        height, width = self.mask.shape
        figure = Figure(figsize=(12, max(2.0, 6 * height / width) + 1), layout="constrained")
        for axes, picture in zip(figure.subplots(1, 2), (to_rgb(self.image), self.overlay())):
            axes.imshow(picture)
            axes.axis("off")
        found = [index for index, name in enumerate(self.classes) if self.shares[name] > 0]
        handles = [Patch(color=self.palette[index] / 255, label="class") for index in found]
        legend = figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False)
        for index, text in zip(found, legend.get_texts()):
            # Set as they are: a label that begins with "_" is left out, and one with "$" is a formula.
            name = self.classes[index]
            text.set(text=f"{name} {self.shares[name]:.1%}", parse_math=False)
        return figure

    def to_json(self, min_pixels: int = MIN_PIXELS) -> str:
        """Return what was found as JSON, of one line.

        `path`, `frame`, `size`, `shares` of all classes, `min_pixels`, and `polygons`: for each region its
        `class`, its number of `pixels`, and its `outline` and `holes` as lists of [x, y], pixels of the
        region itself along its borders; straight runs by their ends.

        Args:
            min_pixels: regions of fewer pixels are left out of `polygons`; they count in `shares`.
        """
        height, width = self.mask.shape
        polygons = [
            {
                "class": self._name(region.class_id),
                "pixels": region.pixels,
                "outline": region.outline.tolist(),
                "holes": [hole.tolist() for hole in region.holes],
            }
            for region in regions(self.mask, min_pixels)
        ]
        facts = {"path": self.path, "frame": self.frame, "size": {"width": width, "height": height}}
        return json.dumps({**facts, "shares": self.shares, "min_pixels": min_pixels, "polygons": polygons})

    def save(self, path: str | Path, kind: str | None = None) -> None:
        """Write one of the files that predict.py writes.

        Args:
            path: the file; its folder is made.
            kind: "raw" (class ids), "color", "overlay", "confidence" (0 to 255 for 0 to 1), "cityscapes"
                (labelIds for train ids): .png, the overlay also in other endings that cv2 writes, such as
                .jpg; "json" (see `to_json`) and "polygons" (labelme's, for an image in a file): .json.
                None: "json" for .json, otherwise "overlay".

        Raises:
            UserError: the kind is unknown, or cannot be had, or not in a file of this ending, or the file
                cannot be written.
        """
        path = Path(path)
        kind = kind or ("json" if path.suffix == ".json" else "overlay")
        check_kinds([kind], "kind")
        if kind == "overlay" and path.suffix != ".png":
            atomic_write(path, _encoded_as(path, self.overlay()))
            return
        ending = KINDS[kind].ending
        if path.suffix != ending:
            raise UserError(f"{path}: the kind '{kind}' is written as {ending}; give such a name")
        atomic_write(path, self.encoded(kind, path.parent))

    def encoded(self, kind: str, folder: Path, legend: Sequence[str] = ()) -> bytes:
        """Return the content of a file of a kind, see `save`.

        Args:
            kind: a key of KINDS.
            folder: where the file will be.
            legend: names of the classes, to be drawn below an overlay.

        Raises:
            UserError: what it needs is not there.
        """
        return KINDS[kind].encode(self, folder, legend)

    @cached_property
    def _ids(self) -> bytes:
        return encode_png(self.mask)  # the same pixels serve two kinds

    def _name(self, class_id: int) -> str:
        return self.classes[class_id] if class_id < len(self.classes) else f"class {class_id}"


def check_kinds(kinds: Sequence[str], name: str) -> None:
    """Check names of kinds of results, which the user gave as `name`.

    Raises:
        UserError: there is none, or an unknown one.
    """
    if not kinds or any(kind not in KINDS for kind in kinds):
        raise UserError(f"{name} is '{','.join(kinds)}'; give one or more of {', '.join(KINDS)}")


def _confidence(found: Segmentation, *_: Any) -> bytes:
    if found.confidence is None:
        raise UserError("this result has no confidence; ask for it: predictor(image, confidence=True)")
    return encode_png(np.rint(found.confidence * 255).astype(np.uint8))


def _overlay(found: Segmentation, _: Path, legend: Sequence[str]) -> bytes:
    return encode_png(with_legend(found.overlay(), legend, found.palette))


def _polygons(found: Segmentation, folder: Path, _: Sequence[str]) -> bytes:
    if found.path is None or found.frame is not None or not os.path.isfile(found.path):
        raise UserError("a file of labelme's names an image's file, and this result is of none; give a path")
    image = os.path.relpath(found.path, folder).replace(os.sep, "/")
    shapes = labelme_shapes(found.mask, found.classes)
    return _one_line(json.dumps(labelme_file(shapes, image, found.mask.shape, found.classes)))


def _one_line(text: str) -> bytes:
    return text.encode() + b"\n"


def _encoded_as(path: Path, picture: np.ndarray) -> bytes:
    """Return an RGB picture in the format of a file's ending."""
    try:
        return cv2.imencode(path.suffix, np.ascontiguousarray(picture[:, :, ::-1]))[1].tobytes()
    except cv2.error as error:
        raise UserError(f"{path}: '{path.suffix}' is no ending of an image; give .png or .jpg") from error


class Kind(NamedTuple):
    """A kind of result: the folder of such files in a --save_dir, their ending, and what makes one's content.

    No two kinds share a folder, and so never a file.
    """

    folder: str
    ending: str
    encode: Callable[[Segmentation, Path, Sequence[str]], bytes]


KINDS = {  # by their names in --save; the first three folders are PaddleSeg's
    "raw": Kind("label_prediction", ".png", lambda found, *_: found._ids),
    "color": Kind(
        "pseudo_color_prediction", ".png", lambda found, *_: with_palette(found._ids, found.palette)
    ),
    "overlay": Kind("added_prediction", ".png", _overlay),
    "json": Kind("json_prediction", ".json", lambda found, *_: _one_line(found.to_json())),
    "polygons": Kind("polygon_prediction", ".json", _polygons),
    "confidence": Kind("confidence_prediction", ".png", _confidence),
    "cityscapes": Kind(
        "cityscapes_prediction", ".png", lambda found, *_: encode_png(to_label_ids(found.mask))
    ),
}
