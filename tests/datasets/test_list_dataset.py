"""List files."""

from __future__ import annotations

import shutil

import pytest

from paddleseg_lite.datasets import Dataset
from paddleseg_lite.errors import UserError
from paddleseg_lite.registry import DATASETS

from .written_pairs import write_pairs


def read(folder, text, mode="train", **kwargs):
    """Return the pairs of a list with this text."""
    (folder / "own.txt").write_bytes(text.encode("utf-8"))
    return Dataset((), str(folder), 4, mode, **{f"{mode}_path": "own.txt", **kwargs}).pairs


def test_list_is_found_as_it_is_or_in_the_root(tmp_path, monkeypatch):
    """Protects both habits: PaddleSeg's paths from the working folder, and paths from dataset_root."""
    folder = write_pairs(tmp_path / "data")
    assert len(Dataset((), str(folder), 4, train_path="list.txt")) == 5
    monkeypatch.chdir(tmp_path)
    data = Dataset((), "data", 4, train_path="data/list.txt")
    assert data.sample(0).image.shape == (24, 32, 3)


def test_separator_blank_lines_and_foreign_names(tmp_path):
    """Protects names with spaces and umlauts, a byte order mark, Windows' line ends."""
    write_pairs(tmp_path)
    shutil.copy(tmp_path / "image0.png", tmp_path / "großes bild.png")
    shutil.copy(tmp_path / "label0.png", tmp_path / "маска 1.png")
    text = "\ufeffgroßes bild.png\tмаска 1.png\r\n\r\nimage1.png\tlabel1.png\r\n"
    pairs = read(tmp_path, text, separator="\t")
    assert [label for _, label in pairs] == [str(tmp_path / "маска 1.png"), str(tmp_path / "label1.png")]


def test_lines_end_at_line_feeds_only(tmp_path):
    """Protects names with characters that only some programs take for the end of a line."""
    write_pairs(tmp_path)
    shutil.copy(tmp_path / "image0.png", tmp_path / "a\x85b\u2028.png")
    pairs = read(tmp_path, "a\x85b\u2028.png label0.png\r\n image1.png label1.png \n")
    assert [image for image, _ in pairs] == [str(tmp_path / "a\x85b\u2028.png"), str(tmp_path / "image1.png")]


def test_spaces_around_a_comma(tmp_path):
    """Protects lists that people typed."""
    write_pairs(tmp_path)
    shutil.copy(tmp_path / "image0.png", tmp_path / "a b.png")
    pairs = read(tmp_path, "a b.png , label0.png\nimage1.png,label1.png", separator=",")
    assert pairs == [
        (str(tmp_path / "a b.png"), str(tmp_path / "label0.png")),
        (str(tmp_path / "image1.png"), str(tmp_path / "label1.png")),
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("image1.png", r"line 2.*1 name"),
        ("a b.png label1.png", r"line 2.*3 name"),
        ("image1.png  label1.png", r"line 2"),
        ("nowhere.png label1.png", r"line 2.*nowhere\.png"),
        ("image1.png nowhere.png", r"line 2.*nowhere\.png"),
    ],
)
def test_a_bad_line_is_named_with_its_number(tmp_path, line, words):
    """Protects from a search through thousands of lines, and from files that are missed in the night."""
    write_pairs(tmp_path)
    with pytest.raises(UserError, match=words):
        read(tmp_path, f"image0.png label0.png\n{line}\n")


def test_labels_are_optional_in_test_mode(tmp_path):
    """Protects prediction on images without truth."""
    write_pairs(tmp_path)
    pairs = read(tmp_path, "image0.png\nimage1.png label1.png\n", mode="test")
    assert [label is None for _, label in pairs] == [True, False]


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({}, "needs train_path"),
        ({"train_path": "lost.txt"}, "lost.txt"),
        ({"dataset_root": "lost_folder", "train_path": "list.txt"}, "dataset_root.*lost_folder"),
        ({"train_path": "image0.png"}, "UTF-8"),
        ({"train_path": "list.txt", "separator": ""}, "separator"),
        ({"train_path": "empty.txt"}, "no images"),
    ],
)
def test_missing_things_are_named(tmp_path, kwargs, words):
    """Protects the message for each part of the data that can be missing."""
    write_pairs(tmp_path)
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(UserError, match=words):
        Dataset(**{"transforms": (), "dataset_root": str(tmp_path), "num_classes": 4, **kwargs})


def test_registered_names():
    """Protects PaddleSeg's names in YAML files."""
    assert {"Dataset", "Cityscapes", "CamVid"} <= set(DATASETS.names())
