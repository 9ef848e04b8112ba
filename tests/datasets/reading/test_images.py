"""Reading files: depths, channels, palettes, and what is broken."""

from __future__ import annotations

import io
import os

import cv2
import numpy as np
import pytest

from paddleseg_lite.datasets import read_image, read_label
from paddleseg_lite.datasets.reading import png
from paddleseg_lite.datasets.reading.header import is_cut_jpeg
from paddleseg_lite.errors import UserError

Image = pytest.importorskip("PIL.Image", reason="Pillow writes palette PNGs; Paddle installs it")

rng = np.random.default_rng(0)
RGB = rng.integers(0, 256, (11, 13, 3), dtype=np.uint8)
IDS = rng.integers(0, 4, (11, 13), dtype=np.uint8)


def save(path, array):
    assert cv2.imwrite(str(path), array)
    return path


def test_colors_are_in_rgb_order(tmp_path):
    """Protects against BGR, which trains well and fails with released weights."""
    path = tmp_path / "bild mit ü.png"
    path.write_bytes(cv2.imencode(".png", RGB[..., ::-1])[1].tobytes())
    assert (read_image(path) == RGB).all()


@pytest.mark.parametrize("has_isal", [True, False])
@pytest.mark.parametrize("size", [(11, 13), (1, 1), (2, 1), (300, 400)])
def test_a_written_png_has_the_pixels(monkeypatch, has_isal, size):
    """Whichever library compresses; Pillow reads it, which checks more than cv2."""
    if has_isal:
        pytest.importorskip("isal", reason="the extra `fast` installs it")
    else:
        monkeypatch.setattr(png, "missing_modules", lambda *names: [*names])
    gradient = np.add.outer(np.arange(size[0]), 2 * np.arange(size[1])).astype(np.uint8)  # repeats itself
    noise = rng.integers(0, 256, (*size, 3), np.uint8)
    for picture in (
        noise[:, :, 0],
        noise,
        gradient,
        np.dstack([gradient, gradient.T.reshape(size), gradient]),
    ):
        for given in (picture, np.asfortranarray(picture), picture[::-1, ::-1]):
            read = Image.open(io.BytesIO(png.encode_png(given)))
            read.verify()
            read = Image.open(io.BytesIO(png.encode_png(given)))
            assert (np.asarray(read) == given).all()


def test_a_written_png_keeps_16_bits():
    """Protects what ISA-L's way is not made for."""
    deep = rng.integers(0, 2**16, (5, 7, 3), np.uint16)
    read = cv2.imdecode(np.frombuffer(png.encode_png(deep), np.uint8), cv2.IMREAD_UNCHANGED)
    assert (read[:, :, ::-1] == deep).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_depth_and_channels_are_kept(tmp_path, dtype, channels):
    """Protects 16-bit and multi-channel images from cv2's habit of making 8-bit BGR of everything."""
    array = rng.integers(0, np.iinfo(dtype).max, (7, 9, channels)).astype(dtype)
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]
    image = read_image(save(tmp_path / "a.png", array[..., order]), channels)
    assert image.dtype == dtype
    assert (image == array).all()


def test_npy_serves_any_number_of_channels_as_a_memory_map(tmp_path):
    """Protects multispectral images, and windows being read without the rest."""
    array = rng.integers(0, 65535, (7, 9, 8)).astype(np.uint16)
    np.save(tmp_path / "a.npy", array)
    image = read_image(tmp_path / "a.npy", 8)
    assert isinstance(image, np.memmap)
    assert (image == array).all()


def test_gray_file_serves_three_channels(tmp_path):
    """Protects data sets with a few gray photographs among the color ones."""
    image = read_image(save(tmp_path / "a.png", IDS), 3)
    assert (image == IDS[..., None]).all()


@pytest.mark.parametrize("channels", [1, 4, 5])
def test_wrong_number_of_channels_is_named(tmp_path, channels):
    """Protects against silent conversion to gray."""
    path = save(tmp_path / "a.png", RGB)
    with pytest.raises(UserError, match=rf"a\.png: 3 channel.*{channels}"):
        read_image(path, channels)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".npy"])
