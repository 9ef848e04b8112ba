"""Images with one class each: a list, or a folder of each class."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from paddleseg_lite.datasets.base import checked_folder, checked_mode
from paddleseg_lite.datasets.problems import Problem, refuse
from paddleseg_lite.datasets.reading.images import open_image
from paddleseg_lite.datasets.reading.lists import read_classes, search_folders
from paddleseg_lite.datasets.samples import transformed
from paddleseg_lite.errors import UserError
from paddleseg_lite.printable import counted, printable, some
from paddleseg_lite.registry import DATASETS
from paddleseg_lite.transforms import Compose, Sample
from paddleseg_lite.transforms.base import TransformLike
from paddleseg_lite.transforms.mixup import BatchTransform

_NAMED = 10  # classes in a log line


@DATASETS.register
class ImageNetDataset:
    """ImageNet (Russakovsky et al. 2015), or images of one's own with one class each.

    Args:
        transforms: what is done to each sample, as objects.
        image_root: folder that the lines of the list are relative to; without a list, each folder in it is a
            class, in the order of their names, and holds its images, also in folders below it.
        cls_label_path: list (UTF-8), as it is or relative to `image_root`, of lines `image delimiter class`.
        num_classes: classes are 0 to num_classes - 1.
        mode: 'train' or 'val'.
        delimiter: what stands between image and class.
        batch_transforms: what is done to each batch of training, as objects.

    Attributes:
        pairs: (image file, class).
        classes: names: those of the folders, else "class 0" and so on.
        num_classes, mode, transforms, batch_transforms: as given; `transforms` is a Compose.

    Raises:
        UserError: a folder, list or listed image is missing, a class is none, or there are no images.
    """

    task = "classification"
    in_channels = 3
    cache = None

    def __init__(
        self,
        transforms: Sequence[TransformLike],
        image_root: str,
        cls_label_path: str | None = None,
        num_classes: int = 1000,
        mode: str = "train",
        delimiter: str = " ",
        batch_transforms: Sequence[BatchTransform] | None = None,
    ) -> None:
        self.mode = checked_mode(mode)
        if batch_transforms and self.mode != "train":
            raise UserError(f"batch_transforms are for training, and mode is '{self.mode}'; take them away")
        self.num_classes = num_classes
        self.transforms, self.batch_transforms = Compose(transforms), tuple(batch_transforms or ())
        root = checked_folder(image_root, "image_root")
        self.classes = tuple(f"class {index}" for index in range(num_classes))
        if cls_label_path is None:
            self.classes, self.pairs = _in_folders(root, num_classes)
        else:
            found = next(filter(os.path.isfile, (Path(cls_label_path), root / cls_label_path)), None)
            if found is None:
                raise UserError(
                    f"cls_label_path: there is no file {cls_label_path}, neither as it is nor in {root}"
                )
            self.pairs = read_classes(found, root, num_classes, delimiter)
            if not self.pairs:
                refuse([Problem("no images", str(found), f"{found} lists no image")])

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.pairs)

    def reader(self, index: int) -> tuple[Any, int]:
        """Return an image [H, W, 3], which may be decoded as far as it is needed, and its class.

        Raises:
            UserError: the file is missing or unreadable; the message names it.
        """
        path, label = self.pairs[index]
        return open_image(path, self.in_channels), label

    def sample(self, index: int, epoch: int = 0, seed: int = 0) -> Sample:
        """Return a transformed sample, its label int64 []; see `SegmentationDataset.sample`."""
        image, label = self.reader(index)
        sample = Sample.from_source(image, path=self.pairs[index][0])
        sample = transformed(sample, self.transforms, np.random.default_rng([seed, epoch, index]))
        return replace(sample, label=np.array(label, np.int64))

    def describe(self) -> str:
        """Return a line for the log.

        Raises:
            UserError: the first image is wrong, or the transforms don't fit it.
        """
        sample = self.sample(0)
        before, after = (f"{width}x{height}" for height, width in (sample.source_size, sample.size))
        return (
            f"{type(self).__name__} {self.mode}: {counted(len(self), 'image')}, {self.num_classes} classes "
            f"({printable(some(self.classes, _NAMED))}); the first image is {before} "
            f"(width x height), {after} after the transforms"
        )


def _in_folders(root: Path, num_classes: int) -> tuple[tuple[str, ...], list[tuple[str, int]]]:
    """Return the names of the folders of classes, and their images."""
    found = search_folders(root)
    if len(found) != num_classes:
        raise UserError(
            f"image_root {root} has {counted(len(found), 'folder')}, each a class, but num_classes is "
            f"{num_classes}; set num_classes, or name a list as cls_label_path"
        )
    pairs = [(str(image), label) for label, images in enumerate(found.values()) for image in images]
    if not pairs:
        refuse([Problem("no images", str(root), f"image_root: no image in the folders of {root}")])
    return tuple(found), pairs
