"""Prediction on images: class ids, color maps and overlays, written as files."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import paddle
from tqdm.contrib.logging import logging_redirect_tqdm

from paddleseg_lite.datasets.loading.prefetch import prefetch_map
from paddleseg_lite.datasets.reading.images import read_image
from paddleseg_lite.datasets.reading.png import PNG_END, encode_png, with_palette
from paddleseg_lite.errors import UserError
from paddleseg_lite.files import atomic_write
from paddleseg_lite.inference.augment import PLAIN, InferenceOptions, Network, Runtime
from paddleseg_lite.inference.evaluate import predict_labels
from paddleseg_lite.printable import printable
from paddleseg_lite.progress import Progress
from paddleseg_lite.transforms import Compose, Sample
from paddleseg_lite.visualize import overlay, to_rgb, with_legend

log = logging.getLogger(__name__)

# What one image may lead to: unreadable, too small for the network (as Paddle says), or too large for memory.
_OF_ONE_IMAGE = (UserError, ValueError, RuntimeError, OSError, MemoryError)
# The last two are PaddleSeg's folder names.
LABELS, COLORS, OVERLAYS = "label_prediction", "pseudo_color_prediction", "added_prediction"
RESULTS = {"raw": LABELS, "color": COLORS, "overlay": OVERLAYS}  # name in --save -> folder


@dataclass
class PredictResult:
    """What became of each image.

    Attributes:
        written: have their files.
        failed: could not be read, with the reason.
        skipped: had their files before.
    """

    written: list[Path] = field(default_factory=list)
    failed: dict[Path, str] = field(default_factory=dict)
    skipped: list[Path] = field(default_factory=list)


def result_folders(save_dir: Path) -> list[Path]:
    """Return the folders in which results are written: what is there is no input."""
    return [save_dir / name for name in RESULTS.values()]


def predict(
    model: Network | Runtime,
    images: Sequence[Path],
    transforms: Compose,
    palette: np.ndarray,
    save_dir: Path,
    root: Path,
    in_channels: int = 3,
    inference: InferenceOptions = PLAIN,
    save: Sequence[str] = tuple(RESULTS),
    resume: bool = False,
    legend: Sequence[str] = (),
) -> PredictResult:
    """Segment images and write, for each, its class ids, its color map and its overlay as PNG.

    The files are `save_dir/{label,pseudo_color,added}_prediction/NAME.png`, NAME being the image's path below
    `root` without its ending. An image that cannot be read is reported and left out, the others go on. Other
    threads read the next images and write the last results meanwhile, a few of each: memory is bounded.

    Args:
        model: images float32 [N, C, H, W] -> [logits [N, num_classes, H, W], ...], or a runtime.
        images: files to read.
        transforms: as in evaluation.
        palette: uint8 [num_classes, 3], RGB.
        save_dir: where the folders are made.
        root: the folder that results are named relative to.
        in_channels: channels that the model takes.
        inference: scales, flips, sliding windows.
        save: which results to write, keys of RESULTS.
        resume: skip images whose results are all there.
        legend: names of the classes, to be drawn below each overlay; none: no legend.

    Raises:
        UserError: two images would write the same file, a result would replace an image, or cannot be
            written.
    """
    check_results(save)
    names = dict(zip(_result_names(images, Path(root)), images))
    _check_targets(images, [save_dir / RESULTS[kind] / name for kind in save for name in names])
    done = [name for name in names if resume and _is_done(save_dir, name, save)]
    result = PredictResult(skipped=[names.pop(name) for name in done])
    if isinstance(model, paddle.nn.Layer):
        model.eval()
    read = partial(read_sample, transforms, in_channels)
    write = partial(write_results, save_dir, palette, save, legend=legend)

    def labelled(readers: Executor) -> Iterator[tuple[Path, np.ndarray, np.ndarray]]:
        """Yield (name, image, class ids) of what can be segmented; say what cannot."""
        found_ahead = prefetch_map(readers, read, names.values())
        bar = Progress(found_ahead, total=len(names), desc="predict", unit="image")
        for (name, path), found in zip(names.items(), bar):
            try:
                if isinstance(found, UserError):
                    raise found
                image, sample = found
                labels = predict_labels(model, [sample], inference)[0].astype(np.uint8, copy=False)
            except _OF_ONE_IMAGE as error:
                log.debug("the trace", exc_info=True)
                reason = str(error) if printable(path) in str(error) else printable(f"{path}: {error}")
                log.error(f"skipped: {reason}")
                result.failed[path] = reason
            else:
                yield name, image, labels

    with logging_redirect_tqdm(), ThreadPoolExecutor(2) as readers, ThreadPoolExecutor(2) as writers:
        for name in prefetch_map(writers, write, labelled(readers)):
            result.written.append(names[name])
    return result


def read_sample(
    transforms: Callable[..., Sample], in_channels: int, path: Path
) -> tuple[np.ndarray, Sample] | UserError:
    """Return an image and its sample, or what is wrong with it."""
    try:
        image = read_image(path, in_channels)
        source = Sample.from_source(image, path=str(path), label_at_source=True)
        return image, transforms(source, np.random.default_rng(0))
    except UserError as error:
        return error
    except MemoryError:
        return UserError(f"{path} takes more memory than there is; make the image smaller")


def check_results(save: Sequence[str]) -> None:
    """Check the names of results.

    Raises:
        UserError: there is none, or an unknown one.
    """
    unknown = [name for name in save if name not in RESULTS]
    if unknown or not save:
        raise UserError(f"--save is '{','.join(save)}'; give one or more of {', '.join(RESULTS)}")


def _is_done(save_dir: Path, name: Path, save: Sequence[str]) -> bool:
    """Whether all results of an image are there and whole: after a power failure some may be empty or cut."""
    for kind in save:
        try:
            with (save_dir / RESULTS[kind] / name).open("rb") as file:
                file.seek(-len(PNG_END), os.SEEK_END)
                if file.read() != PNG_END:
                    return False
        except (OSError, ValueError):  # there is none, or it is shorter; a NUL in the name
            return False
    return True


def write_results(
    save_dir: Path,
    palette: np.ndarray,
    save: Sequence[str],
    job: tuple[Path, np.ndarray, np.ndarray],
    legend: Sequence[str] = (),
) -> Path:
    """Write the results of a job, (name, image, class ids), overlays with a legend; return their name."""
    name, image, labels = job
    if "raw" in save or "color" in save:
        ids = encode_png(labels)
        if "raw" in save:
            atomic_write(save_dir / LABELS / name, ids, sync=False)
        if "color" in save:  # the same pixels, with colors
            atomic_write(save_dir / COLORS / name, with_palette(ids, palette), sync=False)
    if "overlay" in save:
        picture = encode_png(with_legend(overlay(to_rgb(image), labels, palette), legend, palette))
        atomic_write(save_dir / OVERLAYS / name, picture, sync=False)
    return name


def _result_names(images: Sequence[Path], root: Path) -> list[Path]:
    """Return the name of each image's results, relative to a result folder and always inside of it."""
    taken: dict[Path, Path] = {}
    folder = Path(os.path.abspath(root))
    for path in images:
        whole = Path(os.path.abspath(path))  # without "..", which a list may use; links stay as they are
        inside = whole.relative_to(folder) if folder in whole.parents else Path(whole.name)
        name = inside.with_suffix(".png")
        if taken.get(name) == path:
            raise UserError(f"{path} is listed twice; list it once")
        if name in taken:
            raise UserError(
                f"{taken[name]} and {path} would both write {name}; rename one, or give each a "
                "--save_dir of its own"
            )
        taken[name] = path
    return list(taken)


def _check_targets(images: Sequence[Path], targets: Sequence[Path]) -> None:
    """Refuse to write a result where an image is."""
    sources = {_real(path): path for path in images}
    for target in targets:
        found = sources.get(_real(target))
        if found is not None:
            raise UserError(f"a result would replace the image {found}; give another --save_dir")


def _real(path: Path) -> str:
    """Return where links lead, or a path itself that leads nowhere: links in a circle, a NUL in the name."""
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):
        return str(path)
