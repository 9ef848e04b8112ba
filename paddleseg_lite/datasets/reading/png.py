"""A faster way to the pixels of the commonest PNG, 8-bit RGB, where pyspng is installed."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from paddleseg_lite.errors import UserError, missing_modules

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEIGHT = slice(20, 24)  # where a file has it
# Depth 8, RGB, and the only compression, filter and interlacing methods of plain files.
PLAIN_RGB = bytes((8, 2, 0, 0, 0))
# Chunks that change no pixel for cv2 either. Transparency, orientation or animation are left to cv2.
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
            UserError: the file is damaged in spite of its checksums.
        """
        rows = key[0] if isinstance(key, tuple) else key
        wanted = len(self)
        # Of fewer rows, negative positions and masks would mean other ones.
        if isinstance(rows, slice) and min(rows.start or 0, rows.stop or 0, rows.step or 1) >= 0:
            wanted = max(1, rows.indices(wanted)[1])
        # A decoder that believes the image to be lower stops there.
        data = self._data[: HEIGHT.start] + wanted.to_bytes(4, "big") + self._data[HEIGHT.stop :]
        try:
            return self._decode(data)[key]
        except RuntimeError as error:
            raise UserError(
                f"cannot read {self._path}: {error}; replace the file or take it off the list"
            ) from error

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return all of it."""
        return self[:].astype(dtype or self.dtype, copy=False)


def open_rgb(path: str, data: bytes) -> RgbPng | None:
    """Return a PNG file of 8-bit RGB as what can be indexed; its pixels are exactly those of cv2.

    pyspng needs less time than cv2 and looks at no checksum, so they are verified here.

    Args:
        path: the file, for messages.
        data: what it holds.

    Returns:
        None for anything but a whole file of this kind, or without pyspng: cv2 shall judge it.
    """
    if data[:8] != SIGNATURE or data[24:29] != PLAIN_RGB or not _is_whole(data):
        return None
    if missing_modules("pyspng"):
        return None
    import pyspng

    return RgbPng(path, data, pyspng.load)


def _is_whole(data: bytes) -> bool:
    """Whether all chunks are harmless and have the right checksum, and the last one is the end."""
    view = memoryview(data)
    position, name = len(SIGNATURE), b""
    while name != b"IEND":
        name = data[position + 4 : position + 8]
        end = position + 8 + int.from_bytes(data[position : position + 4], "big")
        stored = int.from_bytes(data[end : end + 4], "big")
        if name not in HARMLESS or end + 4 > len(data) or zlib.crc32(view[position + 4 : end]) != stored:
            return False
        position = end + 4
    return True
