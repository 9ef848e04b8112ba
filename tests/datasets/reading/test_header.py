"""What files say of themselves: orientation, size, samples and bits, against what the decoder gives."""

from __future__ import annotations

import contextlib
import io
import struct
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps, features

from paddleseg_lite.datasets import read_image, read_label
from paddleseg_lite.datasets.reading import images, png
from paddleseg_lite.datasets.reading.header import Header, oriented, read_header
from paddleseg_lite.datasets.reading.images import read_orientation
from paddleseg_lite.errors import UserError

rng = np.random.default_rng(0)
GRAY = rng.integers(0, 4, (8, 16), dtype=np.uint8)
RGB = rng.integers(0, 256, (8, 16, 3), dtype=np.uint8)
ORIENTATIONS = range(1, 9)


def exif(orientation, order="<"):
    """Return a block of EXIF with one tag beside the orientation."""
    entries = [
        (256, 4, 1, struct.pack(f"{order}I", 7)),
        (274, 3, 1, struct.pack(f"{order}HH", orientation, 0)),
    ]
    body = b"".join(struct.pack(f"{order}HHI", *entry[:3]) + entry[3] for entry in entries)
    start = b"II*\0" if order == "<" else b"MM\0*"
    return start + struct.pack(f"{order}IH", 8, len(entries)) + body + bytes(4)


def encode(array, suffix, block=None):
    """Return an array as the bytes of a file, with a block of EXIF."""
    file = io.BytesIO()
    options = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(suffix, {})
    if block:
        options["exif"] = block if suffix == "PNG" else b"Exif\0\0" + block
    Image.fromarray(array).save(file, suffix, **options)
    return file.getvalue()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize(
    ("suffix", "array"), [("PNG", GRAY), ("PNG", RGB), ("JPEG", GRAY), ("JPEG", RGB), ("WEBP", RGB)]
)
def test_an_image_is_turned_whatever_its_channels(tmp_path, suffix, array, orientation, order):
    """Protects photographs on a side; Pillow is the oracle."""
    path = tmp_path / "a"
    path.write_bytes(encode(array, suffix, exif(orientation, order)))
    truth = np.asarray(ImageOps.exif_transpose(Image.open(path)))
    assert read_orientation(path) == orientation
    assert truth.shape[:2] == ((8, 16) if orientation < 5 else (16, 8))
    tolerance = 3 if suffix == "JPEG" else 0
    for channels in {3, array.shape[2] if array.ndim == 3 else 1}:
        image = read_image(path, channels).astype(int)
        wanted = truth if truth.ndim == 3 else np.repeat(truth[..., None], channels, axis=2)
        assert image.shape == wanted.shape
        assert abs(image - wanted).max() <= tolerance


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("mode", ["L", "P"])
def test_a_label_is_turned_as_its_file_says(tmp_path, mode, orientation):
    """Protects the one rule for images and labels, also where a palette's indices are read."""
    picture = Image.fromarray(GRAY)
    if mode == "P":
        picture.putpalette([value for index in range(4) for value in (60 * index, 200, 9)])
    picture.save(tmp_path / "a.png", exif=exif(orientation))
    assert (read_label(tmp_path / "a.png") == oriented(GRAY, orientation)).all()


