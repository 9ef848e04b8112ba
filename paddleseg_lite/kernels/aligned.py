"""Arrays whose memory a tensor can have; without Paddle, for processes that only read data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

_ALIGNMENT = 64  # bytes


def empty(shape: Sequence[int], dtype: Any) -> np.ndarray:
    """Return an array that starts where a tensor of Paddle's would start, at a multiple of 64 bytes.

    Paddle's sums depend on it in their last bits: with NumPy's own arrays, at multiples of 16 bytes, the same
    training would not give the same weights twice.
    """
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


def copy(array: np.ndarray) -> np.ndarray:
    """Return a copy in an array made by `empty`."""
    result = empty(array.shape, array.dtype)
    result[...] = array
    return result


def aligned(array: np.ndarray) -> np.ndarray:
    """Return the array itself if it starts as one made by `empty` does, else a copy that does."""
    return copy(array) if array.ctypes.data % _ALIGNMENT else array
