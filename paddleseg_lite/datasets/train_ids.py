"""Cityscapes' labelIds -> files of train ids, written once, so that nothing is mapped while training."""

from __future__ import annotations

from pathlib import Path

from paddleseg_lite.datasets.cityscapes import (
    LABEL_IDS_SUFFIX,
    TRAIN_IDS_SUFFIX,
    Cityscapes,
    label_id_to_train_id,
)
from paddleseg_lite.datasets.reading.images import read_label
from paddleseg_lite.datasets.reading.labels import LabelRule
from paddleseg_lite.datasets.reading.png import encode_png
from paddleseg_lite.errors import UserError
from paddleseg_lite.files import atomic_write


def find_label_ids(root: Path) -> list[Path]:
    """Return all *_gtFine_labelIds.png of gtFine/MODE/CITY, sorted.

    Raises:
        UserError: there are none.
    """
    found = sorted((root / "gtFine").glob(f"*/*/*{LABEL_IDS_SUFFIX}"))
    if not found:
        raise UserError(
            f"no files {root / 'gtFine' / 'MODE' / 'CITY' / ('NAME' + LABEL_IDS_SUFFIX)}; give the folder "
            "that holds gtFine as Cityscapes ships it"
        )
    return found


def train_ids_path(label_ids: Path) -> Path:
    """Return where the train ids of a *_gtFine_labelIds.png stand."""
    return label_ids.with_name(label_ids.name[: -len(LABEL_IDS_SUFFIX)] + TRAIN_IDS_SUFFIX)


def write_train_ids(label_ids: Path) -> str | None:
    """Write *_gtFine_labelTrainIds.png beside a *_gtFine_labelIds.png: whole or not at all.

    Returns:
        None when done, else what is wrong with the file.
    """
    rule = LabelRule(Cityscapes.num_classes, Cityscapes.ignore_index, label_id_to_train_id())
    try:
        train_ids = rule.apply(read_label(label_ids), str(label_ids))
        atomic_write(train_ids_path(label_ids), encode_png(train_ids))
    except UserError as error:
        return str(error)
    return None
