"""Packs: the same samples as from the files, only the rows that are needed, and nothing stale or damaged."""

from __future__ import annotations

import importlib
import json
import os
import pickle
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import paddleseg_lite.transforms as T
from paddleseg_lite.datasets import CamVid, Cityscapes, Dataset, eval_samples
from paddleseg_lite.datasets.packed.manifest import LOCK, MANIFEST
from paddleseg_lite.datasets.packed.writer import pack
from paddleseg_lite.errors import UserError
from tests.paths import REPOSITORY

from .written_pairs import write_pairs

AUGMENT = [
    T.ResizeStepScaling(0.5, 2.0, 0.25),
    T.RandomPaddingCrop((48, 40)),
    T.RandomHorizontalFlip(),
    T.RandomDistort(),
    T.Normalize(),
]
SIZE = (199, 61)  # odd


def dataset(folder, transforms=(), mode="train", **kwargs):
    """Return the data set of `write_pairs`."""
    return Dataset(transforms, str(folder), 4, mode, **{f"{mode}_path": "list.txt", **kwargs})


@pytest.fixture
def files(tmp_path):
    """Five pairs of an odd size."""
    return write_pairs(tmp_path / "files", 5, SIZE)


@pytest.fixture
def packed(files, tmp_path):
    """The same, packed; return the folder of the pack's mode."""
    folder = tmp_path / "pack" / "train"
    assert pack(dataset(files), folder).kept == 0
    return folder


def assert_same(one, other):
    """Compare two samples bit by bit."""
    assert one.image.dtype == other.image.dtype
    assert isinstance(one.image, np.ndarray)
    np.testing.assert_array_equal(one.image, other.image)
    np.testing.assert_array_equal(one.label, other.label)
    assert (one.path, one.source_size, one.windows) == (other.path, other.source_size, other.windows)


def array(folder, index=0, kind="image"):
    """Return the file of an image or a label in a pack."""
    _, arrays = json.loads((folder / MANIFEST).read_text())["pairs"][index]
    return folder / arrays[kind == "label"][0]


def flip_bit(path, position):
    """Change one bit, leaving size and time as they are."""
    facts = path.stat()
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


@pytest.mark.parametrize(
    "transforms", [(), AUGMENT, AUGMENT[3:], [T.RandomPaddingCrop((40, 40), category_max_ratio=0.9)]]
)
@pytest.mark.parametrize("mode", ["train", "val"])
def test_samples_equal_those_from_the_files(files, tmp_path, transforms, mode):
    """Protects results: for the same (seed, epoch, index) a pack changes nothing, whatever the transforms."""
    if mode == "val":
        transforms = [t for t in transforms if not hasattr(t, "crop_size")]
    source = dataset(files, transforms, mode)
    pack(source, tmp_path / "pack" / mode)
    quick = dataset(files, transforms, mode, cache=str(tmp_path / "pack"))
    for index in range(5):
        for epoch in range(4):
            assert_same(quick.sample(index, epoch, 3), source.sample(index, epoch, 3))


@settings(max_examples=40, deadline=None)
@given(
    scale=st.floats(0.3, 3),
    crop=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    flip=st.booleans(),
    seed=st.integers(0, 9999),
)
def test_any_window_equals_that_of_the_whole_image(window_data, scale, crop, flip, seed):
    """Protects every window: rows on the borders of strips, first and last rows, enlarged and reduced."""
    source, quick = window_data
    compose = T.Compose(
        [T.ResizeStepScaling(scale, scale), T.RandomPaddingCrop(crop), T.RandomVerticalFlip(float(flip))]
    )
    whole = T.Sample.from_source(*source.read_files(1))
    for reader in (quick.reader, source.reader):
        window = T.Sample.from_source(*reader(1))
        one, other = (compose(sample, np.random.default_rng(seed)) for sample in (whole, window))
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.label, other.label)


