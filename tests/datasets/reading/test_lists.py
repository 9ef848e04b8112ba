"""List files as people write them: for training and for prediction, by one reader."""

from __future__ import annotations

import os

import pytest

from paddleseg_lite.datasets.reading.lists import find_images, read_images, read_pairs
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


def make(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def found_in(folder, **more):
    return [path.relative_to(folder).as_posix() for path in find_images(folder, "--images", **more)[0]]


def test_a_folder_gives_its_images_without_what_is_hidden(tmp_path):
    """Protects from macOS's ._a.png and a notebook's checkpoints, which are no images of the user's."""
    make(
        tmp_path,
        "a.PNG",
        "b.npy",
        "._a.png",
        ".ipynb_checkpoints/a.png",
        "sub/c.jpg",
        "sub/.d/e.png",
        "x.txt",
    )
    assert found_in(tmp_path) == ["a.PNG", "b.npy", "sub/c.jpg"]
    make(tmp_path, ".cache/a.png")
    assert found_in(tmp_path / ".cache") == ["a.png"], "what is asked for by name is not hidden"
    assert found_in(tmp_path, skipped=[tmp_path / "sub"]) == ["a.PNG", "b.npy"]


def test_linked_folders_are_searched_once(tmp_path):
    """Protects data sets that are put together by links, and from searching in a circle."""
    make(tmp_path, "disk/a.png", "photos/own/b.png")
    links = {"more": "disk", "again": "disk", "alias": "photos/own", "circle": "photos", "own/up": "photos"}
    for name, target in links.items():
        (tmp_path / "photos" / name).symlink_to(tmp_path / target)
    assert found_in(tmp_path / "photos") == ["again/a.png", "own/b.png"]


def test_links_to_nowhere_are_among_the_images(tmp_path):
    """Protects the others: reading names these; to search raises nothing."""
    make(tmp_path, "good.png")
    (tmp_path / "x.png").symlink_to(tmp_path / "y.png")
    (tmp_path / "y.png").symlink_to(tmp_path / "x.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert found_in(tmp_path) == ["gone.png", "good.png", "x.png", "y.png"]


@pytest.mark.parametrize("name", [300 * "x", 300 * "x" + ".png", "a\0b.png", "caf\udce9.png"])
def test_a_path_of_an_odd_name_is_told(tmp_path, name):
    """Names too long, with a NUL, or of no text: one sentence, which a terminal can show."""
    with pytest.raises(UserError, match="check --images") as caught:
        find_images(tmp_path / name, "--images")
    assert str(caught.value).isprintable()


def test_a_list_of_pairs_is_split_as_training_splits_it(tmp_path):
    """Protects lists whose separator nobody guesses; a name that is missing is told as training tells it."""
    make(tmp_path, "a b.png")
    pairs = tmp_path / "pairs.txt"
    pairs.write_text("a b.png;a b_l.png\nc d.png;c d_l.png\n")
    images, _ = find_images(pairs, "--images", separator=";")
    assert images == [tmp_path / "a b.png", tmp_path / "c d.png"]