@pytest.mark.parametrize(
    "block", [b"", b"II*\0", exif(0), exif(9), exif(6)[:20], b"XX" + exif(6)[2:], exif(6)[:4] + b"\xff" * 30]
)
def test_damaged_exif_turns_nothing(tmp_path, block):
    """Protects from a trace, and from a turn that nobody asked for."""
    segment = b"Exif\0\0" + block
    data = encode(RGB, "JPEG")
    (tmp_path / "a.jpg").write_bytes(
        data[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + data[2:]
    )
    assert read_orientation(tmp_path / "a.jpg") == 1
    assert read_image(tmp_path / "a.jpg").shape == RGB.shape


def test_the_fast_decoder_leaves_turned_files_alone(tmp_path):
    """Protects RGB PNGs with EXIF before and behind their pixels where pyspng is installed."""
    data = cv2.imencode(".png", RGB[..., ::-1])[1].tobytes()
    chunk = png.chunk(b"eXIf", exif(6))
    for position in (33, len(data) - 12):
        (tmp_path / "a.png").write_bytes(data[:position] + chunk + data[position:])
        assert (read_image(tmp_path / "a.png") == oriented(RGB, 6)).all()


def test_headers_are_those_that_pillow_reads():
    """Protects size, samples and bits, on which every decoder is checked."""
    alpha = np.dstack([RGB, RGB[..., 0]])
    deep = cv2.imencode(".png", RGB.astype(np.uint16))[1].tobytes()
    gray_alpha = io.BytesIO()
    Image.fromarray(alpha).convert("LA").save(gray_alpha, "png")
    assert read_header(encode(GRAY, "PNG")) == Header("PNG", 8, 16, 1, 8)
    assert read_header(encode(alpha, "PNG")) == Header("PNG", 8, 16, 4, 8)
    assert read_header(deep) == Header("PNG", 8, 16, 3, 16)
    assert read_header(gray_alpha.getvalue()) == Header("PNG", 8, 16, 2, 8)
    assert read_header(encode(GRAY, "JPEG")) == Header("JPEG", 8, 16, 1, 8)
    assert read_header(encode(RGB, "BMP")) == Header("BMP", 8, 16, 3, 8)
    assert read_header(encode(alpha, "WEBP")) == Header("WEBP", 8, 16, 4, 8)
    assert [read_header(data) for data in (b"", b"no picture", b"\xff\xd8", png.SIGNATURE)] == [None] * 4


@pytest.mark.parametrize("change", [{"height": 9}, {"width": 8}, {"samples": 4}, {"bits": 16}])
@pytest.mark.parametrize("read", [lambda path: read_image(path, 1), read_label])
def test_a_decoder_that_gives_something_else_is_caught(tmp_path, monkeypatch, change, read):
    """Protects from wrong pixels: the check itself, since no decoder is wrong on purpose."""
    path = tmp_path / "a.jpg"
    path.write_bytes(encode(GRAY, "JPEG"))
    monkeypatch.setattr(images, "read_header", lambda data: replace(read_header(data), **change))
    with pytest.raises(UserError, match=r"a\.jpg: it has .* but OpenCV makes 16x8 pixels.*1 channel.*8 bits"):
        read(path)


def test_gray_with_transparency_has_two_channels(tmp_path):
    """Protects what the file has: cv2 makes four channels of it."""
    both = np.dstack([GRAY * 60, RGB[..., 0]])
    Image.fromarray(both, "LA").save(tmp_path / "a.png")
    assert (read_image(tmp_path / "a.png", 2) == both).all()
    assert (read_image(tmp_path / "a.png", 3) == both[..., :1]).all()
    with pytest.raises(UserError, match="2 channel"):
        read_image(tmp_path / "a.png", 4)


@pytest.mark.parametrize(
    "tail", [b"\xff\xff\xff\xd9", b"\xff" * 50 + b"\xd9", b"\xff\xd9 junk \xff\xd8", b"\xff\xd9\0"]
)
@pytest.mark.parametrize("head", [b"", b"\xff\xff\xff", b"\xff\xff\xfe\0\x04\xff\xd9"])
def test_jpegs_with_fill_bytes_are_whole(tmp_path, head, tail):
    """Protects files of cameras that align their segments, or append something."""
    data = encode(RGB, "JPEG")
    path = tmp_path / "a.jpg"
    path.write_bytes(data[:2] + head + data[2:-2] + tail)
    assert abs(read_image(path).astype(int) - RGB).max() <= 3
    path.write_bytes(data[:2] + head + data[2 : len(data) // 2])
    with pytest.raises(UserError, match="complete"):
        read_image(path)


def test_a_jpeg_with_stray_bytes_before_its_scan_is_whole(tmp_path):
    """libjpeg passes over them with a warning, of which check_dataset tells."""
    data = encode(RGB, "JPEG")
    second = 4 + int.from_bytes(data[4:6], "big")  # behind the first segment
    (tmp_path / "a.jpg").write_bytes(data[:second] + b"\0" + data[second:])
    assert abs(read_image(tmp_path / "a.jpg").astype(int) - RGB).max() <= 3


def test_an_image_above_the_decoders_limit_is_named(tmp_path):
    """Protects from "incomplete" for a map of 40000x40000 pixels."""
    header = png.chunk(b"IHDR", struct.pack(">IIBBBBB", 40000, 40000, 8, png.GRAY, 0, 0, 0))
    (tmp_path / "a.png").write_bytes(png.SIGNATURE + header + png.chunk(b"IEND", b""))
    with pytest.raises(UserError, match=r"a\.png: a PNG of 40000x40000.*tiles.*OPENCV_IO_MAX_IMAGE_PIXELS"):
        read_image(tmp_path / "a.png", 1)


@pytest.mark.parametrize("error", [MemoryError(), cv2.error("Insufficient memory")])
def test_too_little_memory_is_said(tmp_path, monkeypatch, error):
    """Protects the images behind one that is too large."""

    def fail(*args):
        error.code = -4
        raise error

    (tmp_path / "a.png").write_bytes(encode(GRAY, "PNG"))
    monkeypatch.setattr(cv2, "imdecode", fail)
    with pytest.raises(UserError, match=r"a\.png: it takes more memory"):
        read_image(tmp_path / "a.png", 1)


def test_floats_of_other_formats_are_refused(tmp_path):
    """Protects from a trace of the decoder's for HDR, whose pixels have a type that no network takes."""
    for suffix in (".hdr", ".pfm"):
        path = tmp_path / f"a{suffix}"
        assert cv2.imwrite(str(path), RGB.astype(np.float32))
        for channels in (1, 3):
            with pytest.raises(UserError, match=rf"a\{suffix}: .*float32.*npy"):
                read_image(path, channels)


@pytest.mark.parametrize("suffix", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "PPM", "JPEG2000", "AVIF"])
def test_damaged_files_end_in_pixels_or_one_sentence(tmp_path, suffix):
    """Protects from a trace for a byte that is wrong, also in EXIF and in segments before the pixels."""
    if not features.check({"JPEG2000": "jpg_2000"}.get(suffix, "avif" if suffix == "AVIF" else "zlib")):
        pytest.skip(f"Pillow is built without {suffix}")
    random = np.random.default_rng(7)
    data = encode(RGB, suffix, exif(6) if suffix in ("PNG", "JPEG", "WEBP") else None)
    path = tmp_path / "a"
    for _ in range(100):
        damaged = bytearray(data)
        for place in random.integers(0, min(len(data), 300), 3):
            damaged[place] = random.integers(256)
        path.write_bytes(damaged[: random.integers(1, 2 * len(data))])
        for read in (read_image, read_label, lambda path: read_image(path, 4)):
            with contextlib.suppress(UserError):
                assert read(path).size
        assert read_orientation(path) in ORIENTATIONS
