"""A data set packed into memory-mapped shards: no decoding, and only the rows that are needed are read."""

from paddleseg_lite.datasets.packed.reader import Pack, PackedArray
from paddleseg_lite.datasets.packed.writer import Packed, pack

__all__ = ["Pack", "Packed", "PackedArray", "pack"]
