"""TIFF files: pixels as they are stored, of all bands, by tifffile; by OpenCV only where it is right."""

from __future__ import annotations

import io
import logging
import lzma
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from paddleseg_lite.datasets.reading.header import ORIENTATION, oriented
from paddleseg_lite.datasets.reading.png import TOO_LARGE
from paddleseg_lite.errors import UserError, missing_modules, require_modules

_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE = range(4)  # photometric interpretations
_CONVERTED = {5: "CMYK", 6: "YCbCr", 8: "CIELab"}  # made RGB by every viewer
_ALPHA = ((1,), (2,))
_INTERLEAVED, _NO_COMPRESSION, _REDUCED, _MASK = 1, 1, 1, 4
_LAST_TAG = 347  # of those that pixels depend on: JPEGTables
# What tifffile alone unpacks to whatever a piece holds, however few pixels that is to be.
_UNBOUNDED: dict[int, Any] = {8: zlib.decompressobj, 32946: zlib.decompressobj, 34925: lzma.LZMADecompressor}
_MAX_GROWTH = 8192  # times a piece, by LZMA; zlib's is an eighth of it
_HARMLESS = 64 << 20  # bytes that a piece may take beyond its pixels
_REMEDY = "convert the file, for example to .npy of [H, W, C]"


def is_tiff(data: bytes) -> bool:
    """Whether the bytes of a file begin as those of a TIFF."""
    return data[:4] in _SIGNATURES


def read_tiff_image(path: str | Path, data: bytes, channels: int) -> np.ndarray:
    """Read an image: all of its bands, in the file's order, or what a network of three channels takes of it.

    Three channels are made of a gray file by repeating it, and of RGB with more bands by leaving those out.

    Returns:
        [H, W, C] of any type, turned as the file says; C is not `channels` where the file has other bands.

    Raises:
        UserError: the file is damaged, or nothing here reads it rightly.
    """
    pixels, page = _read(path, data)
    photometric, bits = int(page.photometric), int(page.bitspersample)
    if photometric == _PALETTE:
        colors = np.asarray(page.colormap)
        if colors.shape != (3, 2**bits) or pixels.dtype.kind not in "bu":
            raise UserError(
                f"cannot read {path}: a damaged TIFF, without the palette that it needs; {_REMEDY}"
            )
        colors = colors if colors.max() < 256 else colors >> 8  # 16 bits, unless an old program wrote it
        pixels = colors.astype(np.uint8)[:, pixels[..., 0].astype(np.intp)].transpose(1, 2, 0)
    elif bits < 8:
        pixels = pixels.astype(np.uint8) * np.uint8(255 // (2**bits - 1))
    if photometric == _WHITE_IS_ZERO and pixels.dtype.kind == "u":
        pixels = np.iinfo(pixels.dtype).max - pixels
    count = pixels.shape[2]
    is_gray = photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO)
    if channels == 3 and count > 3 and photometric == _RGB:
        pixels = pixels[..., :3]
    elif channels == 3 and is_gray and (count == 1 or (count == 2 and tuple(page.extrasamples) in _ALPHA)):
        pixels = pixels[..., [0, 0, 0]]
    return np.ascontiguousarray(pixels)


def read_tiff_label(path: str | Path, data: bytes) -> np.ndarray:
    """Read a label: values as they are stored, palettes' indices, [H, W], or [H, W, C] in cv2's order.

    Raises:
        UserError: as `read_tiff_image`.
    """
    pixels, _ = _read(path, data)
    if pixels.shape[2] == 1:
        return pixels[..., 0]
    return np.ascontiguousarray(pixels[..., [2, 1, 0, *range(3, pixels.shape[2])]])


def tiff_orientation(data: bytes) -> int:
    """Return EXIF's 1 to 8; 1 too if the file cannot be read."""
    try:
        return _orientation(_tifffile().TiffFile(io.BytesIO(data)).pages[0])
    except Exception:  # whatever a damaged file leads to: reading it names it
        return 1


def _read(path: str | Path, data: bytes) -> tuple[np.ndarray, Any]:
    """Return the only page's pixels, [H, W, samples], upright, and the page itself."""
    try:
        with _tifffile().TiffFile(io.BytesIO(data)) as file:
            page = file.pages[0]
            alike = sum(_is_alike(other, page) for other in file.pages)
            is_whole = _has_its_tags(file.tiff, page, data) and _is_whole(page, len(data))
            stored = _stored(page, data) if is_whole and alike == 1 else None
    except UserError as error:
        raise UserError(f"cannot read {path}: {error}; {_REMEDY}") from error
    except MemoryError as error:
        raise UserError(f"cannot read {path}: {TOO_LARGE}") from error
    except Exception as error:  # tifffile says in many ways that a file is damaged
        raise UserError(
            f"cannot read {path}: a damaged TIFF, or of a kind that nothing here reads; replace the file, "
            f"take it off the list, or {_REMEDY}"
        ) from error
    if not is_whole:
        raise UserError(
            f"cannot read {path}: {len(data)} bytes that are no complete TIFF; replace the file or take it "
            "off the list"
        )
    if stored is None:
        raise UserError(
            f"cannot read {path}: a TIFF of {alike} pages of {page.imagewidth}x{page.imagelength} pixels "
            "(width x height), where one image is expected; make one image of its pages, for example .npy of "
            "[H, W, C]"
        )
    return oriented(stored, _orientation(page)), page