@pytest.mark.parametrize("damage", ["missing", "empty", "half", "text"])
def test_unreadable_files_are_named(tmp_path, suffix, damage):
    """Protects from a trace without a file name, and from JPEGs that end in gray."""
    path = tmp_path / f"photo{suffix}"
    if suffix == ".npy":
        np.save(path, RGB)
    else:
        save(path, np.kron(RGB, np.ones((9, 9, 1), np.uint8)))
    data = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes({"empty": b"", "half": data[: len(data) // 2], "text": b"no picture" * 20}[damage])
    for read in (read_image, read_label):
        with pytest.raises(UserError, match=f"photo{suffix}"):
            read(path)


def test_jpeg_with_a_thumbnail_is_not_taken_for_whole(tmp_path):
    """Protects the check of a JPEG's end: a thumbnail inside has an end marker of its own."""
    body = cv2.imencode(".jpg", np.kron(RGB, np.ones((9, 9, 1), np.uint8)))[1].tobytes()
    thumbnail = cv2.imencode(".jpg", RGB)[1].tobytes()
    segment = b"\xff\xe2" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    whole = body[:2] + segment + body[2:]
    path = tmp_path / "a.jpg"
    path.write_bytes(whole)
    assert read_image(path).shape == (99, 117, 3)
    path.write_bytes(whole[:-20])
    with pytest.raises(UserError, match="complete"):
        read_image(path)
    # Not every cv2 refuses it, so our own check is looked at too.
    assert [is_cut_jpeg(data) for data in (whole, whole[:-20], whole[:15])] == [False, True, True]


def test_float_images_are_refused(tmp_path):
    """Protects from images in [0, 1] being divided by 255."""
    np.save(tmp_path / "a.npy", RGB.astype(np.float32))
    with pytest.raises(UserError, match="float32"):
        read_image(tmp_path / "a.npy")


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palette_label_gives_indices(tmp_path, bits):
    """Protects Pascal VOC's kind of labels: the ids are the indices, not the colors."""
    ids = np.minimum(IDS, 2**bits - 1)
    picture = Image.fromarray(ids)
    picture.putpalette([value for index in range(2**bits) for value in (index * 7 % 256, 200, 255 - index)])
    picture.save(tmp_path / "a.png", bits=bits, transparency=0)
    assert (read_label(tmp_path / "a.png") == ids).all()


def test_other_labels_give_their_values(tmp_path):
    """Protects gray labels of 1, 8 and 16 bits, and arrays."""
    Image.fromarray(IDS > 1).save(tmp_path / "one.png")
    assert (read_label(tmp_path / "one.png") == (IDS > 1)).all()
    assert (read_label(save(tmp_path / "eight.png", IDS)) == IDS).all()
    assert (read_label(save(tmp_path / "sixteen.png", IDS.astype(np.uint16))) == IDS).all()
    np.save(tmp_path / "array.npy", IDS.astype(np.int64))
    label = read_label(tmp_path / "array.npy")
    assert (label == IDS).all()
    assert label.dtype == np.uint8


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_label_without_pixels_is_named(tmp_path, dtype):
    """Protects from a trace about a smallest value of nothing."""
    np.save(tmp_path / "a.npy", np.zeros((0, 5), dtype))
    with pytest.raises(UserError, match=r"a\.npy: an array of shape \(0, 5\)"):
        read_label(tmp_path / "a.npy")


@pytest.mark.parametrize(("array", "words"), [(RGB, "one class id"), (IDS.astype(np.uint16) + 300, "303")])
def test_impossible_labels_are_refused(tmp_path, array, words):
    """Protects from color labels and ids that would wrap round in 8 bits."""
    path = save(tmp_path / "mask.png", array)
    with pytest.raises(UserError, match=rf"mask\.png.*{words}"):
        read_label(path)


@pytest.mark.parametrize("name", ["pipe.png", "pipe.npy"])
@pytest.mark.parametrize("read", [read_image, read_label])
def test_only_regular_files_are_read(tmp_path, name, read):
    """A pipe would be waited for, for ever."""
    os.mkfifo(tmp_path / name)
    with pytest.raises(UserError, match=r"cannot read .*pipe.*no regular file"):
        read(tmp_path / name)


def test_several_arrays_are_no_image(tmp_path):
    """Protects the images behind a .npz that was renamed."""
    np.savez(tmp_path / "a.npz", one=np.zeros((2, 2), np.uint8), other=np.ones(3))
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    with pytest.raises(UserError, match=r"a\.npy: it holds several arrays.*save one as \.npy"):
        read_image(tmp_path / "a.npy", 1)
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:200])
    with pytest.raises(UserError, match=r"cannot read .*a\.npy"):
        read_image(tmp_path / "a.npy", 1)


@pytest.mark.parametrize("cut", [1, 400])
def test_a_truncated_array_is_named(tmp_path, cut):
    """Protects from what is mapped behind the end of a file, which would end the process."""
    path = tmp_path / "a.npy"
    np.save(path, RGB)
    path.write_bytes(path.read_bytes()[:-cut])
    for read in (read_image, read_label):
        with pytest.raises(UserError, match=rf"a\.npy: it is truncated: its {path.stat().st_size} bytes"):
            read(path)


@pytest.mark.parametrize("header", [b"{'descr': (", b"{'descr': '|u1', 'shape'", b"[" * 90, b"", b"\xff{"])
def test_a_damaged_header_of_numpy_is_one_sentence(tmp_path, header):
    """Whatever NumPy's parser raises."""
    path = tmp_path / "x.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(UserError, match=r"cannot read .*x\.npy"):
        read_image(path)


def test_another_byte_order_is_the_same_image(tmp_path):
    """Protects .npy files from other machines, which were called of no 16 bits."""
    image = np.arange(24, dtype=np.uint16).reshape(2, 4, 3)
    np.save(tmp_path / "big.npy", image.astype(">u2"))
    read = read_image(tmp_path / "big.npy")
    assert read.dtype == np.uint16
    assert (read == image).all()


def test_an_array_without_pixels_is_told(tmp_path):
    """Protects from cv2's trace in the transforms."""
    np.save(tmp_path / "none.npy", np.zeros((0, 4, 3), np.uint8))
    with pytest.raises(UserError, match="without a pixel"):
        read_image(tmp_path / "none.npy")
