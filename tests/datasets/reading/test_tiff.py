"""TIFF files: the pixels of the file whatever its bands are, or one sentence that says what it has."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import lzma
import struct
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from paddleseg_lite.datasets import read_image, read_label
from paddleseg_lite.datasets.reading import tiff
from paddleseg_lite.datasets.reading.header import oriented
from paddleseg_lite.datasets.reading.images import read_orientation, read_stored_label
from paddleseg_lite.errors import UserError

from ...paths import REPOSITORY

DATA = REPOSITORY / "tests" / "data" / "tiff"
rng = np.random.default_rng(0)
BANDS = rng.integers(0, 256, (20, 31, 6), dtype=np.uint8)
RGB, GRAY = np.ascontiguousarray(BANDS[..., :3]), np.ascontiguousarray(BANDS[..., 0])
has_codecs = importlib.util.find_spec("imagecodecs") is not None
without_codecs = pytest.mark.skipif(has_codecs, reason="imagecodecs reads what is refused without it")


def write(path, array, **options):
    """Write an array [H, W] or [H, W, C] as TIFF, whatever it is said to be."""
    if options.get("planarconfig") == "separate":
        array = np.ascontiguousarray(array.transpose(2, 0, 1))
    tifffile.imwrite(path, array, **{"photometric": "minisblack", **options})
    return path


@pytest.mark.parametrize(
    ("name", "shape", "crc"),
    [
        ("gdal_u8_rgb_alpha", (48, 64, 4), 490461882),  # the fourth band is near infrared, "alpha" by default
        ("gdal_u8_minisblack4", (48, 64, 4), 490461882),
        ("gdal_u16_minisblack4", (48, 64, 4), 1621509571),
        ("gdal_u16_minisblack6", (48, 64, 6), 1537999716),
    ],
)
def test_bands_that_gdal_wrote_are_read_as_they_are(name, shape, crc):
    """Protects multispectral images: the checksums are of the arrays that were given to GDAL."""
    image = read_image(DATA / f"{name}.tif", shape[2])
    assert image.shape == shape
    assert image.dtype == (np.uint8 if "u8" in name else np.uint16)
    assert zlib.crc32(image.tobytes()) == crc
    if "rgb" in name:
        assert (read_image(DATA / f"{name}.tif") == image[..., :3]).all()
        return
    with pytest.raises(UserError, match=rf"{name}\.tif: {shape[2]} channel"):
        read_image(DATA / f"{name}.tif", 3)


LAYOUTS = {
    "plain": {},
    "deflate": {"compression": "zlib"},
    "differences": {"compression": "zlib", "predictor": True},
    "tiles": {"tile": (16, 16)},
    "planes": {"planarconfig": "separate"},
    "strips": {"rowsperstrip": 7},
    "big": {"bigtiff": True, "byteorder": ">"},
}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_number_of_bands_is_read(tmp_path, layout, count, dtype):
    """Protects all of the file's values, in the machine's own byte order."""
    if layout == "planes" and count == 1:
        return
    array = BANDS[..., :count].astype(dtype) * dtype(np.iinfo(dtype).max // 255)
    planes = {} if layout == "planes" else {"planarconfig": "contig"}
    options = {**(planes if count > 1 else {}), **LAYOUTS[layout]}
    path = write(tmp_path / "a.tif", array if count > 1 else array[..., 0], **options)
    image = read_image(path, count)
    assert image.dtype == dtype
    assert image.dtype.isnative
    assert (image == array).all()
    if count in (2, 4, 5, 6):
        with pytest.raises(UserError, match=rf"a\.tif: {count} channel.*img_channels is 3"):
            read_image(path, 3)


@pytest.mark.parametrize("extra", ["unassalpha", "assocalpha", "unspecified"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_rgb_with_more_gives_the_first_three(tmp_path, extra, dtype):
    """Protects from colors that a decoder multiplies by what it takes for transparency."""
    bands = BANDS.astype(dtype)
    for count in (4, 6):
        extras = [extra] + ["unspecified"] * (count - 4)
        path = write(tmp_path / "a.tif", bands[..., :count], photometric="rgb", extrasamples=extras)
        assert (read_image(path) == bands[..., :3]).all()
        assert (read_image(path, count) == bands[..., :count]).all()


def test_gray_is_repeated_and_its_transparency_dropped(tmp_path):
    """Protects PaddleSeg's meaning of usual files; a second band that is no transparency is none."""
    assert (read_image(write(tmp_path / "a.tif", GRAY)) == GRAY[..., None]).all()
    options = {"planarconfig": "contig", "extrasamples": ["unassalpha"]}
    path = write(tmp_path / "b.tif", BANDS[..., :2], **options)
    assert (read_image(path) == GRAY[..., None]).all()
    assert (read_image(path, 2) == BANDS[..., :2]).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_as_zero_is_seen_as_it_is_meant(tmp_path, dtype):
    """Protects scans; an id in a label is the value in the file."""
    path = write(tmp_path / "a.tif", GRAY.astype(dtype), photometric="miniswhite")
    assert (read_image(path, 1)[..., 0] == np.iinfo(dtype).max - GRAY.astype(dtype)).all()
    assert (read_label(path) == GRAY).all()


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_one_bit_is_black_or_white(tmp_path, photometric):
    """Protects bilevel images, and ids of one bit."""
    bits = GRAY > 99
    path = write(tmp_path / "a.tif", bits, photometric=photometric)
    assert (read_image(path, 1)[..., 0] == np.where(bits == (photometric == "minisblack"), 255, 0)).all()
    assert (read_label(path) == bits).all()