def _is_alike(page: Any, first: Any) -> bool:
    """Whether a page is the first one or another image as large; small copies and masks are not."""
    size, first_size = ((p.imagelength, p.imagewidth) for p in (page, first))
    return page is first or (size == first_size and not int(page.subfiletype) & (_REDUCED | _MASK))


def _has_its_tags(form: Any, page: Any, data: bytes) -> bool:
    """Whether tifffile has all tags that pixels depend on; it leaves those out whose values are cut off."""
    (count,) = struct.unpack_from(form.tagnoformat, data, page.offset)
    start = page.offset + form.tagnosize
    places = range(start, start + count * form.tagsize, form.tagsize)
    codes = [struct.unpack_from(f"{form.byteorder}H", data, place)[0] for place in places]
    return all(code in page.tags for code in codes if code <= _LAST_TAG)


def _is_whole(page: Any, size: int) -> bool:
    """Whether all pieces of a page are in the file; tifffile and libtiff may fill those that are not."""
    pieces = list(zip(page.dataoffsets, page.databytecounts))
    return len(pieces) >= math.prod(page.chunked) and all(
        count > 0 and 0 < start <= size - count for start, count in pieces
    )


def _stored(page: Any, data: bytes) -> np.ndarray:
    """Return the pixels of a page, [H, W, samples], as they are in the file.

    Raises:
        UserError: no decoder here is right for it; the message says what it is.
    """
    shape = (page.imagelength, page.imagewidth, page.samplesperpixel)
    layout = _layout(page)
    if isinstance(page.bitspersample, tuple) or page.bitspersample not in (1, 2, 4, 8, 16, 32, 64):
        raise UserError(f"{layout}, bits that nothing here reads")
    converted = _CONVERTED.get(int(page.photometric))
    if converted and (page.bitspersample != 8 or page.planarconfig != _INTERLEAVED):
        raise UserError(f"{layout} in {converted}, which nothing here reads")
    if _grows_too_far(page, data):
        raise UserError(f"{layout} that hold far more than its pixels")
    try:
        pixels = _by_opencv(page, data, layout) if converted else page.asarray(maxworkers=1)
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        pixels = _by_opencv(page, data, layout)
    if page.planarconfig != _INTERLEAVED and page.samplesperpixel > 1:
        pixels = pixels.reshape(shape[2], *shape[:2]).transpose(1, 2, 0)
    pixels = pixels.reshape((*shape[:2], 3) if converted else shape)
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


def _grows_too_far(page: Any, data: bytes) -> bool:
    """Whether a small piece of a file would be unpacked to far more than the pixels that it is for."""
    unpacker = _UNBOUNDED.get(int(page.compression))
    if unpacker is None or not missing_modules("imagecodecs"):  # which unpacks no more than is asked for
        return False
    allowed = math.prod(page.chunks) * page.dtype.itemsize + _HARMLESS
    pieces = zip(page.dataoffsets, page.databytecounts)
    # Few pieces need to be unpacked for this: as a rule they are too short to hold so much.
    return any(
        count * _MAX_GROWTH > allowed
        and len(unpacker().decompress(data[start : start + count], allowed + 1)) > allowed
        for start, count in pieces
    )


def _by_opencv(page: Any, data: bytes, layout: str) -> np.ndarray:
    """Decode what tifffile alone does not, if OpenCV is known to give the pixels of such a file unchanged."""
    converted = int(page.photometric) in _CONVERTED
    is_plain = (
        (page.samplesperpixel, int(page.photometric)) in ((1, _WHITE_IS_ZERO), (1, _BLACK_IS_ZERO), (3, _RGB))
        and (page.planarconfig == _INTERLEAVED or page.samplesperpixel == 1)
        and page.bitspersample in (1, 8, 16)
    )
    if not (is_plain or converted) or _orientation(page) != 1:
        raise UserError(
            f"{layout}, which is read where imagecodecs is installed: pip install imagecodecs, or"
        )
    flags = cv2.IMREAD_COLOR if converted else cv2.IMREAD_UNCHANGED
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise ValueError("its compressed data is wrong")
    if pixels.ndim == 3:
        pixels = pixels[..., ::-1]
    wanted = (page.imagelength, page.imagewidth, *(() if page.samplesperpixel == 1 else (3,)))
    if pixels.shape != wanted or (page.bitspersample > 1 and pixels.dtype != page.dtype):
        raise UserError(f"{layout}, of which OpenCV makes {pixels.shape} of type {pixels.dtype}")
    if int(page.photometric) == _WHITE_IS_ZERO and page.bitspersample <= 8:
        pixels = 255 - pixels  # OpenCV has inverted it
    return pixels > 0 if page.bitspersample == 1 else pixels


def _orientation(page: Any) -> int:
    value = page.tags.valueof(ORIENTATION, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _layout(page: Any) -> str:
    """Return what a message calls the file: bands, type, compression."""
    compression = getattr(page.compression, "name", page.compression)
    how = "" if int(page.compression) == _NO_COMPRESSION else f", compressed by {compression}"
    return f"a TIFF of {page.samplesperpixel} band(s) of {page.bitspersample} bits{how}"


def _tifffile() -> Any:
    require_modules("tifffile", install="pip install tifffile")
    import tifffile

    # What it says of a damaged file is said here, in one sentence that names the file.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    return tifffile
