"""Formats beside PNG, JPEG and TIFF, and animations: read rightly, or named with the cause."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, features

from paddleseg_lite.datasets import read_image, read_label
from paddleseg_lite.datasets.reading import png
from paddleseg_lite.datasets.reading.header import Header, read_header
from paddleseg_lite.datasets.reading.images import open_image
from paddleseg_lite.errors import UserError

rng = np.random.default_rng(0)
RGBA = rng.integers(0, 256, (8, 16, 4), dtype=np.uint8)
RGB, GRAY = RGBA[..., :3], RGBA[..., 0] % 4


def has_format(name):
    """Whether Pillow writes a format and cv2 reads it."""
    if not features.check(name):
        return False
    return cv2.imdecode(np.frombuffer(encode(RGB, name), np.uint8), cv2.IMREAD_COLOR) is not None


def encode(array, kind, **options):
    file = io.BytesIO()
    Image.fromarray(array).save(file, {"jpg_2000": "JPEG2000"}.get(kind, kind), **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF", "palette PNG"])
def test_an_animation_is_named(tmp_path, kind):
    """Protects from a first frame that nobody chose, as image and as label."""
    if kind in ("WEBP", "AVIF") and not features.check(kind.lower()):
        pytest.skip(f"Pillow is built without {kind}")
    frames = [Image.fromarray(np.full((8, 16, 3), value, np.uint8)) for value in (10, 200, 90)]
    if kind == "palette PNG":
        frames = [frame.convert("P") for frame in frames]
    path, name = tmp_path / "a.png", kind.split()[-1]
    frames[0].save(path, name, save_all=True, append_images=frames[1:])
    for read in (read_image, read_label, lambda path: read_image(path, 4)):
        with pytest.raises(UserError, match=rf"a\.png: {name} of 3 frames, where one image .* as PNG"):
            read(path)
    frames[0].save(path, name, save_all=True)
    assert read_image(path).shape == (8, 16, 3)


def test_a_jpeg_with_a_second_picture_is_read(tmp_path):
    """Protects photographs of telephones, which append a depth map or a preview: no animation."""
    photograph = Image.fromarray(np.full((8, 16, 3), 60, np.uint8))
    photograph.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[Image.fromarray(RGB)])
    assert Image.open(tmp_path / "a.jpg").n_frames == 2
    assert (read_image(tmp_path / "a.jpg") == 60).all()


def jpeg2000(bands=3, bits=8):
    """Return the bytes of a file whose header tells of so many bands."""
    data = encode(RGB, "jpg_2000")
    start = data.index(b"\xff\x4f\xff\x51")
    sizes = data[start + 6 : start + 40] + struct.pack(">H", bands) + bytes([bits - 1, 1, 1]) * bands
    rest = data[start + 4 + int.from_bytes(data[start + 4 : start + 6], "big") :]
    return data[: start + 4] + struct.pack(">H", len(sizes) + 2) + sizes + rest


@pytest.mark.skipif(not has_format("jpg_2000"), reason="Pillow or cv2 is built without JPEG2000")
def test_jpeg2000_is_checked_by_its_own_header(tmp_path):
    """Protects satellite images: what OpenCV takes is exact, other bands are named as the cause."""
    path = tmp_path / "a.jp2"
    for array, bands in ((GRAY, 1), (RGB, 3), (RGBA, 4)):
        path.write_bytes(encode(array, "jpg_2000"))
        assert read_header(path.read_bytes()) == Header("JPEG2000", 8, 16, bands, 8)
        assert (read_image(path, bands).squeeze() == array).all()
    assert read_header(jpeg2000(3, 12)).bits == 12
    for bands in (2, 5, 13):
        path.write_bytes(jpeg2000(bands))
        for channels in (bands, 1):
            with pytest.raises(
                UserError, match=rf"a\.jp2: JPEG2000 of {bands} bands, .*\.npy of \[H, W, C\]"
            ):
                read_image(path, channels)
    with pytest.raises(UserError, match=r"a\.jp2: JPEG2000 of 13 bands"):
        read_image(path, 3)
    path.write_bytes(encode(RGB, "jpg_2000")[:-150])
    with pytest.raises(UserError, match=r"a\.jp2: JPEG2000 that is damaged"):
        read_image(path)


@pytest.mark.parametrize("brand", [b"heic", b"mif1"])
def test_heic_is_named(tmp_path, brand):
    """Protects photographs of telephones, which often have an ending of other files."""
    (tmp_path / "a.jpg").write_bytes(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0heicmif1" + bytes(100))
    for read in (read_image, read_label):
        with pytest.raises(UserError, match=r"a\.jpg: HEIC, which OpenCV does not read; convert it to PNG"):
            read(tmp_path / "a.jpg")


def bitmap(pixels, masks):
    """Return a BMP of 32 bits, [H, W, 4] in the order of the file, with masks as some headers have them."""
    height, width = pixels.shape[:2]
    size = 40 if len(masks) < 4 else 108
    body = struct.pack(f"<{len(masks)}I", *masks).ljust(size - 40 if size > 40 else 4 * len(masks), b"\0")
    head = struct.pack("<IiiHHIIiiII", size, width, height, 1, 32, 3 * bool(masks), pixels.size, 0, 0, 0, 0)
    start = 14 + len(head) + len(body)
    return (
        b"BM" + struct.pack("<IHHI", start + pixels.size, 0, 0, start) + head + body + pixels[::-1].tobytes()
    )


BGRA = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)


@pytest.mark.parametrize(
    ("masks", "order", "channels"),
    [((), [2, 1, 0, 3], 3), (BGRA[:3], [2, 1, 0, 3], 3), (BGRA, [2, 1, 0, 3], 4)],
)
def test_bitmaps_of_32_bits(tmp_path, masks, order, channels):
    """The fourth byte is transparency only where the header has a mask for it; another number is refused."""
    path = tmp_path / "a.bmp"
    path.write_bytes(bitmap(RGBA[..., order], masks))
    assert read_header(path.read_bytes()) == Header("BMP", 8, 16, channels, 8)
    assert (read_image(path, 3) == RGB).all()
    if channels == 4:
        assert (read_image(path, 4) == RGBA).all()
    else:
        with pytest.raises(UserError, match=r"a\.bmp.*3 channel"):
            read_image(path, 4)


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (5, 0)])
def test_a_png_without_pixels_is_named(tmp_path, size):
    """Protects from an error about sizes that differ, by the decoder that reads when it is indexed."""
    header = png.chunk(b"IHDR", struct.pack(">II", *size) + png.PLAIN_RGB)
    pixels = png.chunk(b"IDAT", zlib.compress(b""))
    (tmp_path / "a.png").write_bytes(png.SIGNATURE + header + pixels + png.chunk(b"IEND", b""))
    for read in (read_image, open_image, read_label):
        with pytest.raises(UserError, match=r"cannot read .*a\.png: \d+ bytes that are no complete image"):
            read(tmp_path / "a.png")
