"""List files as people write them: for training and for prediction, by one reader."""

from __future__ import annotations

import os

import pytest

from paddleseg_lite.datasets.reading.lists import read_images, read_pairs
from paddleseg_lite.errors import UserError

NAMES = ("a.png", "my photo.png", "b,c.png", "d\u2028e.png")


@pytest.fixture
def folder(tmp_path):
    """Return a folder with files of these names, and a label."""
    for name in (*NAMES, "label.png"):
        (tmp_path / name).touch()
    return tmp_path


def write(folder, text):
    path = folder / "list.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("separator", ["\t", " , ", ","])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_both_readers_take_the_same_lists(folder, separator, end):
    """Protects lists of other systems and editors: byte order marks, line ends, tabs, commas."""
    names = [name for name in NAMES if "," not in name or "," not in separator]
    lines = [f"{name}{separator}label.png" for name in names]
    path = write(folder, "\ufeff" + end.join([*lines, "", "  "]))
    assert [image.name for image in read_images(path)] == names
    pairs = read_pairs(path, folder, separator)
    assert pairs == [(str(folder / name), str(folder / "label.png")) for name in names]


def test_a_line_may_be_an_image_alone(folder):
    """Protects names with blanks and commas in a list of images; what is missing keeps its first name."""
    path = write(folder, "my photo.png\nb,c.png\na.png label.png\ngone.png label.png\n" + 300 * "x")
    found = [image.name for image in read_images(path)]
    assert found == ["my photo.png", "b,c.png", "a.png", "gone.png", 300 * "x"]


@pytest.mark.parametrize("read", [read_images, lambda path: read_pairs(path, path.parent)])
def test_a_line_that_is_no_text_is_named(folder, read):
    """Protects from a trace, and from a search through the whole list."""
    with pytest.raises(UserError, match=r"list\.txt, line 2: .*must be a text file in UTF-8"):
        read(write(folder, b"a.png label.png\n\xff\xfe.png label.png"))


@pytest.mark.parametrize("read", [read_images, lambda path: read_pairs(path, path.parent)])
def test_a_pipe_is_not_waited_for(folder, read):
    """Nor is a device read, for ever."""
    os.mkfifo(folder / "list.txt")
    with pytest.raises(UserError, match=r"list\.txt: it is no regular file"):
        read(folder / "list.txt")
