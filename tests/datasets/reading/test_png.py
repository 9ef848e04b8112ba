"""The fast decoder: cv2's pixels exactly, and cv2's judgement on whatever is unusual or damaged."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest

from paddleseg_lite.datasets import read_image
from paddleseg_lite.datasets.reading import png
from paddleseg_lite.datasets.reading.images import open_image
from paddleseg_lite.errors import UserError

pytest.importorskip("pyspng", reason="the extra `fast` installs it")

rng = np.random.default_rng(0)
y, x = np.mgrid[:61, :43]
RGB = np.dstack([x * 3, y * 2, x + y]).astype(np.uint8) + rng.integers(0, 30, (61, 43, 3), dtype=np.uint8)


def encode(array, *flags):
    """Return an RGB(A) or gray array as the bytes of a PNG."""
    if array.ndim == 3:
        array = cv2.cvtColor(array, cv2.COLOR_RGBA2BGRA if array.shape[2] == 4 else cv2.COLOR_RGB2BGR)
    return cv2.imencode(".png", array, list(flags))[1].tobytes()


def by_cv2(data):
    """Return what cv2 reads, or None."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    return None if image is None else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def read_or_none(path):
    try:
        return read_image(path)
    except UserError:
        return None


@pytest.mark.parametrize("filters", [8, 16, 32, 64, 128, 248])
@pytest.mark.parametrize("level", [0, 1, 9])
def test_pixels_are_those_of_cv2(filters, level):
    """Protects results: every filter and level of compression, whole and up to any row."""
    data = encode(RGB, cv2.IMWRITE_PNG_FILTER, filters, cv2.IMWRITE_PNG_COMPRESSION, level)
    image = png.open_rgb("a.png", data)
    assert (by_cv2(data) == RGB).all()
    np.testing.assert_array_equal(np.asarray(image), RGB)
    for key in (np.s_[:1], np.s_[13:29, 5:9], np.s_[60:], -1, np.array([3, 60]), np.s_[7:7], ...):
        np.testing.assert_array_equal(image[key], RGB[key])


@pytest.mark.parametrize(
    "key",
    [
        -5,
        np.s_[:-5],
        np.s_[3:-20, 2:-2],
        np.s_[-9:-4],
        np.s_[20:10:-2],
        np.s_[::-1],
        np.s_[:99],
        y[:, 0] < 9,
        [-3, 2],
    ],
    ids=str,
)
def test_rows_counted_from_the_end(key):
    """Protects positions that mean other rows in an image that is decoded in part."""
    np.testing.assert_array_equal(png.open_rgb("a.png", encode(RGB))[key], RGB[key])


@pytest.mark.parametrize("name", [b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"tEXt", b"tIME"])
def test_harmless_chunks_are_harmless(name):
    """Protects the list of chunks that cv2 is believed to ignore."""
    content = {
        b"gAMA": struct.pack(">I", 100000),
        b"cHRM": struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000),
        b"sRGB": b"\0",
        b"pHYs": struct.pack(">IIB", 100, 300, 1),
        b"tEXt": b"Title\0a picture",
        b"tIME": struct.pack(">HBBBBB", 2020, 1, 2, 3, 4, 5),
    }[name]
    data = encode(RGB)
    data = data[:33] + chunk(name, content) + data[33:]
    np.testing.assert_array_equal(np.asarray(png.open_rgb("a.png", data)), by_cv2(data))


def test_unusual_files_are_left_to_cv2():
    """Protects transparency, orientation, other depths and kinds, which pyspng would read otherwise."""
    data = encode(RGB)
    unusual = [
        encode(np.dstack([RGB, RGB[..., 0]])),
        encode(RGB.astype(np.uint16) * 257),
        encode(RGB[..., 0]),
        data[:33] + chunk(b"tRNS", struct.pack(">HHH", 1, 2, 3)) + data[33:],
        data[:33] + chunk(b"eXIf", b"MM\0*") + data[33:],
        data[:28] + b"\1" + data[29:],
        b"no picture",
        b"",
    ]
    assert [png.open_rgb("a.png", data) for data in unusual] == [None] * len(unusual)


def test_damaged_files_are_never_read(tmp_path):
    """Protects from pixels that nobody took: the decoder itself looks at no checksum."""
    data = encode(RGB)
    path = tmp_path / "a.png"
    for _ in range(300):
        damaged = bytearray(data)
        damaged[rng.integers(8, len(data))] ^= 1 << rng.integers(8)
        assert png.open_rgb("a.png", bytes(damaged)) is None
    for length in range(0, len(data), 97):
        assert png.open_rgb("a.png", data[:length]) is None
        path.write_bytes(data[:length])
        assert read_or_none(path) is None


def test_wrong_data_with_right_checksums_are_an_error(tmp_path):
    """Protects from a broken encoder: too few rows, or no compressed data at all."""
    head, end = encode(RGB)[:33], chunk(b"IEND", b"")
    raw = b"".join(b"\0" + row.tobytes() for row in RGB)
    for content in (zlib.compress(raw[: len(raw) // 2]), b"nonsense", b""):
        (tmp_path / "a.png").write_bytes(head + chunk(b"IDAT", content) + end)
        with pytest.raises(UserError, match=r"a\.png"):
            read_image(tmp_path / "a.png")


def test_without_the_decoder_cv2_reads(tmp_path, monkeypatch):
    """Protects the fallback: pyspng is optional."""
    (tmp_path / "a.png").write_bytes(encode(RGB))
    assert isinstance(open_image(tmp_path / "a.png"), png.RgbPng)
    monkeypatch.setattr(png, "missing_modules", lambda *names: [*names])
    assert isinstance(open_image(tmp_path / "a.png"), np.ndarray)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), RGB)


def test_gray_channels_asked_of_a_color_file_are_refused(tmp_path):
    """Protects img_channels on the fast path too."""
    (tmp_path / "a.png").write_bytes(encode(RGB))
    with pytest.raises(UserError, match=r"a\.png: 3 channel.*1"):
        read_image(tmp_path / "a.png", 1)
