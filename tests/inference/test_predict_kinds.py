"""What protects the kinds of files that predict.py writes on request: json, polygons, confidence."""

from __future__ import annotations

import json

import numpy as np
import pytest

from paddleseg_lite.annotations import open_source
from paddleseg_lite.datasets.reading.images import read_stored_label
from paddleseg_lite.errors import UserError
from paddleseg_lite.inference.segmentation import KINDS
from tests.inference.test_predict import segment


def test_json_polygons_and_confidence(folder, tmp_path):
    """Each in a folder of its own, on request alone, and all in one pass; class ids stay as they were."""
    segment(folder, tmp_path / "few")
    assert {path.name for path in (tmp_path / "few").iterdir()} == {
        "label_prediction", "pseudo_color_prediction", "added_prediction"
    }  # fmt: skip
    kinds = [kind for kind in KINDS if kind != "cityscapes"]  # which is for its 19 classes
    segment(folder, tmp_path / "all", save=kinds, classes=("dark", "light"))
    files = [path for path in (tmp_path / "all").rglob("*") if path.is_file()]
    assert len(files) == len(kinds) * 2
    known = (tmp_path / "few/label_prediction/a.png").read_bytes()
    assert (tmp_path / "all/label_prediction/a.png").read_bytes() == known
    content = json.loads((tmp_path / "all/json_prediction/a.json").read_text())
    assert content["shares"] == {"dark": 0.5, "light": 0.5}
    confidence = read_stored_label(tmp_path / "all/confidence_prediction/sub/b ü.png")
    expected = 255 / (1 + np.exp(-2.0))  # of logits -1 and 1, or 1 and -1
    np.testing.assert_allclose(confidence, expected, atol=1)
    shapes = json.loads((tmp_path / "all/polygon_prediction/a.json").read_text())["shapes"]
    assert [shape["label"] for shape in shapes] == ["dark", "light"]


def test_classes_have_numbers_where_they_have_no_names(folder, tmp_path):
    """As those of a data set without names."""
    segment(folder / "a.png", tmp_path, save=["json"])
    content = json.loads((tmp_path / "json_prediction/a.json").read_text())
    assert content["shares"] == {"class 0": 0.5, "class 1": 0.5}


def test_predicted_polygons_are_a_source_of_annotations(folder):
    """Predict into the folder of the images, correct, and train: each file finds its image, names stay."""
    segment(folder, folder, save=["polygons"], classes=("never seen", "light", "dark")[::-1])
    source = open_source(folder)
    assert source.format == "labelme"
    assert source.classes == ("dark", "light", "never seen")
    assert [item.name for item in source.items] == ["a", "sub/b ü"]
    assert source.findings == []
    expected = np.zeros((10, 20), np.uint8)
    expected[:, 10:] = 1
    for item in source.items:
        np.testing.assert_array_equal(source.label(item)[:, [0, 8, 11, 19]], expected[:, [0, 8, 11, 19]])


@pytest.mark.parametrize("kind", ["raw", "json", "polygons", "confidence"])
@pytest.mark.parametrize("left", [0, 5, -1])
def test_resume_covers_every_kind(folder, tmp_path, kind, left):
    """What is whole is kept; what is cut, or empty, as a power failure leaves it, is made again."""
    segment(folder, tmp_path / "out", save=[kind])
    (path,) = (tmp_path / "out").rglob("a.*")
    whole = path.read_bytes()
    assert segment(folder, tmp_path / "out", save=[kind], resume=True).written == []
    path.write_bytes(whole[:left])
    again = segment(folder, tmp_path / "out", save=[kind], resume=True)
    assert [name.name for name in again.written] == ["a.png"]
    assert path.read_bytes() == whole


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_corrected_polygons_are_never_replaced(folder, tmp_path, line_end):
    """labelme writes files of many lines: a second run stops before it starts, with --resume it goes on."""
    segment(folder, tmp_path / "out", save=["polygons"])
    path = tmp_path / "out/polygon_prediction/a.json"
    corrected = json.dumps(json.loads(path.read_text()), indent=2).replace("\n", line_end).encode()
    path.write_bytes(corrected)
    (tmp_path / "out/polygon_prediction/sub/b ü.json").unlink()
    with pytest.raises(UserError, match=r"a\.json was corrected by hand.*--resume"):
        segment(folder, tmp_path / "out", save=["raw", "polygons"])
    assert not (tmp_path / "out/label_prediction").exists()
    again = segment(folder, tmp_path / "out", save=["polygons"], resume=True)
    assert [path.name for path in again.written] == ["b ü.jpg"]
    assert path.read_bytes() == corrected
