"""How large weights may be, so that a small file cannot ask for the whole disk or memory."""

from __future__ import annotations

import os

from paddleseg_lite.errors import UserError

MAX_BYTES = "PADDLESEG_LITE_MAX_BYTES"
_DEFAULT = 4 << 30  # the largest networks of PaddleSeg have half of that, optimizer state included


def max_bytes() -> int:
    """Return how many bytes a weights file, a download or an unpacked archive may have: 4 GiB.

    $PADDLESEG_LITE_MAX_BYTES says otherwise.

    Raises:
        UserError: it is no number of bytes.
    """
    text = os.environ.get(MAX_BYTES) or str(_DEFAULT)
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise UserError(f"{MAX_BYTES} is '{text}'; give a number of bytes, such as {_DEFAULT}")
    return int(text)
