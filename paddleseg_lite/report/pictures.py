"""Pictures as they stand in the page: photographs as WebP, maps as PNG whose palette can be changed."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

RIGHT, IGNORED = 254, 255  # in a map of errors, beside the classes whose pixels were taken for others
LAYERS = ("truth", "prediction", "errors")  # of a Shot, above its photograph
_QUALITY = 78  # of WebP


def _error_colors() -> np.ndarray:
    table = np.full((256, 4), (255, 45, 111, 255), np.uint8)
    table[RIGHT] = (0, 0, 0, 165)  # the photograph is seen through
    table[IGNORED] = (128, 128, 128, 215)
    return table


ERRORS = _error_colors()  # uint8 [256, 4], RGBA, of a map of errors


@dataclass(frozen=True)
class Shot:
    """A photograph with its maps, all of one size, as bytes of files.

    Attributes:
        photo: WebP.
        truth, prediction: PNG; values are class ids, 255 in the truth is ignored.
        errors: PNG; the truth where it is wrong, RIGHT, or IGNORED.
    """

    photo: bytes
    truth: bytes
    prediction: bytes
    errors: bytes
    size: tuple[int, int]  # width, height


def make_shot(photo: np.ndarray, truth: np.ndarray, prediction: np.ndarray, palette: np.ndarray) -> Shot:
    """Return the files of an image.

    Args:
        photo: uint8 [h, w, 3], RGB, of the same part of the image, and any size.
        truth: class ids; what is none of them is ignored; uint8 [H, W].
        prediction: class ids, uint8 [H, W].
        palette: of the classes, uint8 [K, 3], RGB.
    """
    ignored = truth >= len(palette)
    errors = np.where(ignored, IGNORED, np.where(truth == prediction, RIGHT, truth)).astype(np.uint8)
    truth = np.where(ignored, IGNORED, truth).astype(np.uint8)
    colors = np.zeros((256, 4), np.uint8)
    colors[: len(palette), :3] = palette
    colors[:, 3] = 255
    height, width = truth.shape
    return Shot(
        _webp(photo), _png(truth, colors), _png(prediction, colors), _png(errors, ERRORS), (width, height)
    )


def data_uri(kind: str, content: bytes) -> str:
    """Return a file's content as an address that asks no network."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _png(ids: np.ndarray, table: np.ndarray) -> bytes:
    image = Image.fromarray(ids)
    image.putpalette(np.ascontiguousarray(table[:, :3]).tobytes())
    out = io.BytesIO()
    image.save(out, "PNG", bits=8, transparency=table[:, 3].tobytes())
    return out.getvalue()


def _webp(photo: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(photo).save(out, "WEBP", quality=_QUALITY)
    return out.getvalue()
