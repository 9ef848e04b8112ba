"""Which format a folder has."""

from __future__ import annotations

import pickle

import pytest

from paddleseg_lite.annotations import FORMATS, open_source
from paddleseg_lite.annotations.opening import find_format
from paddleseg_lite.errors import UserError

from .test_coco import SQUARE, annotation, write_coco
from .test_cvat import POLYGON, image, write_cvat
from .test_labelme import shape, write_labelme
from .test_masks import IDS
from .test_voc import write_voc
from .written import SIZE, agree, photo, write, write_json


def write_all(folder, name):
    """Write a source of a format."""
    write(folder / "a.jpg", photo(SIZE))
    if name == "cityscapes":
        write(folder / "leftImg8bit/train/ulm/u_leftImg8bit.png", photo(IDS.shape))
        write(folder / "gtFine/train/ulm/u_gtFine_labelIds.png", IDS)
    elif name == "coco":
        write_coco(folder / "a.json", annotation(3, [SQUARE]))
    elif name == "cvat":
        write_cvat(folder, image("a.jpg", POLYGON.format("car", 0)))
    elif name == "labelme":
        write_labelme(folder / "a.json", shape("car", [[1, 1], [9, 1], [9, 9]]))
    elif name == "masks":
        write(folder / "a.png", IDS.repeat(20, axis=0)[: SIZE[0]].repeat(4, axis=1)[:, : SIZE[1]])
    else:
        write_voc(folder, "a")


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_is_told_by_its_content(tmp_path, name):
    """Protects a user from having to know formats, and a source from being bound to one process."""
    write_all(tmp_path, name)
    assert find_format(tmp_path) == name
    source = pickle.loads(pickle.dumps(open_source(tmp_path)))
    assert source.format == name
    assert any(item.has_annotation and agree(source, item) for item in source.items)


@pytest.mark.parametrize("content", [{"shapes": []}, {"images": [], "info": {}}])
def test_keys_behind_a_long_value_are_found(tmp_path, content):
    """Protects files that begin with an embedded image."""
    write_json(tmp_path / "a.json", {"imageData": "A" * (1 << 17), **content})
    assert find_format(tmp_path) == ("labelme" if "shapes" in content else "coco")


def test_what_cannot_be_opened_says_what_was_found(tmp_path):
    """Protects a user with a format that is not known, a file, or a wrong path, from a riddle."""
    write(tmp_path / "a.jpg", photo(SIZE))
    write(tmp_path / "b.jpg", photo(SIZE))
    write_json(tmp_path / "via.json", [1])
    with pytest.raises(UserError, match=r"no mask .*taken for masks, as it has 2 \.jpg, 1 \.json; other"):
        open_source(tmp_path)
    with pytest.raises(UserError, match="give the folder that it is in"):
        open_source(tmp_path / "via.json")
    with pytest.raises(UserError, match="check the path"):
        open_source(tmp_path / "none")


@pytest.mark.parametrize(("name", "module"), [("coco", "pycocotools"), ("cvat", "defusedxml")])
def test_a_missing_library_is_told_with_the_command(tmp_path, monkeypatch, name, module):
    """Protects from a trace on a machine without the extra."""
    write_all(tmp_path, name)
    monkeypatch.setattr("paddleseg_lite.errors.missing_modules", lambda *names: [*names])
    with pytest.raises(UserError, match=rf"needs {module}; pip install 'paddleseg_lite\[init\]'"):
        open_source(tmp_path)