def test_palettes_give_colors_to_images_and_indices_to_labels(tmp_path):
    """Protects labels that a program painted."""
    colors = rng.integers(0, 256, (3, 256)).astype(np.uint16)
    path = write(tmp_path / "a.tif", GRAY, photometric="palette", colormap=colors * 257)
    assert (read_image(path) == colors.T[GRAY]).all()
    assert (read_label(path) == GRAY).all()


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate", None])
@pytest.mark.parametrize("mode", ["L", "RGB", "1", "I;16"])
def test_what_other_programs_compress_is_read(tmp_path, compression, mode):
    """Protects Pillow's files, LZW among them, which OpenCV reads where tifffile cannot."""
    array = {"L": GRAY, "RGB": RGB, "1": GRAY > 99, "I;16": GRAY.astype(np.uint16) * 200}[mode]
    Image.fromarray(array).save(tmp_path / "a.tif", compression=compression)
    image = read_image(tmp_path / "a.tif", 3 if mode == "RGB" else 1)
    wanted = array * np.uint8(255) if mode == "1" else array
    assert image.dtype == wanted.dtype
    assert (image.squeeze() == wanted).all()
    if mode != "RGB":
        assert (read_stored_label(tmp_path / "a.tif") == array).all()


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "RGB"])
def test_colors_of_other_kinds_become_rgb(tmp_path, mode):
    """Protects what viewers and PaddleSeg make of inks and of JPEG in a TIFF."""
    smooth = cv2.resize(RGB, (64, 48), interpolation=cv2.INTER_CUBIC)
    picture = Image.fromarray(smooth)
    options = {"compression": "jpeg", "quality": 100} if mode == "RGB" else {}
    picture.convert(mode).save(tmp_path / "a.tif", **options)
    assert abs(read_image(tmp_path / "a.tif").astype(int) - smooth).mean() < 3


@without_codecs
def test_bands_that_nothing_here_reads_are_said(tmp_path):
    """Protects from OpenCV's guess at several bands."""
    Image.fromarray(BANDS[..., :4], "RGBA").save(tmp_path / "a.tif", compression="tiff_lzw")
    words = r"a\.tif: a TIFF of 4 band\(s\) of 8 bits, compressed by LZW.*imagecodecs.*\.npy"
    for read in (read_image, read_label):
        with pytest.raises(UserError, match=words):
            read(tmp_path / "a.tif")


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "uint32", "float32", "float64", "complex64"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_types_that_no_network_takes_are_named(tmp_path, dtype, channels):
    """Protects the images behind one of elevations or reflectances."""
    array = BANDS[..., :channels].squeeze().astype(dtype)
    path = write(tmp_path / "a.tif", array, **({"planarconfig": "contig"} if channels > 1 else {}))
    for wanted in (1, 3, 4):
        with pytest.raises(UserError, match=rf"a\.tif: .*{dtype}.*\.npy"):
            read_image(path, wanted)


def test_labels_may_have_any_whole_numbers(tmp_path):
    """Protects labels of 16 and 32 bits, signed ones too, if all ids fit."""
    for dtype in (np.int16, np.int32, np.uint32):
        assert (read_label(write(tmp_path / "a.tif", GRAY.astype(dtype))) == GRAY).all()
    with pytest.raises(UserError, match=r"a\.tif: ids from -1"):
        read_label(write(tmp_path / "a.tif", GRAY.astype(np.int16) - GRAY.min() - 1))
    with pytest.raises(UserError, match=r"a\.tif.*one class id"):
        read_label(write(tmp_path / "a.tif", RGB, photometric="rgb"))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_a_turned_file_is_turned(tmp_path, orientation, compression):
    """Protects the one rule of orientation; where only OpenCV decodes, which turns too, it is refused."""
    Image.fromarray(RGB).save(tmp_path / "a.tif", compression=compression, tiffinfo={274: orientation})
    assert read_orientation(tmp_path / "a.tif") == orientation
    if compression and orientation > 1 and not has_codecs:
        with pytest.raises(UserError, match="LZW"):
            read_image(tmp_path / "a.tif")
        return
    assert (read_image(tmp_path / "a.tif") == oriented(RGB, orientation)).all()
    write(tmp_path / "b.tif", GRAY, extratags=[(274, 3, 1, orientation, True)])
    assert (read_label(tmp_path / "b.tif") == oriented(GRAY, orientation)).all()


