"""Files that say which class each color, or id, of masks is."""

from __future__ import annotations

import pytest

from paddleseg_lite.annotations import Choices, open_source
from paddleseg_lite.annotations.colors import read_colors
from paddleseg_lite.errors import UserError

from .test_masks import IDS
from .written import kinds, label_of, photo, write


def test_colors(tmp_path):
    """CamVid's and CVAT's lists are read as they are."""
    path = tmp_path / "colors.txt"
    path.write_text(
        "\ufeff# label:color_rgb:parts:actions\n128 64 128\t\tRoad\nnon road : 0,0,255::\n\n1,2,3: a b\n"
    )
    assert read_colors(path) == {(128, 64, 128): "Road", (0, 0, 255): "non road", (1, 2, 3): "a b"}


@pytest.mark.parametrize(("text", "told"), [("300 0 0 a", "line 1"), ("road", "line 1"), ("", "no colors")])
def test_wrong_colors(tmp_path, text, told):
    """The line is named."""
    (tmp_path / "colors.txt").write_text(text)
    with pytest.raises(UserError, match=told):
        read_colors(tmp_path / "colors.txt")


def test_a_list_in_the_folder_names_ids(tmp_path):
    """Names that somebody wrote down are used, and may be chosen by; so may the ids."""
    write(tmp_path / "images/a.jpg", photo(IDS.shape))
    write(tmp_path / "masks/a.png", IDS)
    (tmp_path / "classes.txt").write_text("road\ncar\nCar\n")
    source = open_source(tmp_path)
    assert source.classes == ("road", "car", "Car")
    assert set(kinds(source)) == {"names alike"}
    for choice in ({"Car": "car"}, {"2": "car"}):
        joined = open_source(tmp_path, choices=Choices(choice))
        assert joined.classes == ("car", "road")
        assert (label_of(joined, "a") == (IDS == 0)).all()
        assert not [finding for finding in joined.findings if finding.kind == "no such class"]
