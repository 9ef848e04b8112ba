"""A pack of yesterday's files, of another list or of another reader is refused."""

from __future__ import annotations

import importlib
import os
import sys

import pytest

from paddleseg_lite.datasets import Dataset
from paddleseg_lite.datasets.packed.manifest import LOCK, MANIFEST
from paddleseg_lite.datasets.packed.writer import pack
from paddleseg_lite.errors import UserError

from ..written_pairs import dataset
from .packs import array, assert_same


@pytest.mark.parametrize("name", ["image3.png", "label3.png"])
def test_a_touched_source_makes_the_pack_stale(files, packed, name):
    """Protects from training on yesterday's labels; only that pair is written again."""
    os.utime(files / name, (1, 1))
    with pytest.raises(UserError, match=rf"is stale: .*{name} has changed since it was packed; pack"):
        dataset(files, cache=packed.parent)
    assert pack(dataset(files), packed).kept == 4
    dataset(files, cache=packed.parent)


def test_other_facts_make_the_pack_stale(files, packed):
    """Protects from ids that were mapped or checked by another rule."""
    for change, words in (
        ({"label_map": {255: 1}}, r"label_map was \{\} when it was packed and is \{'255': 1\} now"),
        ({"ignore_index": 9, "label_map": {255: 9}}, "ignore_index was 255"),
        ({"img_channels": 1}, "in_channels was 3"),
    ):
        with pytest.raises(UserError, match=words):
            dataset(files, cache=packed.parent, **change)
    mapped = dataset(files, label_map={255: 1})
    assert pack(mapped, packed).kept == 0
    assert dataset(files, label_map={255: 1}, cache=packed.parent).sample(0).label[0, 0] == 1


def test_a_pack_belongs_to_the_class_that_made_it(files, packed):
    """Protects from pixels that another reader made: same files, same settings, another class or code."""

    def dimmed(factor):
        class Dimmed(Dataset):
            def read_files(self, index):
                image, label = super().read_files(index)
                return image // self.factor, label

            def reading_facts(self):
                return {**super().reading_facts(), "factor": self.factor}

        Dimmed.factor = factor
        return Dimmed

    arguments = ((), str(files), 4, "train", "list.txt")
    with pytest.raises(UserError, match=r"class was Dataset when it was packed and is .*Dimmed now"):
        dimmed(2)(*arguments, cache=packed.parent)
    assert pack(dimmed(2)(*arguments), packed).kept == 0
    assert_same(dimmed(2)(*arguments, cache=packed.parent).sample(1), dimmed(2)(*arguments).sample(1))
    with pytest.raises(UserError, match=r"class was .*Dimmed when it was packed and is Dataset now"):
        dataset(files, cache=packed.parent)
    with pytest.raises(UserError, match="factor was 2 when it was packed and is 3 now"):
        dimmed(3)(*arguments, cache=packed.parent)


MINE = """
from paddleseg_lite.datasets import Dataset

class Mine(Dataset):
    def read_files(self, index):
        image, label = super().read_files(index)
        return image // {factor}, label
"""


def test_a_class_whose_code_has_changed_is_told(files, tmp_path, monkeypatch):
    """Protects from pixels that an earlier state of a user's own class has read."""
    monkeypatch.syspath_prepend(tmp_path)
    arguments = ((), str(files), 4, "train", "list.txt")
    (tmp_path / "mine_data.py").write_text(MINE.format(factor=2))
    mine = importlib.import_module("mine_data")
    pack(mine.Mine(*arguments), tmp_path / "pack" / "train")
    assert len(mine.Mine(*arguments, cache=tmp_path / "pack")) == 5
    (tmp_path / "mine_data.py").write_text(MINE.format(factor=300))
    with pytest.raises(UserError, match=r"the class's code was .* when it was packed"):
        importlib.reload(mine).Mine(*arguments, cache=tmp_path / "pack")
    del sys.modules["mine_data"]


def test_other_pairs_make_the_pack_stale(files, packed):
    """Protects from a list that was shortened, or put in another order, after packing."""
    lines = (files / "list.txt").read_text().splitlines()
    (files / "list.txt").write_text("\n".join(lines[:4]))
    with pytest.raises(UserError, match="made of 5 images, the data set has 4"):
        dataset(files, cache=packed.parent)
    (files / "list.txt").write_text("\n".join(reversed(lines)))
    with pytest.raises(UserError, match=r"it holds image0\.png where the data set has .*image4\.png"):
        dataset(files, cache=packed.parent)
    (files / "list.txt").write_text("\n".join(lines[:1]))
    pack(dataset(files), packed)
    left = {array(packed).name, array(packed, kind="label").name}
    assert {path.name for path in packed.iterdir()} == {LOCK, MANIFEST, *left}


def test_files_and_pack_may_move_together(files, packed, tmp_path):
    """Protects a pack on another machine: files are named relative to each other."""
    (tmp_path / "elsewhere").mkdir()
    files = files.rename(tmp_path / "elsewhere" / "files")
    assert len(dataset(files, cache=packed.parent)) == 5
