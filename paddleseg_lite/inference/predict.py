"""Prediction on images, with the results written as files: class ids, color maps, overlays and others."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm.contrib.logging import logging_redirect_tqdm

from paddleseg_lite.datasets.cityscapes_labels import check_result_names
from paddleseg_lite.datasets.loading.prefetch import prefetch_map
from paddleseg_lite.datasets.reading.png import PNG_END
from paddleseg_lite.errors import UserError
from paddleseg_lite.files import atomic_write
from paddleseg_lite.inference.augment import PLAIN, InferenceOptions, Network, Runtime
from paddleseg_lite.inference.segmentation import JSON_END, KINDS, Segmentation, check_kinds
from paddleseg_lite.inference.segmenter import Segmenter, reason_of
from paddleseg_lite.transforms import Compose

log = logging.getLogger(__name__)

DEFAULT_RESULTS = ("raw", "color", "overlay")
_EDITED = (b"{\n", b"{\r")  # how a file begins that labelme wrote, and no file of ours, which has one line


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
    return [save_dir / kind.folder for kind in KINDS.values()]


def predict(
    model: Network | Runtime,
    images: Sequence[Path],
    transforms: Compose,
    palette: np.ndarray,
    save_dir: Path,
    root: Path,
    in_channels: int = 3,
    inference: InferenceOptions = PLAIN,
    save: Sequence[str] = DEFAULT_RESULTS,
    resume: bool = False,
    legend: Sequence[str] = (),
    classes: Sequence[str] = (),
) -> PredictResult:
    """Segment images and write, for each, its class ids, its color map and its overlay, or other results.

    The files are `save_dir/FOLDER/NAME.png` or `.json`, FOLDER as KINDS says, NAME being the image's path
    below `root` without its ending. An image that cannot be read is reported and left out, the others go on.
    Other threads read the next images and write the last results meanwhile, a few of each: memory is bounded.

    Args:
        model: images float32 [N, C, H, W] -> [logits [N, num_classes, H, W], ...], or a runtime.
        images: files to read.
        transforms: as in evaluation.
        palette: uint8 [num_classes, 3], RGB.
        save_dir: where the folders are made.
        root: the folder that results are named relative to.
        in_channels: channels that the model takes.
        inference: scales, flips, sliding windows.
        save: which results to write, keys of KINDS.
        resume: skip images whose results are all there.
        legend: names of the classes, to be drawn below each overlay; none: no legend.
        classes: names for "json" and "polygons"; none: "class 0" and so on.

    Raises:
        UserError: two images would write the same file, a result would replace an image or polygons that
            somebody has corrected, or cannot be written, or is not of Cityscapes' classes and names.
    """
    check_kinds(save, "--save")
    if "cityscapes" in save:
        check_result_names(images, len(palette))
    names = dict(zip(images, _result_names(images, Path(root))))
    _check_targets(images, names.values(), save_dir, save, resume)
    done = {path for path, name in names.items() if resume and _is_done(save_dir, name, save)}
    result = PredictResult(skipped=[path for path in images if path in done])
    classes = tuple(classes) or tuple(f"class {index}" for index in range(len(palette)))
    segmenter = Segmenter(model, transforms, classes, palette, in_channels, inference)

    def skip(path: str, error: Exception) -> None:
        result.failed[Path(path)] = reason = reason_of(path, error)
        log.error(f"skipped: {reason}")

    def write(found: Segmentation) -> Path:
        path = Path(str(found.path))
        write_results(found, names[path], save_dir, save, legend)
        return path

    todo = [path for path in images if path not in done]
    all_found = segmenter.of_files(todo, segmenter.wanted(False, "confidence" in save), skip)
    with logging_redirect_tqdm(), contextlib.closing(all_found), ThreadPoolExecutor(2) as writers:
        result.written.extend(prefetch_map(writers, write, all_found))
    return result


def _target(save_dir: Path, kind: str, name: Path) -> Path:
    """Return a result's file, of an image's name that ends in .png."""
    return save_dir / KINDS[kind].folder / name.with_suffix(KINDS[kind].ending)


def _is_done(save_dir: Path, name: Path, save: Sequence[str]) -> bool:
    """Whether all results of an image are there and whole: after a power failure some may be empty or cut."""
    for kind in save:
        target = _target(save_dir, kind, name)
        end = PNG_END if target.suffix == ".png" else JSON_END
        try:
            with target.open("rb") as file:
                file.seek(-len(end), os.SEEK_END)
                if file.read() != end and not (kind == "polygons" and _is_corrected(target)):
                    return False
        except (OSError, ValueError):  # there is none, or it is shorter; a NUL in the name
            return False
    return True


def _is_corrected(path: Path) -> bool:
    """Whether labelme wrote the file since."""
    with contextlib.suppress(OSError, ValueError), path.open("rb") as file:
        return file.read(2) in _EDITED
    return False


def _check_corrected(targets: Iterable[Path]) -> None:
    """Refuse to replace what a person has done by hand."""
    corrected = [path for path in targets if _is_corrected(path)]
    if corrected:
        raise UserError(
            f"{corrected[0]} was corrected by hand ({len(corrected)} such files); give --resume to keep "
            "them, or another --save_dir"
        )


def write_results(
    found: Segmentation, name: Path, save_dir: Path, save: Sequence[str], legend: Sequence[str] = ()
) -> None:
    """Write results of an image, `name` being its own below the folders; overlays get a legend."""
    for kind in save:
        target = _target(save_dir, kind, name)
        atomic_write(target, found.encoded(kind, target.parent, legend), sync=False)


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


def _check_targets(
    images: Sequence[Path], names: Collection[Path], save_dir: Path, save: Sequence[str], resume: bool
) -> None:
    """Refuse to write a result where an image is, or where somebody has corrected one."""
    sources = {_real(path): path for path in images}
    for target in (_target(save_dir, kind, name) for kind in save for name in names):
        found = sources.get(_real(target))
        if found is not None:
            raise UserError(f"a result would replace the image {found}; give another --save_dir")
    if "polygons" in save and not resume:
        _check_corrected(_target(save_dir, "polygons", name) for name in names)


def _real(path: Path) -> str:
    """Return where links lead, or a path itself that leads nowhere: links in a circle, a NUL in the name."""
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):
        return str(path)
