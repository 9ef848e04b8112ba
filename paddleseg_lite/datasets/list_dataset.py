"""A data set given by list files."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from paddleseg_lite.datasets.base import Pair, SegmentationDataset, checked_folder, checked_mode
from paddleseg_lite.datasets.info import checked_info
from paddleseg_lite.datasets.problems import Problem, refuse
from paddleseg_lite.errors import UserError
from paddleseg_lite.registry import DATASETS
from paddleseg_lite.transforms.base import TransformLike

_BLANKS = " \t\r"


@DATASETS.register
class Dataset(SegmentationDataset):
    """Images and labels named line by line in a text file, relative to `dataset_root`.

    Args:
        transforms: what is done to each sample, as objects.
        dataset_root: folder that the lines are relative to.
        num_classes: class ids are 0 to num_classes - 1.
        mode: 'train', 'val' or 'test'; it chooses the list.
        train_path, val_path, test_path: list files (UTF-8), as they are or relative to `dataset_root`. Each
            line is `image separator label`; in `test_path` the label may be missing.
        separator: what stands between image and label. Names with spaces need another one, e.g. a tab; around
            one that is not blank itself, such as a comma, spaces don't count.
        ignore_index: label of pixels that don't count.
        img_channels: channels of the images.
        label_map: {id in the files: class id or ignore_index}.
        classes: names of the classes.
        palette: a colour [red, green, blue] for each class.
        cache: folder that tools/pack_dataset.py wrote; it is read instead of the files.

    Raises:
        UserError: a folder, list or listed file is missing, or a line can't be understood (with its number).
    """

    def __init__(
        self,
        transforms: Sequence[TransformLike],
        dataset_root: str,
        num_classes: int,
        mode: str = "train",
        train_path: str | None = None,
        val_path: str | None = None,
        test_path: str | None = None,
        separator: str = " ",
        ignore_index: int = 255,
        img_channels: int = 3,
        label_map: Mapping[int, int] | None = None,
        classes: Sequence[str] | None = None,
        palette: Any = None,
        cache: str | None = None,
    ) -> None:
        mode = checked_mode(mode)
        root = checked_folder(dataset_root)
        given = {"train": train_path, "val": val_path, "test": test_path}[mode]
        if given is None:
            raise UserError(f"mode '{mode}' needs {mode}_path, a text file with a line for each image")
        found = next((path for path in (Path(given), root / given) if path.is_file()), None)
        if found is None:
            raise UserError(f"{mode}_path: there is no file {given}, neither as it is nor in {root}")
        super().__init__(
            transforms,
            read_list(found, root, separator, needs_labels=mode != "test"),
            checked_info(num_classes, img_channels, classes, palette, ignore_index),
            mode,
            label_map,
            cache,
        )


def read_list(path: Path, root: Path, separator: str = " ", needs_labels: bool = True) -> list[Pair]:
    """Return the pairs that a list file names, as paths under `root`.

    Args:
        path: UTF-8 text; empty lines don't count.
        root: folder of the files.
        separator: what stands between image and label.
        needs_labels: whether a line must have a label.

    Raises:
        UserError: lines have too few or too many names, or files that they name don't exist; the message has
            the lines' numbers.
    """
    if not isinstance(separator, str) or not separator:
        raise UserError(f"separator must be a string that isn't empty, got {separator!r}")
    pairs: list[Pair] = []
    problems: list[Problem] = []
    for number, line in enumerate(_lines(path), 1):
        if not line:
            continue
        names = line.split(separator)
        if separator.strip():  # a comma, say, with spaces around it
            names = [name.strip(_BLANKS) for name in names]
        if len(names) > 2 or (needs_labels and len(names) < 2) or not all(names):
            wanted = f"image{separator}label" if needs_labels else f"image or image{separator}label"
            message = (
                f"{path}, line {number}: {line!r} has {len(names)} name(s) separated by "
                f"{separator!r}, expected {wanted!r}; correct the line or set separator"
            )
            problems.append(Problem("bad line in a list", str(path), message))
            continue
        files = [root / name for name in names]
        missing = [file for file in files if not file.is_file()]
        for file in missing:
            message = f"{path}, line {number}: there is no file {file}; correct the line or the folder"
            problems.append(Problem("missing file", str(file), message))
        if not missing:
            pairs.append((str(files[0]), str(files[1]) if len(files) == 2 else None))
    refuse(problems)
    return pairs


def _lines(path: Path) -> Iterator[str]:
    """Yield the lines of a list, without blanks at their ends.

    Raises:
        UserError: it cannot be read, or a line is not in UTF-8.
    """
    try:
        data = path.read_bytes().removeprefix(BOM_UTF8)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    # Not str.splitlines: it knows more ends, which names may have.
    for number, line in enumerate(data.split(b"\n"), 1):
        try:
            yield line.decode("utf-8").strip(_BLANKS)
        except UnicodeDecodeError as error:
            raise UserError(
                f"cannot read {path}, line {number}: {error}; it must be a text file in UTF-8"
            ) from error
