"""What a Predictor may be given -> images, one by one."""

from __future__ import annotations

import glob
import os
import re
import tempfile
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from PIL import Image, ImageOps

from paddleseg_lite.checkpoint.download import download_file
from paddleseg_lite.datasets.reading.images import read_image
from paddleseg_lite.datasets.reading.lists import IMAGE_ENDINGS, LIST_ENDINGS, find_images
from paddleseg_lite.errors import UserError
from paddleseg_lite.inference.video import is_camera, is_video, open_video
from paddleseg_lite.printable import printable
from paddleseg_lite.progress import Progress

_NAME = "the images"  # for messages


def is_of_frames(source: Any) -> bool:
    """Whether a source is a video, by its name or URL, or a camera: a number or a device."""
    if isinstance(source, str) and _is_url(source):
        return is_video(urlsplit(source).path)
    return isinstance(source, (str, Path, int)) and is_video(str(source))


def find_many(source: Any) -> list[Path] | None:
    """Return the images that a folder, a list or a pattern stands for; None for anything else.

    Args:
        source: of a pattern, such as "photos/**/*.jpg", files that are no images by their names are left out.

    Raises:
        UserError: there is none.
    """
    if not isinstance(source, (str, Path)) or _is_url(source):
        return None
    path = Path(source)
    if os.path.isdir(path) or path.suffix.lower() in LIST_ENDINGS:
        return find_images(path, _NAME)[0]
    if not glob.has_magic(str(source)) or os.path.lexists(source):
        return None
    names = glob.glob(str(source), recursive=True)
    images = sorted(Path(name) for name in names if Path(name).suffix.lower() in IMAGE_ENDINGS)
    if not images:
        raise UserError(f"no image matches {source}; looked for {', '.join(IMAGE_ENDINGS)}")
    return images


def open_one(source: Any, channels: int) -> tuple[np.ndarray, str | None]:
    """Return an image, [H, W, C] as `read_image` returns it, and its path or URL.

    Args:
        source: a path, the URL of a file, an image of PIL (turned as its EXIF orientation says), or an array.
        channels: that the network takes.

    Raises:
        UserError: it cannot be had or read, or is of another shape or type.
    """
    if isinstance(source, (str, Path)):
        if _is_url(source):
            return _read_url(str(source), channels), str(source)
        return read_image(source, channels), str(source)
    if isinstance(source, Image.Image):
        source = ImageOps.exif_transpose(source)
        if channels == 3 and not source.mode.startswith(("I", "F")):  # as files: palettes, gray, transparency
            source = source.convert("RGB")
    pixels = np.asarray(source)
    if pixels.ndim == 0:  # NumPy takes whatever it does not know for one value
        raise UserError(
            f"a {type(source).__name__} is no image; give a path, a URL, an image of PIL, an array, or a "
            "list of such"
        )
    shape, pixels = pixels.shape, pixels[..., None] if pixels.ndim == 2 else pixels
    found = pixels.shape[2] if pixels.ndim == 3 else 0
    if found != channels or pixels.dtype not in (np.uint8, np.uint16) or not pixels.size:
        raise UserError(
            f"an image of shape {list(shape)} and type {pixels.dtype}; give [H, W, {channels}] of type uint8 "
            "or uint16, colors in RGB order"
        )
    return pixels, None


def checked_frames(source: str | Path | int, channels: int) -> str:
    """Return a video's name, checked before any work.

    Raises:
        UserError: there is no such file, or the network takes another number of channels.
    """
    name = str(source)
    if not (is_camera(name) or _is_url(name) or os.path.isfile(name)):
        raise UserError(f"there is no video {name}; check the path")
    if channels != 3:
        raise UserError(f"a video has 3 channels and the network takes {channels}; give images")
    return name


def frames_of(source: str) -> Generator[np.ndarray, None, None]:
    """Yield the frames of a video or camera, uint8 [H, W, 3] RGB, with a bar; of a URL after its download.

    Raises:
        UserError: it cannot be opened.
    """
    with ExitStack() as stack:
        file = source
        if _is_url(source):
            file = str(download_file(source, Path(stack.enter_context(tempfile.TemporaryDirectory()))))
        reader = open_video(file)
        stack.callback(reader.close)
        for frame in Progress(reader, desc="video", total=reader.total or None, unit="frame"):
            yield frame.picture


def _read_url(url: str, channels: int) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        file = download_file(url, Path(folder))
        try:
            return read_image(file, channels)
        except UserError as error:
            raise UserError(str(error).replace(printable(file), url)) from error


def _is_url(source: str | Path) -> bool:
    return isinstance(source, str) and re.match("https?://", source, re.IGNORECASE) is not None
