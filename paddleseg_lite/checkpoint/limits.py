"""How large weights may be, so that a small file cannot ask for the whole disk or memory."""

from __future__ import annotations

import os

from paddleseg_lite.errors import UserError

MAX_BYTES = "PADDLESEG_LITE_MAX_BYTES"
_DEFAULT = 4 << 30  # the largest networks of PaddleSeg have half of that, optimizer state included
_MAX_GROWTH = 20  # times an archive's size: numbers that were trained are hardly compressible
_SMALL = 64 << 20  # bytes that any archive may unpack to


def max_bytes() -> int:
    """Return how many bytes a weights file or a download may have: 4 GiB.

    $PADDLESEG_LITE_MAX_BYTES says otherwise.

    Raises:
        UserError: it is no number of bytes.
    """
    text = os.environ.get(MAX_BYTES) or str(_DEFAULT)
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise UserError(f"{MAX_BYTES} is '{text}'; give a number of bytes, such as {_DEFAULT}")
    return int(text)


def max_unpacked(size: int) -> int:
    """Return how many bytes an archive of that size may unpack to: 64 MB, or 20 times its size, up to 4 GiB.

    $PADDLESEG_LITE_MAX_BYTES says otherwise.

    Raises:
        UserError: it is no number of bytes.
    """
    allowed = max_bytes()
    return allowed if os.environ.get(MAX_BYTES) else min(allowed, max(_SMALL, _MAX_GROWTH * size))
