"""What an image file says of itself, to be compared with what a decoder makes of it."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from paddleseg_lite.datasets.reading import png

ORIENTATION = 274  # the tag of EXIF and TIFF
TURNS = (5, 6, 7, 8)  # orientations that exchange width and height
_EXIF = b"Exif\0\0"
_STANDALONE = (0x01, *range(0xD0, 0xD9))  # markers of JPEG that have no length
_START_OF_SCAN, _END = 0xDA, b"\xff\xd9"
_NO_FRAME = (0xC4, 0xC8, 0xCC)  # among 0xC0 to 0xCF
_SAMPLES_OF_PNG = {png.GRAY: 1, png.RGB: 3, png.PALETTE: 3, png.GRAY_ALPHA: 2, png.RGB_ALPHA: 4}
# Of other formats, those whose modes in Pillow tell what is in the file.
_SAMPLES_OF_MODE = {(kind, mode): len(mode) for kind in ("BMP", "WEBP") for mode in ("L", "RGB", "RGBA")}
_BY_PILLOW = ("BMP", "WEBP", "PPM", "GIF", "SUN", "AVIF")
_SIZES_OF_JPEG2000 = b"\xff\x4f\xff\x51"  # its codestream begins with them, behind boxes or not
_BRANDS_OF_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


@dataclass(frozen=True)
class Header:
    """What a file says of its image."""

    kind: str  # of file, such as "PNG"
    # height, width: of the pixels as they are stored, before they are turned
    height: int
    width: int
    # how many values a pixel has, as read: a palette's 3, or 4 with transparency; 0 if not known
    samples: int = 0
    bits: int = 0  # of a value; 0 if not known
    orientation: int = 1  # EXIF's 1 to 8; 1 is upright
    frames: int = 1  # of an animation


def read_header(data: bytes) -> Header | None:
    """Return what the bytes of an image file say; None if they are of no known format. TIFF has `tiff.py`."""
    if data[:2] == b"\xff\xd8":
        return _of_jpeg(data)
    if data[:8] == png.SIGNATURE:
        return _of_png(data)
    if data[4:8] == b"jP  " or data[:4] == _SIZES_OF_JPEG2000:
        return _of_jpeg2000(data)
    if data[4:8] == b"ftyp" and data[8:12] in _BRANDS_OF_HEIC and b"avif" not in data[12:64]:
        return Header("HEIC", 0, 0)  # whose size nobody needs: nothing here reads it
    return _by_pillow(data)


def oriented(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Return pixels [H, W] or [H, W, C] as they are meant to be seen, contiguous.

    Args:
        pixels: as they are stored.
        orientation: EXIF's: 2 and 4 are mirrored, 3 stands on its head, 5 to 8 lie on a side.
    """
    if orientation == 1:
        return pixels
    if orientation in TURNS:
        pixels = pixels.swapaxes(0, 1)
    rows = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return np.ascontiguousarray(pixels[rows, columns])


def is_cut_jpeg(data: bytes) -> bool:
    """Whether a JPEG lacks its end: some versions of cv2 fill the rest with gray and say nothing."""
    if data[:2] != b"\xff\xd8":
        return False
    # A thumbnail with an end marker of its own is inside of a segment; in what follows them, 0xFF is stuffed.
    # Before the scan libjpeg passes over stray bytes, and so does this: then no scan is found here.
    end = max((end for _, _, end in _jpeg_segments(data)), default=2)
    return not data.endswith(_END) and data.find(_END, end) < 0


def _of_jpeg(data: bytes) -> Header | None:
    orientation, frame = 0, b""
    for marker, start, end in _jpeg_segments(data):
        if marker == 0xE1 and not orientation and data[start : start + 6] == _EXIF:
            orientation = _exif_orientation(data[start + 6 : end])
        elif 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME and not frame:
            frame = data[start:end]
    if len(frame) < 6:
        return None
    bits, height, width, samples = struct.unpack(">BHHB", frame[:6])
    # Inks are converted to RGB by every decoder.
    return Header("JPEG", height, width, min(samples, 3), bits, orientation or 1)


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield marker, start and end of the content of each segment up to the first scan's."""
    position, marker = 2, 0
    while marker != _START_OF_SCAN and data[position : position + 1] == b"\xff":
        while data[position : position + 1] == b"\xff":  # any number of them may come before a marker
            position += 1
        marker = int.from_bytes(data[position : position + 1], "big")
        position += 1
        if marker in _STANDALONE:
            continue
        end = position + int.from_bytes(data[position : position + 2], "big")
        if not position + 2 <= end <= len(data):
            return
        yield marker, position + 2, end
        position = end


def _of_png(data: bytes) -> Header | None:
    if len(data) < 33 or data[12:16] != b"IHDR" or data[25] not in _SAMPLES_OF_PNG:
        return None
    width, height, bits, kind = struct.unpack(">IIBB", data[16:26])
    samples, orientation, frames = _SAMPLES_OF_PNG[kind], 1, 1
    for name, piece in png.chunks(data):
        if name == b"eXIf":
            orientation = _exif_orientation(bytes(piece[8:-4]))
        elif name == b"tRNS" and samples == 3:
            samples = 4
        elif name == b"acTL":
            frames = int.from_bytes(piece[8:12], "big")
    return Header("PNG", height, width, samples, bits, orientation, frames)


def _of_jpeg2000(data: bytes) -> Header | None:
    start = data.find(_SIZES_OF_JPEG2000)
    if start < 0 or len(data) < start + 43:
        return None
    right, bottom, left, top = struct.unpack_from(">4I", data, start + 8)
    samples, bits = struct.unpack_from(">HB", data, start + 40)
    if data.find(b"pclr", 0, start) >= 0:  # a palette, of whose colors it says nothing here
        samples = bits = 0
    return Header("JPEG2000", bottom - top, right - left, samples, (bits & 127) + 1 if bits else 0)


def _by_pillow(data: bytes) -> Header | None:
    from PIL import Image  # only where it is needed: it takes its time

    try:
        with Image.open(io.BytesIO(data), formats=_BY_PILLOW) as picture:
            exif = picture.info.get("exif") or b""
            samples = _SAMPLES_OF_MODE.get((picture.format, picture.mode), 0)
            return Header(
                picture.format or "",
                picture.height,
                picture.width,
                samples,
                8 if samples else 0,
                _exif_orientation(exif[6:] if exif[:6] == _EXIF else exif),
                getattr(picture, "n_frames", 1),
            )
    except Exception:  # whatever a damaged file leads to: it is the decoder that judges it
        return None


def _exif_orientation(exif: bytes) -> int:
    """Return the orientation in a block of EXIF, whose form is that of a TIFF file; 1 if there is none."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, start)
        for index in range(count):
            tag, kind = struct.unpack_from(f"{order}HH", exif, start + 2 + 12 * index)
            if tag == ORIENTATION:
                form = {3: "H", 4: "I"}.get(kind, "H")
                (value,) = struct.unpack_from(order + form, exif, start + 10 + 12 * index)
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1
