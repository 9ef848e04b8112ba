"""Labels as pictures: color maps, overlays, and contact sheets to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from paddleseg_lite.errors import UserError

VOID_COLOR = (0, 0, 0)
TITLE_HEIGHT = 28
GAP = 6
LEGEND_COLUMNS = 7
_LEGEND_FONT = (cv2.FONT_HERSHEY_SIMPLEX, 0.55, 1)  # font, size, weight
PATCH_HEIGHT, PATCH_WIDTH = 19, 31
Hatch = tuple[int, tuple[int, int, int], tuple[int, int, int]]  # slant, colors of its lines
IGNORED_HATCH: Hatch = (1, (0, 0, 0), (255, 255, 255))
WRONG_HATCH: Hatch = (-1, (255, 0, 255), (255, 255, 0))
HATCH = 12  # pixels from a line to the next one of its color
TITLE_LETTER = 11  # about as wide is a letter of a title, in pixels


def custom_palette(values: Sequence[int], num_classes: int) -> np.ndarray:
    """Return a palette, uint8 [num_classes, 3], of a flat list R G B R G B ...

    Raises:
        UserError: a value outside 0 to 255, or a list that is not three values for each class.
    """
    if len(values) != 3 * num_classes or not all(0 <= value <= 255 for value in values):
        raise UserError(
            f"the custom colors are {len(values)} values; give {3 * num_classes}, R G B of 0 to 255 each "
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
    table = np.zeros((1, 256, 3), np.uint8)
    table[0, : len(palette)] = palette
    return cv2.LUT(cv2.merge([labels] * 3), table)  # ten times as fast as NumPy's indexing


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
    if labels.size and labels.max() >= len(palette):
        return np.where((labels < len(palette))[..., None], blended, image)
    return blended


def with_legend(picture: np.ndarray, classes: Sequence[str], palette: np.ndarray) -> np.ndarray:
    """Return a picture, uint8 [H, W, 3] RGB, with a legend of the classes below; as it is without any.

    Args:
        picture: the picture.
        classes: K names.
        palette: uint8 [K, 3], RGB.
    """
    if not classes:
        return picture
    return np.vstack([picture, _legend(_patches(classes, palette), picture.shape[1])])


def contact_sheet(
    rows: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
    classes: Sequence[str],
    palette: np.ndarray,
    width: int = 480,
    heading: str = "",
    titles: Sequence[str] = (),
) -> np.ndarray:
    """Lay out samples as image | truth | prediction | overlay, with a legend of the classes below.

    Args:
        rows: (image uint8 [H, W, 3] RGB, truth uint8 [H, W], prediction uint8 [H, W]) for each sample.
        classes: K names.
        palette: uint8 [K, 3], RGB.
        width: of each picture, in pixels.
        heading: what stands above all, if anything.
        titles: what stands above each sample, if anything.

    Returns:
        uint8 [height, 4 x width + gaps, 3], RGB.
    """
    pictures = [
        (image, colorize(truth, palette), colorize(prediction, palette), overlay(image, prediction, palette))
        for image, truth, prediction in rows
    ]
    strips = [_titles(("image", "truth", "prediction", "overlay"), width)]
    if heading:
        strips.insert(0, _title(heading, strips[0].shape[1]))
    for number, row in enumerate(pictures):
        if titles:
            strips.append(_title(titles[number], strips[0].shape[1]))
        strips.append(np.hstack([_pad(fit(picture, width)) for picture in row]))
    sheet = np.vstack(strips)
    void = np.full((PATCH_HEIGHT, PATCH_WIDTH, 3), VOID_COLOR, np.uint8)
    return np.vstack([sheet, _legend([*_patches(classes, palette), ("ignored", void)], sheet.shape[1])])


@dataclass(frozen=True)
class LabelRow:
    """A sample to be shown with its label."""

    title: str  # what stands above it
    image: np.ndarray  # uint8 [H, W, 3], RGB
    label: np.ndarray  # uint8 [H, W, 3], RGB: the label as it is painted
    ignored: np.ndarray  # bool [H, W], pixels that don't count
    wrong: np.ndarray  # bool [H, W], pixels whose id is not allowed


def label_sheet(
    rows: Sequence[LabelRow],
    classes: Sequence[str],
    palette: np.ndarray,
    width: int = 480,
) -> np.ndarray:
    """Lay out samples as image | label | overlay, with a legend of the classes below.

    Ignored and wrong pixels are hatched, in two colors each, so that they are seen whatever the palette is.

    Returns:
        uint8 [height, 3 x width + gaps, 3], RGB.
    """
    strips = [_titles(("image", "label", "overlay"), width)]
    for row in rows:
        blended = cv2.addWeighted(row.image, 0.6, row.label, 0.4, 0)
        shows_image = row.ignored[..., None]
        blended = np.where(shows_image, row.image, blended)
        pictures = [fit(row.image, width)]
        for picture in (row.label, blended):
            fitted = fit(picture, width)
            for mask, hatch in ((row.ignored, IGNORED_HATCH), (row.wrong, WRONG_HATCH)):
                _hatch(fitted, fit(mask.astype(np.uint8) * 255, width) > 0, hatch)
            pictures.append(fitted)
        strip = np.hstack([_pad(picture) for picture in pictures])
        strips += [_title(row.title, strip.shape[1]), strip]
    sheet = np.vstack(strips)
    patches, hatches = [], [("ignored", IGNORED_HATCH)]
    if any(row.wrong.any() for row in rows):  # to be looked for only where there is some
        hatches.append(("not allowed", WRONG_HATCH))
    for name, hatch in hatches:
        patch = np.full((PATCH_HEIGHT, PATCH_WIDTH, 3), 128, np.uint8)
        _hatch(patch, np.ones(patch.shape[:2], bool), hatch)
        patches.append((name, patch))
    return np.vstack([sheet, _legend([*_patches(classes, palette), *patches], sheet.shape[1])])


def _hatch(picture: np.ndarray, mask: np.ndarray, hatch: Hatch) -> None:
    """Draw slanted lines of two colors in turn over the pixels of a mask, [H, W] bool, and around them."""
    slant, *colors = hatch
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    # Between the lines the picture is seen, but not at an edge: a single pixel must not get lost.
    is_edge = mask & (cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    for start, color in zip((0, HATCH // 2), colors):
        place = (x + slant * y - start) % HATCH
        picture[mask & ((place < HATCH // 4) | (is_edge & (place < HATCH // 2)))] = color


def _titles(titles: Sequence[str], width: int) -> np.ndarray:
    return np.hstack([_pad(_title(title, width)) for title in titles])


def fit(picture: np.ndarray, width: int) -> np.ndarray:
    """Return a picture [H, W] or [H, W, C] at another width, its aspect kept."""
    height = round(picture.shape[0] * width / picture.shape[1])
    shrinks = width < picture.shape[1]
    return cv2.resize(
        picture, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST
    )


def _pad(picture: np.ndarray) -> np.ndarray:
    return cv2.copyMakeBorder(picture, 0, GAP, 0, GAP, cv2.BORDER_CONSTANT, value=(255, 255, 255))


def _title(text: str, width: int) -> np.ndarray:
    strip = np.full((TITLE_HEIGHT, width, 3), 255, np.uint8)
    text = text.encode("ascii", "replace").decode()  # cv2's font has no others
    if len(text) > width // TITLE_LETTER:
        text = f"...{text[3 - width // TITLE_LETTER :]}"
    return cv2.putText(strip, text, (4, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 1, cv2.LINE_AA)


def _patches(classes: Sequence[str], palette: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Return each class's name with a patch of its color."""
    shape = (PATCH_HEIGHT, PATCH_WIDTH, 3)
    return [(name, np.full(shape, color, np.uint8)) for name, color in zip(classes, palette)]


def _legend(entries: Sequence[tuple[str, np.ndarray]], width: int) -> np.ndarray:
    """Return a strip of patches with names, LEGEND_COLUMNS a line, or as many as there is room for."""
    longest = max(cv2.getTextSize(name, *_LEGEND_FONT)[0][0] for name, _ in entries)
    columns = min(LEGEND_COLUMNS, max(1, width // (longest + 46)))
    lines = -(-len(entries) // columns)
    strip = np.full((TITLE_HEIGHT * lines + GAP, width, 3), 255, np.uint8)
    for position, (name, patch) in enumerate(entries):
        line, column = divmod(position, columns)
        x, y = column * width // columns + 4, line * TITLE_HEIGHT + 4
        place = strip[y : y + PATCH_HEIGHT, x : x + PATCH_WIDTH]
        place[:] = patch[: place.shape[0], : place.shape[1]]
        font, size, weight = _LEGEND_FONT
        cv2.putText(strip, name, (x + 38, y + 15), font, size, (0, 0, 0), weight, cv2.LINE_AA)
    return strip