@pytest.fixture(scope="module")
def window_data(tmp_path_factory):
    """A data set from its files and from a pack of them."""
    root = tmp_path_factory.mktemp("windows")
    source = dataset(write_pairs(root / "files", 2, SIZE))
    pack(source, root / "pack" / "train")
    return source, dataset(root / "files", cache=str(root / "pack"))


def test_sixteen_bits_and_other_channels(tmp_path):
    """Protects images that aren't 8-bit RGB, and images of several sizes in one pack."""
    rng = np.random.default_rng(0)
    lines = []
    for index, size in enumerate([(7, 9), (130, 33), (1, 1)]):
        np.save(tmp_path / f"{index}.npy", rng.integers(0, 65536, (*size, 5)).astype(np.uint16))
        cv2.imwrite(str(tmp_path / f"{index}.png"), rng.integers(0, 4, size).astype(np.uint8))
        lines.append(f"{index}.npy {index}.png")
    (tmp_path / "list.txt").write_text("\n".join(lines))
    source = dataset(tmp_path, img_channels=5)
    pack(source, tmp_path / "pack" / "train")
    quick = dataset(tmp_path, img_channels=5, cache=tmp_path / "pack")
    for index in range(3):
        assert_same(quick.sample(index), source.sample(index))


def test_a_window_of_a_pack_is_mapped(window_data):
    """Protects the speed: a sample reads the rows and columns of its crop, not the whole image."""
    _, quick = window_data
    for part in quick.reader(0):
        assert isinstance(part.base, np.memmap)


@pytest.mark.parametrize("kind", ["image", "label"])
@pytest.mark.parametrize("position", [3, 60, -5])
@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_corrupted_byte_is_found(files, packed, kind, position, num_workers):
    """Protects training from damaged disks, here and in workers; packing again writes that pair alone."""
    path = array(packed, 3, kind)
    flip_bit(path, position)
    quick = dataset(files, cache=packed.parent)
    with pytest.raises(UserError, match=rf"{path.name}, made of image3\.png, is damaged; pack the data set"):
        list(eval_samples(quick, num_workers))
    assert pack(dataset(files), packed).kept == 4
    assert_same(dataset(files, cache=packed.parent).sample(3), dataset(files).sample(3))


@pytest.mark.parametrize("cut", [1, 5000])
def test_a_truncated_file_is_found_at_the_start(files, packed, cut):
    """Protects from a copy that ran out of space: found before training, and while it runs (no bus error)."""
    quick = dataset(files, cache=packed.parent)
    quick.sample(3)
    path = array(packed, 3)
    data = path.read_bytes()
    path.write_bytes(data[:-cut])
    with pytest.raises(UserError, match=rf"{path.name} has {len(data) - cut} bytes instead of {len(data)}"):
        dataset(files, cache=packed.parent)
    with pytest.raises(UserError, match=path.name):
        quick.sample(3)
    path.unlink()
    with pytest.raises(UserError, match=rf"{path.name} is missing"):
        dataset(files, cache=packed.parent)
    assert pack(dataset(files), packed).kept == 4


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"format": 2}',
        '{"format": 2, "facts": {}, "pairs": [3]}',
        '{"format": 2, "facts": [], "pairs": []}',
        '{"format": 2, "facts": {}, "pairs": [[[["a.png", 1, 2]], [["../../secret.npy", 9]]]]}',
        '{"format": 2, "facts": {}, "pairs": [[[["a.png", 1, 2]], [[3, 9]]]]}',
        "[" * 99999,
        '{"format": 2, "facts": {}, "pairs": [[[["a.png", 1, 2]], []]]}',
    ],
)
def test_a_damaged_manifest_is_named(files, packed, content):
    """Protects from a manifest that was cut, or is none: no trace of Python's."""
    (packed / MANIFEST).write_text(content)
    with pytest.raises(UserError, match=r"pack\.json is damaged.*pack_dataset"):
        dataset(files, cache=packed.parent)


