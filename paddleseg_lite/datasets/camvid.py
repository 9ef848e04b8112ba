"""CamVid (Brostow et al. 2008) with the 11 classes of SegNet (Badrinarayanan et al. 2017)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from paddleseg_lite.datasets.base import SegmentationDataset, checked_folder, checked_mode
from paddleseg_lite.datasets.reading.lists import read_pairs
from paddleseg_lite.errors import UserError
from paddleseg_lite.registry import DATASETS
from paddleseg_lite.transforms.base import TransformLike

_COLORS = {
    "sky": (128, 128, 128),
    "building": (128, 0, 0),
    "pole": (192, 192, 128),
    "road": (128, 64, 128),
    "pavement": (60, 40, 222),
    "tree": (128, 128, 0),
    "sign": (192, 128, 128),
    "fence": (64, 64, 128),
    "car": (64, 0, 128),
    "pedestrian": (64, 64, 0),
    "bicyclist": (0, 128, 192),
}


@DATASETS.register
class CamVid(SegmentationDataset):
    """Road scenes of 480x360 pixels: 367 to train, 101 to validate.

    The folder has train.txt, val.txt (and test.txt), each line an image and a label relative to the folder;
    labels are class ids in the order of `classes`, 255 for void.

    Args:
        transforms: what is done to each sample, as objects.
        dataset_root: the folder.
        mode: 'train', 'val' or 'test'.
        label_map: {id in the files: class id or 255}.
        cache: folder that the command pack_dataset wrote; it is read instead of the files.

    Raises:
        UserError: the folder, a list or a file it names is missing.
    """

    num_classes = 11
    ignore_index = 255
    in_channels = 3
    classes = tuple(_COLORS)
    palette = tuple(_COLORS.values())

    def __init__(
        self,
        transforms: Sequence[TransformLike],
        dataset_root: str = "data/camvid",
        mode: str = "train",
        label_map: Mapping[int, int] | None = None,
        cache: str | None = None,
    ) -> None:
        mode = checked_mode(mode)
        root = checked_folder(dataset_root)
        path = root / f"{mode}.txt"
        if not os.path.isfile(path):
            raise UserError(f"CamVid: there is no file {path}; dataset_root must hold train.txt and val.txt")
        super().__init__(
            transforms,
            read_pairs(path, root, needs_labels=mode != "test"),
            mode=mode,
            label_map=label_map,
            cache=cache,
        )
