"""Packing: what is whole stays, what is somebody else's too, and half a pack is none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from paddleseg_lite.datasets import Dataset
from paddleseg_lite.datasets.packed.manifest import LOCK, MANIFEST
from paddleseg_lite.datasets.packed.writer import pack
from paddleseg_lite.errors import UserError
from tests.paths import REPOSITORY

from ..written_pairs import dataset
from .packs import SIZE, array, assert_same


def test_wrong_files_end_the_packing(files, tmp_path):
    """Protects from a pack without a pair, or with ids that are no classes."""
    cv2.imwrite(str(files / "label4.png"), np.full(SIZE, 77, np.uint8))
    for num_workers in (0, 2):
        with pytest.raises(UserError, match=r"label4\.png: label id\(s\) 77"):
            pack(dataset(files), tmp_path / "pack" / "train", num_workers)
    assert not (tmp_path / "pack" / "train" / MANIFEST).exists()


def test_a_folder_with_other_files_is_left_alone(files):
    """Protects a data set's own folder from being packed into."""
    before = sorted(files.iterdir())
    with pytest.raises(UserError, match="holds other files"):
        pack(dataset(files), files)
    assert sorted(files.iterdir()) == before


@pytest.mark.parametrize(
    "name",
    [
        "shard_000000.tar",
        "shard_1.bin",
        "pack.tar.gz",
        ".shard_backup",
        "pack.json.bak",
        "shard_00000.bin/",
        f"{'0' * 32}.image.npy",
        f"{'0' * 32}_{'0' * 8}.mask.npy",
    ],
)
def test_files_of_similar_names_are_not_ours(files, packed, name):
    """Protects what others call nearly the same, also folders: refused before anything is touched."""
    path = packed.parent / "val" / name
    path.parent.mkdir(parents=True)
    path.mkdir() if name.endswith("/") else path.write_text("mine")
    with pytest.raises(UserError, match="holds other files"):
        pack(dataset(files), path.parent)
    assert list(path.parent.iterdir()) == [path]


SLOW = """
import sys, time
from pathlib import Path
from paddleseg_lite.datasets import Dataset, SegmentationDataset
from paddleseg_lite.datasets.packed.writer import pack

def slowly(self, index, read=SegmentationDataset.read_files):
    time.sleep(0.5 if index > 1 else 0)
    return read(self, index)

SegmentationDataset.read_files = slowly
pack(Dataset((), sys.argv[1], 4, train_path="list.txt"), Path(sys.argv[2]))
"""


def packing(files, folder):
    """Return a process that packs slowly and has two pairs done."""
    arguments = [sys.executable, "-c", SLOW, str(files), str(folder)]
    process = subprocess.Popen(
        arguments, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while len(list(folder.glob("*.image.npy"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    return process


def test_a_killed_packing_goes_on(files, tmp_path):
    """Protects hours of packing: SIGKILL leaves no pack, and the next call keeps what is whole."""
    folder = tmp_path / "pack" / "train"
    process = packing(files, folder)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with pytest.raises(UserError, match="no complete pack"):
        dataset(files, cache=folder.parent)
    done = {path: path.stat().st_mtime_ns for path in folder.glob("*.npy")}
    assert pack(dataset(files), folder).kept == 2
    assert done == {path: path.stat().st_mtime_ns for path in done}
    assert [path.name for path in folder.glob(".*")] == [LOCK]
    assert_same(dataset(files, cache=folder.parent).sample(4), dataset(files).sample(4))


def test_the_second_packing_into_a_folder_is_told(files, tmp_path):
    """Protects from two processes that write the same files; the first one is not disturbed."""
    folder = tmp_path / "pack" / "train"
    process = packing(files, folder)
    with pytest.raises(UserError, match=f"another process packs into {folder}; wait"):
        pack(dataset(files), folder)
    assert process.wait(60) == 0
    assert_same(dataset(files, cache=folder.parent).sample(4), dataset(files).sample(4))


@pytest.mark.parametrize("kind", ["image", "label"])
def test_a_file_that_is_gone_is_written_again(files, packed, kind):
    """Protects from a pair that lost its label and is then packed as one that never had any."""
    path = array(packed, 1, kind)
    path.unlink()
    assert pack(dataset(files), packed).kept == 4
    assert path.exists()
    assert_same(dataset(files, cache=packed.parent).sample(1), dataset(files).sample(1))


def test_a_reader_and_pairs_that_disagree_about_labels(files, tmp_path):
    """Protects packs from labels that would be missing, or that no file's change would make stale."""

    class Bare(Dataset):
        def read_files(self, index):
            return super().read_files(index)[0], None

    with pytest.raises(UserError, match=r"image0\.png: .*Bare.read_files gives no label, .*label0\.png"):
        pack(Bare((), str(files), 4, "train", "list.txt"), tmp_path / "train")


@pytest.mark.parametrize("value", [3, 300, -1])
def test_labels_of_a_reader_of_ones_own(files, tmp_path, value):
    """Protects packs from int64 labels, which would be written as eight bytes, or wrapped, for each id."""

    class Wide(Dataset):
        def read_files(self, index):
            image, label = super().read_files(index)
            return image, np.where(label == 255, value, label.astype(np.int64))

    arguments = ((), str(files), 4, "train", "list.txt")
    if value == 3:
        pack(Wide(*arguments), tmp_path / "train")
        assert_same(Wide(*arguments, cache=tmp_path).sample(1), Wide(*arguments).sample(1))
        return
    with pytest.raises(UserError, match=rf"label0\.png, as it comes from the reader: ids from .*{value}"):
        pack(Wide(*arguments), tmp_path / "train")
