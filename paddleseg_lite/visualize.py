"""Labels as pictures: colour maps, overlays, and contact sheets to look at."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from paddleseg_lite.errors import UserError

VOID_COLOR = (0, 0, 0)
TITLE_HEIGHT = 28
GAP = 6
LEGEND_COLUMNS = 7


def custom_palette(values: Sequence[int], num_classes: int) -> np.ndarray:
    """Return a palette, uint8 [num_classes, 3], of a flat list R G B R G B ...

    Raises:
        UserError: a value outside 0 to 255, or a list that is not three values for each class.
    """
    if len(values) != 3 * num_classes or not all(0 <= value <= 255 for value in values):
        raise UserError(
            f"the custom colours are {len(values)} values; give {3 * num_classes}, R G B of 0 to 255 each "
            f"for the {num_classes} classes"
        )
    return np.array(values, np.uint8).reshape(-1, 3)


def to_rgb(image: np.ndarray) -> np.ndarray:
    """Return a picture to paint on, uint8 [H, W, 3], of an image of any depth and any number of channels.

    Deeper values are stretched over 0 to 255; of more than three channels the first three are shown, of fewer
    than three the first one, as grey.
    """
    image = np.asarray(image)  # a data set's reader may give what is still on the disk
    if image.dtype != np.uint8:
        low, high = float(image.min()), float(image.max())
        image = ((image - low) * (255.0 / max(high - low, 1.0))).astype(np.uint8)
    channels = image.reshape(*image.shape[:2], -1)
    return np.ascontiguousarray(channels[:, :, :3] if channels.shape[2] >= 3 else channels[:, :, [0, 0, 0]])


def colorize(labels: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Paint class ids.

    Args:
        labels: uint8 [H, W]; ids beyond the palette (such as ignore_index) become black.
        palette: uint8 [K, 3], RGB.

    Returns:
        uint8 [H, W, 3], RGB.
    """
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = palette
    return table[labels]


def overlay(image: np.ndarray, labels: np.ndarray, palette: np.ndarray, alpha: float = 0.6) -> np.ndarray:
    """Blend the painted labels over the image.

    Args:
        image: uint8 [H, W, 3], RGB.
        labels: uint8 [H, W].
        palette: uint8 [K, 3], RGB.
        alpha: weight of the image, 0 to 1.

    Returns:
        uint8 [H, W, 3], RGB; pixels beyond the palette show the image alone.
    """
    blended = cv2.addWeighted(image, alpha, colorize(labels, palette), 1 - alpha, 0)
    return np.where((labels < len(palette))[..., None], blended, image)


def contact_sheet(
    rows: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
    classes: Sequence[str],
    palette: np.ndarray,
    width: int = 480,
) -> np.ndarray:
    """Lay out samples as image | truth | prediction | overlay, with a legend of the classes below.

    Args:
        rows: (image uint8 [H, W, 3] RGB, truth uint8 [H, W], prediction uint8 [H, W]) for each sample.
        classes: K names.
        palette: uint8 [K, 3], RGB.
        width: of each picture, in pixels.

    Returns:
        uint8 [height, 4 x width + gaps, 3], RGB.
    """
    pictures = [
        (image, colorize(truth, palette), colorize(prediction, palette), overlay(image, prediction, palette))
        for image, truth, prediction in rows
    ]
    return _sheet(("image", "truth", "prediction", "overlay"), pictures, classes, palette, width)


def label_sheet(
    rows: Sequence[tuple[np.ndarray, np.ndarray]],
    classes: Sequence[str],
    palette: np.ndarray,
    width: int = 480,
) -> np.ndarray:
    """Lay out samples as image | label | overlay, with a legend of the classes below.

    Args:
        rows: (image uint8 [H, W, 3] RGB, label uint8 [H, W]) for each sample.
        classes: K names.
        palette: uint8 [K, 3], RGB.
        width: of each picture, in pixels.

    Returns:
        uint8 [height, 3 x width + gaps, 3], RGB.
    """
    pictures = [(image, colorize(label, palette), overlay(image, label, palette)) for image, label in rows]
    return _sheet(("image", "label", "overlay"), pictures, classes, palette, width)


def _sheet(
    titles: Sequence[str],
    rows: Sequence[Sequence[np.ndarray]],
    classes: Sequence[str],
    palette: np.ndarray,
    width: int,
) -> np.ndarray:
    strips = [np.hstack([_pad(_title(title, width)) for title in titles])]
    strips += [np.hstack([_pad(_fit(picture, width)) for picture in row]) for row in rows]
    sheet = np.vstack(strips)
    return np.vstack([sheet, _legend(classes, palette, sheet.shape[1])])


def _fit(picture: np.ndarray, width: int) -> np.ndarray:
    height = round(picture.shape[0] * width / picture.shape[1])
    shrinks = width < picture.shape[1]
    return cv2.resize(
        picture, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST
    )


def _pad(picture: np.ndarray) -> np.ndarray:
    return cv2.copyMakeBorder(picture, 0, GAP, 0, GAP, cv2.BORDER_CONSTANT, value=(255, 255, 255))


def _title(text: str, width: int) -> np.ndarray:
    strip = np.full((TITLE_HEIGHT, width, 3), 255, np.uint8)
    return cv2.putText(strip, text, (4, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 1, cv2.LINE_AA)


def _legend(classes: Sequence[str], palette: np.ndarray, width: int) -> np.ndarray:
    """Return a strip of colour patches with names, LEGEND_COLUMNS a line; black stands for ignored."""
    entries = [(name, tuple(int(v) for v in color)) for name, color in zip(classes, palette)]
    entries.append(("ignored", VOID_COLOR))
    lines = -(-len(entries) // LEGEND_COLUMNS)
    strip = np.full((TITLE_HEIGHT * lines + GAP, width, 3), 255, np.uint8)
    for position, (name, color) in enumerate(entries):
        line, column = divmod(position, LEGEND_COLUMNS)
        x, y = column * width // LEGEND_COLUMNS + 4, line * TITLE_HEIGHT + 4
        cv2.rectangle(strip, (x, y), (x + 30, y + 18), color, cv2.FILLED)
        cv2.putText(strip, name, (x + 38, y + 15), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (0, 0, 0), 1, cv2.LINE_AA)
    return strip