def test_a_pack_of_another_version_is_named_and_replaced(files, tmp_path):
    """Protects who has packs of shards: told what to do, which then works, and removes the shards."""
    folder = tmp_path / "pack" / "train"
    folder.mkdir(parents=True)
    (folder / MANIFEST).write_text('{"sha256": "0", "content": {"facts": {"format": 1}, "shards": []}}')
    (folder / "shard_00000.bin").write_bytes(b"0")
    (folder / "shard_00000.json").write_text("{}")
    with pytest.raises(
        UserError,
        match=r"another version of this library; .* again with the command pack_dataset",
    ):
        dataset(files, cache=folder.parent)
    pack(dataset(files), folder)
    assert len(dataset(files, cache=folder.parent)) == 5
    assert not list(folder.glob("shard_*"))


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


def test_no_pack_says_how_to_make_one(files, tmp_path):
    """Protects the first thing that everybody meets, and from a pack that was never finished."""
    with pytest.raises(UserError, match=r"no complete pack in .*the command pack_dataset"):
        dataset(files, cache=tmp_path / "nothing")


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


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_pack_that_is_rewritten_while_it_is_read_is_noticed(files, packed, num_workers):
    """Protects a run from another image under an index: it reads what it opened, or is told."""
    quick = dataset(files, cache=packed.parent)
    wanted = [dataset(files).sample(index) for index in range(5)]
    lines = (files / "list.txt").read_text().splitlines()
    (files / "list.txt").write_text("\n".join(reversed(lines)))
    pack(dataset(files), packed)
    for index in range(5):
        assert_same(quick.sample(index), wanted[index])
    (files / "list.txt").write_text(lines[1])
    pack(dataset(files), packed)
    with pytest.raises(UserError, match=r"npy is gone: the pack was rewritten while it was read"):
        list(eval_samples(quick, num_workers))


def test_a_pack_that_is_only_verified_may_be_read_meanwhile(files, packed):
    """Protects the check of a pack in use: what is whole is not touched."""
    quick = dataset(files, cache=packed.parent)
    assert pack(dataset(files), packed).kept == 5
    assert_same(quick.sample(4), dataset(files).sample(4))


def test_cityscapes_and_camvid_take_a_cache(street_root, files, tmp_path):
    """Protects the argument on every data set; labelIds are mapped before they are packed."""
    pack(Cityscapes((), str(street_root)), tmp_path / "streets" / "train", num_workers=2)
    quick = Cityscapes((), str(street_root), cache=str(tmp_path / "streets"))
    assert_same(quick.sample(1), Cityscapes((), str(street_root)).sample(1))
    assert str(tmp_path / "streets") in quick.describe()
    assert len(pickle.loads(pickle.dumps(quick))) == 4  # to workers that are spawned
    (files / "list.txt").rename(files / "test.txt")
    pack(CamVid((), str(files), "test"), tmp_path / "camvid" / "test")
    assert_same(
        CamVid((), str(files), "test", cache=str(tmp_path / "camvid")).sample(2),
        CamVid((), str(files), "test").sample(2),
    )


def test_images_without_labels(tmp_path):
    """Protects packs of the mode 'test'."""
    files = write_pairs(tmp_path / "files", 2)
    (files / "list.txt").write_text("image0.png\nimage1.png\n")
    source = dataset(files, (), "test")
    pack(source, tmp_path / "pack" / "test")
    sample = dataset(files, (), "test", cache=tmp_path / "pack").sample(1)
    assert sample.label is None
    np.testing.assert_array_equal(sample.image, source.sample(1).image)


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


def test_a_manifest_without_a_pairs_label_is_damaged(files, packed):
    """Protects training from pairs whose labels a pack of an earlier version has lost."""
    content = json.loads((packed / MANIFEST).read_text())
    content["pairs"][2][1].pop()
    (packed / MANIFEST).write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"pack\.json is damaged .*2 files of a pair.*\['image'\]"):
        dataset(files, cache=packed.parent)


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
