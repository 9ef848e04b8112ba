"""Cityscapes and CamVid: the folders as they are shipped."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from paddleseg_lite.datasets import CamVid, Cityscapes
from paddleseg_lite.datasets.cityscapes import label_id_to_train_id
from paddleseg_lite.errors import UserError

from .written_pairs import write_pairs


def write_cityscapes(root, mode="train", labels=("_gtFine_labelIds.png",) * 2):
    """Write an image per entry of `labels`, with a label file of that suffix (None: without one)."""
    for index, suffix in enumerate(labels):
        stem = f"ulm_{index:06d}_000019"
        for folder in ("leftImg8bit", "gtFine"):
            (root / folder / mode / "ulm").mkdir(parents=True, exist_ok=True)
        image = np.zeros((8, 40, 3), np.uint8)
        cv2.imwrite(str(root / f"leftImg8bit/{mode}/ulm/{stem}_leftImg8bit.png"), image)
        if suffix:
            ids = np.tile(np.arange(40, dtype=np.uint8), (8, 1))
            ids[:, 34:] = 255
            if "TrainIds" in suffix:
                ids = np.full_like(ids, 18)
            cv2.imwrite(str(root / f"gtFine/{mode}/ulm/{stem}{suffix}"), ids)
    return str(root)


def test_label_ids_are_mapped_to_train_ids(tmp_path):
    """Protects the mapping against Cityscapes' own table (labels.py of cityscapesScripts), by hand."""
    label = Cityscapes((), write_cityscapes(tmp_path)).sample(0).label[0]
    expected = {7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11}
    expected.update({25: 12, 26: 13, 27: 14, 28: 15, 31: 16, 32: 17, 33: 18})
    for label_id in range(40):
        assert label[label_id] == expected.get(label_id, 255)


def test_mapping_agrees_with_cityscapes_scripts():
    """Protects the table against the authors' one, where their package is installed."""
    labels = pytest.importorskip("cityscapesscripts.helpers.labels").labels
    ours = label_id_to_train_id()
    assert all(ours[label.id] == label.trainId for label in labels if label.id >= 0)
    evaluated = [
        label for label in sorted(labels, key=lambda label: label.trainId) if 0 <= label.trainId < 255
    ]
    assert Cityscapes.classes == tuple(label.name for label in evaluated)
    assert Cityscapes.palette == tuple(label.color for label in evaluated)


def test_train_ids_are_preferred_and_kinds_may_mix(tmp_path):
    """Protects data sets that are half prepared: each label is read by its own name."""
    root = write_cityscapes(tmp_path, labels=("_gtFine_labelIds.png", "_gtFine_labelTrainIds.png"))
    data = Cityscapes((), root)
    assert (data.sample(1).label == 18).all()
    assert data.sample(0).label[0, 33] == 18
    assert data.sample(0).label[0, 18] == 255
    write_cityscapes(tmp_path, labels=("_gtFine_labelTrainIds.png",))
    assert (Cityscapes((), root).sample(0).label == 18).all()


def test_own_map_follows_the_mapping(tmp_path):
    """Protects label_map on Cityscapes: it maps train ids, whatever the files hold."""
    data = Cityscapes((), write_cityscapes(tmp_path), label_map={18: 255, 0: 1})
    label = data.sample(0).label[0]
    assert label[[33, 7, 8]].tolist() == [255, 1, 1]


def test_image_without_label_is_named(tmp_path):
    """Protects from zipping sorted lists, which shifts every pair behind a missing file."""
    root = write_cityscapes(tmp_path, labels=("_gtFine_labelIds.png", None, "_gtFine_labelIds.png"))
    with pytest.raises(UserError, match=r"ulm_000001_000019_leftImg8bit\.png has no label"):
        Cityscapes((), root)
    write_cityscapes(tmp_path, "test", labels=(None,))
    assert Cityscapes((), root, mode="test").pairs[0][1] is None


@pytest.mark.parametrize("folder", ["missing", "empty"])
def test_missing_and_empty_folders_are_named(tmp_path, folder):
    """Protects the first thing that goes wrong for everybody."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=folder):
        Cityscapes((), str(tmp_path / folder))
    with pytest.raises(UserError, match=folder):
        CamVid((), str(tmp_path / folder))


def test_unknown_label_id_is_refused(tmp_path):
    """Protects from ids above 33, which are no labelIds."""
    root = write_cityscapes(tmp_path)
    path = tmp_path / "gtFine/train/ulm/ulm_000000_000019_gtFine_labelIds.png"
    cv2.imwrite(str(path), np.full((8, 40), 40, np.uint8))
    with pytest.raises(UserError, match=r"label id\(s\) 40.*0 to 33, 255"):
        Cityscapes((), root).sample(0)


def test_camvid_reads_its_lists(tmp_path):
    """Protects CamVid's layout and facts."""
    write_pairs(tmp_path)
    (tmp_path / "list.txt").rename(tmp_path / "val.txt")
    data = CamVid((), str(tmp_path), mode="val")
    assert len(data) == 5
    assert (data.num_classes, data.ignore_index) == (11, 255)
    assert len(data.classes) == len(data.palette) == 11
    with pytest.raises(UserError, match=r"train\.txt"):
        CamVid((), str(tmp_path))
