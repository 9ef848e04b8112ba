"""Cityscapes: 19 classes of urban street scenes (Cordts et al. 2016, https://www.cityscapes-dataset.com)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from paddleseg_lite.datasets.base import Pair, SegmentationDataset, checked_folder, checked_mode
from paddleseg_lite.datasets.problems import Problem, refuse
from paddleseg_lite.datasets.reading.labels import LabelRule
from paddleseg_lite.errors import UserError
from paddleseg_lite.registry import DATASETS
from paddleseg_lite.transforms.base import TransformLike

IMAGE_SUFFIX = "_leftImg8bit.png"
TRAIN_IDS_SUFFIX = "_gtFine_labelTrainIds.png"
LABEL_IDS_SUFFIX = "_gtFine_labelIds.png"

# labelIds of the 19 classes that are evaluated, in the order of the train ids.
EVALUATED_LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)


def label_id_to_train_id() -> dict[int, int]:
    """Return {labelId: train id}, 255 for the labelIds from 0 to 33 that aren't evaluated."""
    ignored = dict.fromkeys(range(34), 255)
    return {**ignored, **{label_id: index for index, label_id in enumerate(EVALUATED_LABEL_IDS)}}


_COLORS = {
    "road": (128, 64, 128),
    "sidewalk": (244, 35, 232),
    "building": (70, 70, 70),
    "wall": (102, 102, 156),
    "fence": (190, 153, 153),
    "pole": (153, 153, 153),
    "traffic light": (250, 170, 30),
    "traffic sign": (220, 220, 0),
    "vegetation": (107, 142, 35),
    "terrain": (152, 251, 152),
    "sky": (70, 130, 180),
    "person": (220, 20, 60),
    "rider": (255, 0, 0),
    "car": (0, 0, 142),
    "truck": (0, 0, 70),
    "bus": (0, 60, 100),
    "train": (0, 80, 100),
    "motorcycle": (0, 0, 230),
    "bicycle": (119, 11, 32),
}


@DATASETS.register
class Cityscapes(SegmentationDataset):
    """The folders leftImg8bit/MODE/CITY and gtFine/MODE/CITY as Cityscapes ships them.

    A label's file is derived from its image's name: *_gtFine_labelTrainIds.png where there is one, else
    *_gtFine_labelIds.png, which is mapped to train ids in memory: no preparation is needed.

    Args:
        transforms: what is done to each sample, as objects.
        dataset_root: the folder that holds leftImg8bit and gtFine.
        mode: 'train', 'val' or 'test' (where labels may be missing).
        label_map: {train id: class id or 255}, after the mapping of labelIds.
        cache: folder that the command pack_dataset wrote; it is read instead of the files.

    Raises:
        UserError: a folder is missing or empty, or an image has no label (named).
    """

    num_classes = 19
    ignore_index = 255
    in_channels = 3
    classes = tuple(_COLORS)
    palette = tuple(_COLORS.values())

    def __init__(
        self,
        transforms: Sequence[TransformLike],
        dataset_root: str,
        mode: str = "train",
        label_map: Mapping[int, int] | None = None,
        cache: str | None = None,
    ) -> None:
        mode = checked_mode(mode)
        LabelRule(self.num_classes, self.ignore_index, label_map)  # a wrong map is refused in its own ids
        later = dict(label_map) if label_map else {}
        chained = {source: later.get(target, target) for source, target in label_id_to_train_id().items()}
        self._label_ids_rule = LabelRule(self.num_classes, self.ignore_index, chained)
        super().__init__(
            transforms,
            find_pairs(checked_folder(dataset_root), mode),
            mode=mode,
            label_map=label_map,
            cache=cache,
        )

    def label_rule(self, label_path: str) -> LabelRule:
        """Return the rule for labelIds or for train ids, by the file's name."""
        return self._label_ids_rule if label_path.endswith(LABEL_IDS_SUFFIX) else self._rule


def find_pairs(root: Path, mode: str) -> list[Pair]:
    """Return the images of leftImg8bit/MODE, sorted by city and name, each with its label.

    Raises:
        UserError: there are no images, or (but for the mode 'test') some have no label.
    """
    folder = root / "leftImg8bit" / mode
    images = sorted(folder.glob(f"*/*{IMAGE_SUFFIX}"))
    if not images:
        raise UserError(
            f"Cityscapes: no images {folder / 'CITY' / ('NAME' + IMAGE_SUFFIX)}; dataset_root must hold "
            "leftImg8bit and gtFine as Cityscapes ships them"
        )
    pairs: list[Pair] = []
    problems: list[Problem] = []
    for image in images:
        stem = root / "gtFine" / mode / image.parent.name / image.name[: -len(IMAGE_SUFFIX)]
        candidates = [f"{stem}{suffix}" for suffix in (TRAIN_IDS_SUFFIX, LABEL_IDS_SUFFIX)]
        label = next(filter(os.path.isfile, candidates), None)
        if label is None and mode != "test":
            message = (
                f"Cityscapes: {image} has no label, neither {candidates[0]} nor {LABEL_IDS_SUFFIX} beside it"
            )
            problems.append(Problem("missing file", str(image), message))
        else:
            pairs.append((str(image), label))
    refuse(problems)
    return pairs
