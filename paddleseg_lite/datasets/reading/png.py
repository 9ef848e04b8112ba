"""PNG files as bytes: a decoder faster than OpenCV's, where pyspng is installed; palettes; writing."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from paddleseg_lite.errors import UserError, missing_modules

TOO_LARGE = "it takes more memory than there is; cut it into tiles"
SIGNATURE = b"\x89PNG\r\n\x1a\n"
GRAY, RGB, PALETTE, GRAY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6  # color types
SUB = 1  # the filter that leaves each value's difference from the pixel to the left
HEIGHT = slice(20, 24)  # where a file has it
# Depth 8, RGB, and the only compression, filter and interlacing methods of plain files.
PLAIN_RGB = bytes((8, 2, 0, 0, 0))
# Chunks that change no pixel for cv2 either. Transparency, orientation or animation are left to cv2.
PNG_END = b"IEND\xaeB`\x82"  # the last bytes of a whole file
HARMLESS = (b"IHDR", b"IDAT", b"IEND", b"pHYs", b"tEXt", b"zTXt", b"iTXt", b"tIME", b"sRGB", b"gAMA", b"cHRM")


class RgbPng:
    """A PNG file that is decoded when it is indexed, from the first row to the last one asked for.

    Attributes:
        shape: (height, width, 3).
        dtype: uint8.
        ndim: 3.
    """

    def __init__(self, path: str, data: bytes, decode: Any) -> None:
        self.shape = (int.from_bytes(data[HEIGHT], "big"), int.from_bytes(data[16:20], "big"), 3)
        self.dtype, self.ndim = np.dtype(np.uint8), 3
        self._path, self._data, self._decode = path, data, decode

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> np.ndarray:
        """Return RGB pixels, as of an array [H, W, 3].

        Raises:
            UserError: the file is damaged in spite of its checksums, or there is no memory for it.
        """
        rows = key[0] if isinstance(key, tuple) else key
        wanted = len(self)
        # Of fewer rows, negative positions and masks would mean other ones.
        if isinstance(rows, slice) and min(rows.start or 0, rows.stop or 0, rows.step or 1) >= 0:
            wanted = max(1, rows.indices(wanted)[1])
        # A decoder that believes the image to be lower stops there.
        data = self._data[: HEIGHT.start] + wanted.to_bytes(4, "big") + self._data[HEIGHT.stop :]
        try:
            pixels = self._decode(data)
        except (RuntimeError, MemoryError) as error:
            raise UserError(
                f"cannot read {self._path}: it is damaged, or takes more memory than there is ({error}); "
                "replace the file, cut it into tiles, or take it off the list"
            ) from error
        if pixels.shape != (wanted, *self.shape[1:]):
            raise UserError(
                f"cannot read {self._path}: it has shape {self.shape}, but pyspng makes {pixels.shape} of "
                "it; convert the file"
            )
        return pixels[key]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return all of it."""
        return self[:].astype(dtype or self.dtype, copy=False)


def open_rgb(path: str, data: bytes) -> RgbPng | None:
    """Return a PNG file of 8-bit RGB as what can be indexed; its pixels are exactly those of cv2.

    pyspng needs less time than cv2 and looks at no checksum, so they are verified here.

    Returns:
        None for anything but a whole file of this kind, or without pyspng: cv2 shall judge it.
    """
    if data[:8] != SIGNATURE or data[24:29] != PLAIN_RGB or not _is_whole(data):
        return None
    if 0 in struct.unpack(">II", data[16:24]) or missing_modules("pyspng"):
        return None
    import pyspng

    return RgbPng(path, data, pyspng.load)


def _is_whole(data: bytes) -> bool:
    """Whether all chunks are harmless and have the right checksum, and the last one is the end."""
    for name, piece in chunks(data):
        length, stored = int.from_bytes(piece[:4], "big"), int.from_bytes(piece[-4:], "big")
        if name not in HARMLESS or len(piece) != length + 12 or zlib.crc32(piece[4:-4]) != stored:
            return False
        if name == b"IEND":
            return True
    return False


def ids_as_gray(data: bytes) -> tuple[bytes, int]:
    """Return a PNG whose palette indices (or ids below 8 bits) cv2 will decode as gray, and its largest id.

    cv2 has no way to ask for the indices of a palette image; declared gray, they are what it decodes. Any
    other bytes come back as they are, with 255.
    """
    if data[:8] != SIGNATURE or len(data) <= 33:
        return data, 255
    width, height, depth, kind, *rest = struct.unpack(">IIBBBBB", data[16:29])
    if kind not in (GRAY, PALETTE) or depth > 8:
        return data, 255
    if kind == PALETTE:
        header = struct.pack(">IIBBBBB", width, height, depth, GRAY, *rest)
        kept = [piece for name, piece in chunks(data) if name in (b"IDAT", b"IEND")]
        data = SIGNATURE + chunk(b"IHDR", header) + b"".join(kept)
    return data, 2**depth - 1


def encode_png(picture: np.ndarray) -> bytes:
    """Return the bytes of a PNG, uint8 [H, W] or RGB [H, W, 3]."""
    if missing_modules("isal") or picture.dtype != np.uint8 or picture.shape[2:] != (3,):
        return cv2.imencode(".png", picture if picture.ndim == 2 else picture[:, :, ::-1])[1].tobytes()
    from isal import isal_zlib  # compresses a photograph in a quarter of OpenCV's time

    height, width, _ = picture.shape
    rows = np.ascontiguousarray(picture).reshape(height, -1)
    filtered = np.empty((height, 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = SUB
    filtered[:, 1:4] = rows[:, :3]
    np.subtract(rows[:, 3:], rows[:, :-3], out=filtered[:, 4:])
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, RGB, 0, 0, 0),
        b"IDAT": isal_zlib.compress(filtered, 1),
        b"IEND": b"",
    }
    return SIGNATURE + b"".join(chunk(name, content) for name, content in parts.items())


def with_palette(png: bytes, palette: np.ndarray) -> bytes:
    """Return a gray 8-bit PNG as a palette PNG: the same pixels, painted.

    Args:
        png: as cv2 encodes uint8 [H, W].
        palette: uint8 [K, 3], RGB; ids beyond it are black.
    """
    colors = np.zeros((256, 3), np.uint8)
    colors[: len(palette)] = palette
    width, height, depth, _, *rest = struct.unpack(">IIBBBBB", png[16:29])
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, PALETTE, *rest))
    return SIGNATURE + header + chunk(b"PLTE", colors.tobytes()) + png[33:]


def png_palette(data: bytes) -> np.ndarray | None:
    """Return the colors of a palette PNG, [N, 3] uint8 RGB; None if the bytes are anything else."""
    if data[:8] != SIGNATURE or len(data) <= 33 or data[25] != PALETTE:
        return None
    colors = next((bytes(piece[8:-4]) for name, piece in chunks(data) if name == b"PLTE"), b"")
    return np.frombuffer(colors, np.uint8, len(colors) // 3 * 3).reshape(-1, 3)


def chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Yield name and bytes (length, name, content, checksum) of every chunk, as far as they are there."""
    view, position = memoryview(data), len(SIGNATURE)
    while position + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        yield name, view[position : position + length + 12]
        position += length + 12


def chunk(name: bytes, content: bytes) -> bytes:
    """Return a whole chunk."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
