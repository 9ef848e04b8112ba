"""Cityscapes' folders as a source of annotations."""

from __future__ import annotations

import numpy as np
import pytest

from paddleseg_lite.annotations import IGNORED, Choices, open_source
from paddleseg_lite.datasets import Cityscapes
from paddleseg_lite.errors import UserError

from .written import kinds, label_of, photo, write

LABEL_IDS = np.array([[7, 26, 0, 33], [8, 4, 11, 7]], np.uint8)


def test_label_ids_become_the_19_classes(tmp_path):
    """Protects that a source and the data set type mean the same by an id."""
    for split in ("train", "val"):
        write(tmp_path / f"leftImg8bit/{split}/ulm/ulm_0_leftImg8bit.png", photo(LABEL_IDS.shape))
        write(tmp_path / f"gtFine/{split}/ulm/ulm_0_gtFine_labelIds.png", LABEL_IDS)
    write(tmp_path / "leftImg8bit/test/bonn/bonn_0_leftImg8bit.png", photo(LABEL_IDS.shape))
    source = open_source(tmp_path)
    assert (source.format, source.classes) == ("cityscapes", Cityscapes.classes)
    assert source.palette.tolist() == [list(color) for color in Cityscapes.palette]
    assert source.splits == {"train/ulm/ulm_0": "train", "val/ulm/ulm_0": "val", "test/bonn/bonn_0": "test"}
    dataset = Cityscapes((), str(tmp_path), "val")
    assert (label_of(source, "val/ulm/ulm_0") == dataset.sample(0).label).all()
    assert kinds(source) == {"no annotation": ("test/bonn/bonn_0",)}
    joined = open_source(tmp_path, choices=Choices({"sidewalk": "road", "car": None}))
    assert len(joined.classes) == 17
    assert label_of(joined, "train/ulm/ulm_0")[:, :2].tolist() == [[0, IGNORED], [0, IGNORED]]


def test_folders_without_masks_are_named(tmp_path):
    """Protects from a source without labels, where one archive was not unpacked."""
    write(tmp_path / "leftImg8bit/train/ulm/ulm_0_leftImg8bit.png", photo((2, 2)))
    (tmp_path / "gtFine").mkdir()
    with pytest.raises(UserError, match=r"1 images .* unpack both"):
        open_source(tmp_path)
