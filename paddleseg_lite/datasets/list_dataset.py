"""A data set given by list files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paddleseg_lite.datasets.base import SegmentationDataset, checked_folder, checked_mode
from paddleseg_lite.datasets.info import checked_info
from paddleseg_lite.datasets.reading.lists import read_pairs
from paddleseg_lite.errors import UserError
from paddleseg_lite.registry import DATASETS
from paddleseg_lite.transforms.base import TransformLike


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
        palette: a color [red, green, blue] for each class.
        cache: folder that the command pack_dataset wrote; it is read instead of the files.

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
        found = next((path for path in (Path(given), root / given) if os.path.isfile(path)), None)
        if found is None:
            raise UserError(f"{mode}_path: there is no file {given}, neither as it is nor in {root}")
        super().__init__(
            transforms,
            read_pairs(found, root, separator, needs_labels=mode != "test"),
            checked_info(num_classes, img_channels, classes, palette, ignore_index),
            mode,
            label_map,
            cache,
        )
