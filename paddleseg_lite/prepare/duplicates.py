"""Images on both sides of a split that look the same, by a perceptual hash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from paddleseg_lite.errors import missing_modules
from paddleseg_lite.visualize import to_rgb

# Of 64 bits. Among CamVid's 468 frames, of different streets no two differ in fewer than 10; the same frame
# saved as JPEG of quality 50 at half the size differs in 2 at most, and made brighter by a fifth in 8.
MOST_BITS = 8
_SIDE = 256  # pixels that a hash is made of: it keeps the coarsest waves alone


def has_hash() -> bool:
    """Return whether the library is installed."""
    return not missing_modules("imagehash")


def perceptual_hash(image: np.ndarray) -> bytes | None:
    """Return 8 bytes that images that look alike have nearly in common; None without the library.

    Args:
        image: uint8 or uint16 [H, W, C].
    """
    if not has_hash():
        return None
    import imagehash
    from PIL import Image

    small = cv2.resize(to_rgb(image), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return np.packbits(imagehash.phash(Image.fromarray(small)).hash).tobytes()


def near_duplicates(
    hashes: Mapping[str, bytes | None], train: Sequence[str], val: Sequence[str]
) -> list[tuple[str, str, int]]:
    """Return (image of `val`, the one of `train` most like it, bits that differ), the most alike first."""
    known = [name for name in train if hashes[name] is not None]
    if not known:
        return []
    table = np.frombuffer(b"".join(hashes[name] or b"" for name in known), np.uint8).reshape(-1, 8)
    found = []
    for name in val:
        own = hashes[name]
        if own is not None:
            bits = np.unpackbits(table ^ np.frombuffer(own, np.uint8), axis=1).sum(axis=1)
            best = int(bits.argmin())
            if bits[best] <= MOST_BITS and known[best] != name:
                found.append((name, known[best], int(bits[best])))
    return sorted(found, key=lambda pair: (pair[2], pair[0]))
