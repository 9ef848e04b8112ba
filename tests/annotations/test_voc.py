"""Pascal VOC's folders, as it, CVAT and labelme's converter write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from paddleseg_lite.annotations import IGNORED, open_source
from paddleseg_lite.datasets.info import voc_palette
from paddleseg_lite.datasets.reading.png import encode_png, with_palette
from paddleseg_lite.errors import UserError

from .written import kinds, label_of, photo, write

IDS = np.array([[0, 1, 2, 255], [2, 1, 0, 255]], np.uint8)


def write_voc(folder: Path, *names: str, ids: np.ndarray = IDS) -> None:
    """Write images, and masks with Pascal VOC's palette."""
    (folder / "SegmentationClass").mkdir(parents=True)
    for name in names:
        write(folder / f"JPEGImages/{name}.jpg", photo(ids.shape))
        png = with_palette(encode_png(ids), voc_palette(256))
        (folder / f"SegmentationClass/{name}.png").write_bytes(png)


def test_lists_are_splits_and_the_border_is_not_counted(tmp_path):
    """Protects the split that others compare with, and the border that nobody labeled."""
    write_voc(tmp_path, "a", "b")
    write(tmp_path / "JPEGImages/detection.jpg", photo(IDS.shape))
    lists = tmp_path / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\n")
    (lists / "val.txt").write_text("b\ngone\n")
    (tmp_path / "class_names.txt").write_text("__ignore__\n_background_\nroad\ncar\n")
    source = open_source(tmp_path)
    assert (source.format, source.classes) == ("voc", ("_background_", "road", "car"))
    assert source.splits == {"a": "train", "b": "val"}
    assert (label_of(source, "a") == IDS).all()
    assert (source.palette == voc_palette(3)).all()
    assert set(kinds(source)) == {"no image"}


def test_all_ids_of_pascal_voc_have_its_names(tmp_path):
    """Protects the original data from classes without names."""
    write_voc(tmp_path, "a", ids=np.array([[*range(21), 255]], np.uint8))
    assert open_source(tmp_path).classes[15] == "person"


@pytest.mark.parametrize("has_palette", [True, False])
def test_a_labelmap_names_colors(tmp_path, has_palette):
    """Protects what CVAT exports: colors, and a file that says which class each is."""
    write_voc(tmp_path, "a")
    colors = voc_palette(256)
    if not has_palette:
        write(tmp_path / "SegmentationClass/a.png", colors[IDS])
    names = {2: "car", 0: "background", 1: "road"}
    lines = [f"{name}:{','.join(map(str, colors[index]))}::" for index, name in names.items()]
    (tmp_path / "labelmap.txt").write_text("\n".join(["# label:color_rgb:parts:actions", *lines]))
    source = open_source(tmp_path)
    assert source.classes == ("car", "background", "road")
    assert (label_of(source, "a") == np.choose(IDS.clip(0, 3), (1, 2, 0, IGNORED))).all()
    assert not source.findings
    (tmp_path / "labelmap.txt").write_text("car\n")
    with pytest.raises(UserError, match=r"labelmap\.txt, line 1"):
        open_source(tmp_path)
