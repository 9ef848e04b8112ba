"""Validation images with what a network makes of them: val_images.jpg, and VisualDL's pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from paddleseg_lite.datasets.base import SegmentationDataset
from paddleseg_lite.errors import UserError
from paddleseg_lite.files import atomic_write
from paddleseg_lite.inference.augment import InferenceOptions, Network
from paddleseg_lite.inference.evaluate import predict_labels
from paddleseg_lite.visualize import colorize, contact_sheet, fit, to_rgb

SHEET = "val_images.jpg"
_SHOWN = 4  # images
_WIDTH = 480  # of each of the pictures in a row, in pixels
_QUALITY = 92  # of JPEG: the edges of classes stay clean


@dataclass(frozen=True)
class Shown:
    """A validation image, at most twice as wide as it is shown.

    Attributes:
        path: its file.
        image: uint8 [H, W, 3], RGB.
        truth, prediction: uint8 [H, W], class ids.
    """

    path: str
    image: np.ndarray
    truth: np.ndarray
    prediction: np.ndarray


def showcase(model: Network, dataset: SegmentationDataset, inference: InferenceOptions) -> list[Shown]:
    """Return images spread over a data set, with the network's predictions."""
    shown = []
    for index in np.unique(np.linspace(0, len(dataset) - 1, _SHOWN).astype(int)):
        image, truth = dataset.reader(int(index))
        predicted = predict_labels(model, [dataset.sample(int(index))], inference)[0].astype(np.uint8)
        picture = fit(to_rgb(image), min(image.shape[1], 2 * _WIDTH))
        size = (picture.shape[1], picture.shape[0])
        labels = [
            cv2.resize(ids, size, interpolation=cv2.INTER_NEAREST_EXACT).astype(np.uint8)
            for ids in (np.asarray(truth, np.uint8), predicted)
        ]
        shown.append(Shown(dataset.pairs[index][0], picture, *labels))
    return shown


def strip(shown: Shown, palette: np.ndarray) -> np.ndarray:
    """Return image | truth | prediction, uint8 [H, W, 3] RGB."""
    pictures = (shown.image, colorize(shown.truth, palette), colorize(shown.prediction, palette))
    return np.hstack([fit(picture, min(picture.shape[1], _WIDTH)) for picture in pictures])


def write_sheet(path: Path, shown: list[Shown], dataset: SegmentationDataset, heading: str) -> None:
    """Lay out image | truth | prediction | overlay of each, with a legend, as JPEG.

    Raises:
        UserError: the file cannot be written.
    """
    rows = [(one.image, one.truth, one.prediction) for one in shown]
    titles = [one.path for one in shown]
    sheet = contact_sheet(rows, dataset.classes, dataset.palette, _WIDTH, heading, titles)
    done, data = cv2.imencode(".jpg", sheet[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise UserError(f"JPEG has no pictures of {sheet.shape[1]}x{sheet.shape[0]} pixels")
    atomic_write(path, data.tobytes())
