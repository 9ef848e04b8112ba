"""What Cityscapes' benchmark knows of its 34 labelIds (labels.py and the evaluation of cityscapesScripts)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from paddleseg_lite.datasets.cityscapes import EVALUATED_LABEL_IDS
from paddleseg_lite.errors import UserError

# Names by labelId.
LABEL_NAMES = (
    *("unlabeled", "ego vehicle", "rectification border", "out of roi", "static", "dynamic", "ground"),
    *("road", "sidewalk", "parking", "rail track"),
    *("building", "wall", "fence", "guard rail", "bridge", "tunnel"),
    *("pole", "polegroup", "traffic light", "traffic sign"),
    *("vegetation", "terrain", "sky", "person", "rider"),
    *("car", "truck", "bus", "caravan", "trailer", "train", "motorcycle", "bicycle"),
)
CATEGORIES: Mapping[str, range] = {
    "void": range(7),
    "flat": range(7, 11),
    "construction": range(11, 17),
    "object": range(17, 21),
    "nature": range(21, 23),
    "sky": range(23, 24),
    "human": range(24, 26),
    "vehicle": range(26, 34),
}
# The mean pixels of an instance in the training set, of the evaluated labels that have instances.
MEAN_INSTANCE_PIXELS: Mapping[str, float] = {
    "person": 3462.4756337644,
    "rider": 3930.4788056518,
    "car": 12794.0202738185,
    "truck": 27855.1264367816,
    "bus": 35732.1511111111,
    "train": 67583.7075812274,
    "motorcycle": 6298.7200839748,
    "bicycle": 4672.3249222261,
}

_NAME = re.compile(
    r"([^_]+_[^_]+_[^_.]+)_"
)  # CITY_SEQUENCE_FRAME_: what the benchmark's tool matches files by


def to_label_ids(mask: np.ndarray) -> np.ndarray:
    """Return the labelIds of train ids, 0 to 18, both uint8 [H, W]; other ids become 0, "unlabeled"."""
    table = np.zeros(256, np.uint8)
    table[: len(EVALUATED_LABEL_IDS)] = EVALUATED_LABEL_IDS
    return table[mask]


def check_result_names(names: Iterable[Path], num_classes: int) -> None:
    """Check that the benchmark's tool finds each prediction, by its image's name, and once.

    Raises:
        UserError: a name is of another kind or there twice, or the classes are not Cityscapes'.
    """
    if num_classes != len(EVALUATED_LABEL_IDS):
        raise UserError(
            f"--save cityscapes is for networks of Cityscapes' {len(EVALUATED_LABEL_IDS)} classes, and this "
            f"one has {num_classes}; leave 'cityscapes' out"
        )
    taken: dict[str, Path] = {}
    for path in names:
        match = _NAME.match(path.name)
        if match is None:
            raise UserError(
                f"{path}: --save cityscapes needs images named as Cityscapes names them, such as "
                "frankfurt_000000_000294_leftImg8bit.png; rename it, or leave 'cityscapes' out"
            )
        if match[1] in taken:
            raise UserError(
                f"{taken[match[1]]} and {path} are both of {match[1]}, for which Cityscapes' tool wants one "
                "prediction; leave one out"
            )
        taken[match[1]] = path
