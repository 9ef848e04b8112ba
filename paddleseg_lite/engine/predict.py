"""Prediction on images: class ids, colour maps and overlays, written as files."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import paddle
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from paddleseg_lite.datasets.images import read_image
from paddleseg_lite.engine.evaluate import predict_labels
from paddleseg_lite.engine.inference import PLAIN, InferenceOptions, Network
from paddleseg_lite.errors import UserError
from paddleseg_lite.transforms import Compose, Sample
from paddleseg_lite.visualize import colorize, overlay, to_rgb

log = logging.getLogger(__name__)

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
# The last two are PaddleSeg's folder names.
LABELS, COLORS, OVERLAYS = "label_prediction", "pseudo_color_prediction", "added_prediction"


@dataclass
class PredictResult:
    """What became of each image: `written` have their files, `failed` could not be read, with the reason."""

    written: list[Path] = field(default_factory=list)
    failed: dict[Path, str] = field(default_factory=dict)


def find_images(path: Path) -> tuple[list[Path], Path]:
    """Return the images that a path stands for, and the folder that their names are relative to.

    Args:
        path: an image; a folder, searched through all its subfolders; or a text file with one image in each
            line, relative to the text file's folder. In a list of `image label` pairs the images are taken.

    Raises:
        UserError: nothing is there, or no image is in it.
    """
    path = Path(path)
    if path.is_dir():
        images = sorted(p for p in path.rglob("*") if p.suffix.lower() in IMAGE_ENDINGS)
        if not images:
            raise UserError(f"no image in {path}; looked for {', '.join(IMAGE_ENDINGS)}")
        return images, path
    if not path.is_file():
        raise UserError(f"no image, folder or list at {path}; check --image_path")
    if path.suffix.lower() in IMAGE_ENDINGS:
        return [path], path.parent
    if path.suffix.lower() not in (".txt", ".lst"):
        raise UserError(f"{path} is neither an image ({', '.join(IMAGE_ENDINGS)}) nor a list (.txt, .lst)")
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not a text file in UTF-8 ({error.reason}); give an image, a folder or a list"
        ) from error
    images = [_listed(path.parent, line) for line in lines if line]
    if not images:
        raise UserError(f"{path} lists no image; write one path in each line")
    return images, path.parent


def _listed(folder: Path, line: str) -> Path:
    """Return the image that a line names: all of it, for names may hold spaces, or else its first column."""
    whole = folder / line
    return whole if whole.exists() else folder / line.split()[0]


def predict(
    model: Network,
    images: Sequence[Path],
    transforms: Compose,
    palette: np.ndarray,
    save_dir: Path,
    root: Path,
    in_channels: int = 3,
    inference: InferenceOptions = PLAIN,
) -> PredictResult:
    """Segment images and write, for each, its class ids, its colour map and its overlay as PNG.

    The files are `save_dir/{label,pseudo_color,added}_prediction/NAME.png`, NAME being the image's path below
    `root` without its ending. An image that cannot be read is reported and left out, the others go on.

    Args:
        model: images float32 [N, C, H, W] -> [logits [N, num_classes, H, W], ...].
        images: files to read.
        transforms: as in evaluation.
        palette: uint8 [num_classes, 3], RGB.
        save_dir: where the three folders are made.
        root: the folder that results are named relative to.
        in_channels: channels that the model takes.
        inference: scales, flips, sliding windows.

    Raises:
        UserError: two images would write the same file.
    """
    names = _result_names(images, Path(root))
    if isinstance(model, paddle.nn.Layer):
        model.eval()
    result = PredictResult()
    with logging_redirect_tqdm():
        for path, name in tqdm(list(zip(images, names)), desc="predict", unit="image", dynamic_ncols=True):
            try:
                image = read_image(path, in_channels)
                source = Sample.from_source(image, path=str(path), label_at_source=True)
                sample = transforms(source, np.random.default_rng(0))
                labels = predict_labels(model, [sample], inference)[0].astype(np.uint8)
            except UserError as error:
                reason = str(error) if str(path) in str(error) else f"{path}: {error}"
                log.error(f"skipped: {reason}")
                result.failed[path] = reason
                continue
            write_png(save_dir / LABELS / name, labels)
            write_png(save_dir / COLORS / name, colorize(labels, palette))
            write_png(save_dir / OVERLAYS / name, overlay(to_rgb(image), labels, palette))
            result.written.append(path)
    return result


def _result_names(images: Sequence[Path], root: Path) -> list[Path]:
    """Return the name of each image's results, relative to a result folder."""
    taken: dict[Path, Path] = {}
    for path in images:
        inside = path.relative_to(root) if root in path.parents else Path(path.name)
        name = inside.with_suffix(".png")
        if name in taken:
            raise UserError(
                f"{taken[name]} and {path} would both write {name}; rename one, or give each a "
                "--save_dir of its own"
            )
        taken[name] = path
    return list(taken)


def write_png(path: Path, picture: np.ndarray) -> None:
    """Write a PNG, uint8 [H, W] or RGB [H, W, 3], beside its target and rename it: no half-written result.

    Raises:
        UserError: the disk is full, or nothing can be written there.
    """
    encoded = cv2.imencode(".png", picture if picture.ndim == 2 else picture[:, :, ::-1])[1]
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(encoded.tobytes())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot write {path} ({error.strerror or error}); free some space or give another folder"
        ) from error