def test_several_pages_are_not_taken_for_one_image(tmp_path):
    """Protects stacks whose bands are pages; overviews and masks are no bands."""
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for index in range(4):
            file.write(BANDS[..., index], photometric="minisblack", metadata=None)
    with pytest.raises(UserError, match=r"a\.tif: a TIFF of 4 pages of 31x20 pixels.*\.npy"):
        read_image(tmp_path / "a.tif")
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(RGB, photometric="rgb", metadata=None)
        file.write(RGB[::2, ::2], photometric="rgb", subfiletype=1, metadata=None)
        file.write(GRAY > 9, photometric="minisblack", subfiletype=4, metadata=None)
    assert (read_image(tmp_path / "a.tif") == RGB).all()


@pytest.mark.parametrize("layout", ["plain", "deflate", "tiles", "planes", "lzw", "packbits"])
def test_cut_files_are_never_read(tmp_path, layout):
    """Protects from pieces, and from tags, that a decoder replaces by zeros or defaults."""
    path = tmp_path / "a.tif"
    if layout in ("lzw", "packbits"):
        Image.fromarray(RGB).save(path, compression="tiff_lzw" if layout == "lzw" else layout)
    else:
        write(path, RGB, photometric="rgb", **LAYOUTS[layout])
    data = path.read_bytes()
    for length in [*range(0, len(data), 37), *range(len(data) - 20, len(data))]:
        path.write_bytes(data[:length])
        for read in (read_image, read_label):
            with pytest.raises(UserError, match=r"a\.tif"):
                read(path)


def test_damaged_files_end_in_pixels_or_one_sentence(tmp_path):
    """Protects from a trace of the reader's: its exceptions are of all kinds."""
    random = np.random.default_rng(7)
    for layout in ("deflate", "tiles", "planes"):
        data = write(tmp_path / "a.tif", RGB, photometric="rgb", **LAYOUTS[layout]).read_bytes()
        for _ in range(60):
            damaged = bytearray(data)
            for place in random.integers(0, 400, 3):
                damaged[place] = random.integers(256)
            (tmp_path / "b.tif").write_bytes(damaged)
            with contextlib.suppress(UserError):
                assert read_image(tmp_path / "b.tif").shape[2] == 3
            assert read_orientation(tmp_path / "b.tif") in range(1, 9)


def test_without_tifffile_the_remedy_is_said(tmp_path, monkeypatch):
    """Protects an environment that was made before it was needed."""
    path = write(tmp_path / "a.tif", RGB, photometric="rgb")

    def fail(*names, install):
        raise UserError(install)

    monkeypatch.setattr(tiff, "require_modules", fail)
    with pytest.raises(UserError, match=r"a\.tif: .*pip install tifffile"):
        read_image(path)
    assert read_orientation(path) == 1


def test_pixels_are_those_of_opencv_where_that_is_right(tmp_path):
    """Protects usual files from a change: gray and RGB, 8 and 16 bits."""
    for array in (GRAY, RGB, GRAY.astype(np.uint16) * 257, RGB.astype(np.uint16) * 257):
        file = io.BytesIO()
        tifffile.imwrite(file, array, photometric="rgb" if array.ndim == 3 else "minisblack")
        (tmp_path / "a.tif").write_bytes(file.getvalue())
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
        theirs = cv2.imdecode(np.frombuffer(file.getvalue(), np.uint8), flags)
        assert (read_image(tmp_path / "a.tif") == theirs[..., ::-1]).all()


@without_codecs
@pytest.mark.parametrize(("compression", "pack"), [(8, zlib.compress), (34925, lzma.compress)])
def test_a_small_file_cannot_ask_for_much_memory(tmp_path, compression, pack):
    """Protects from 10x10 pixels whose piece holds a gigabyte, here 80 MB; not from large images."""
    piece = pack(bytes(80 << 20))
    path = tmp_path / "bomb.tif"
    values = (10, 10, 8, compression, 1, 200, 1, 10, len(piece))
    tags = zip((256, 257, 258, 259, 262, 273, 277, 278, 279), values)
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    header = b"II*\0" + struct.pack("<IH", 8, 9) + entries + bytes(4)
    path.write_bytes(header.ljust(200, b"\0") + piece)
    with pytest.raises(UserError, match="hold far more than its pixels"):
        read_image(path, 1)
    large = np.zeros((9000, 9000), np.uint8)
    assert (read_image(write(path, large, compression=compression, rowsperstrip=9000), 1) == 0).all()
