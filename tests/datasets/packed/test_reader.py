"""Reading packs: the same samples as from the files, only the rows that are needed, and nothing damaged."""

from __future__ import annotations

import os
import pickle

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import paddleseg_lite.transforms as T
from paddleseg_lite.datasets import CamVid, Cityscapes, eval_samples
from paddleseg_lite.datasets.packed.writer import pack
from paddleseg_lite.errors import UserError

from ..written_pairs import dataset, write_pairs
from .packs import SIZE, array, assert_same

AUGMENT = [
    T.ResizeStepScaling(0.5, 2.0, 0.25),
    T.RandomPaddingCrop((48, 40)),
    T.RandomHorizontalFlip(),
    T.RandomDistort(),
    T.Normalize(),
]


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


@pytest.fixture(scope="module")
def window_data(tmp_path_factory):
    """A data set from its files and from a pack of them."""
    root = tmp_path_factory.mktemp("windows")
    source = dataset(write_pairs(root / "files", 2, SIZE))
    pack(source, root / "pack" / "train")
    return source, dataset(root / "files", cache=str(root / "pack"))


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
def test_a_truncated_file_is_found(files, packed, cut):
    """Protects from a copy that ran out of space: found before training, and while it runs (no bus error)."""
    quick = dataset(files, cache=packed.parent)
    quick.sample(3)
    path = array(packed, 3)
    data = path.read_bytes()
    path.write_bytes(data[:-cut])
    words = rf"{path.name} is truncated: it has {len(data) - cut} bytes instead of {len(data)}; pack the data"
    with pytest.raises(UserError, match=words):
        dataset(files, cache=packed.parent)
    with pytest.raises(UserError, match=words):
        quick.sample(3)
    for num_workers in (0, 1):
        with pytest.raises(UserError, match=words):
            list(eval_samples(quick, num_workers))
    path.write_bytes(data + b"0")
    with pytest.raises(UserError, match=rf"{path.name} is damaged: it has {len(data) + 1} bytes"):
        quick.sample(3)
    path.unlink()
    with pytest.raises(UserError, match=rf"{path.name} is missing"):
        dataset(files, cache=packed.parent)
    assert pack(dataset(files), packed).kept == 4


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
