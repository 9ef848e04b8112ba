"""The k-th smallest of probabilities: on a CPU by NumPy, on a device by histograms that never wait for it."""

from __future__ import annotations

import numpy as np
import paddle
from paddle import Tensor

from paddleseg_lite.kernels.memory import as_array, computes_here

_BINS = 256  # each 512 values that a GPU's block counts cost it one addition for each bin
_UNITS = 2.0**24  # to 1: all float32 values from 0.5 to 1 are multiples of 1 / _UNITS
_WIDTHS = (2.0**16, 2.0**8, 1.0, 2.0**-8)  # of a bin at each level, in units


def kth_smallest(values: Tensor, k: int) -> Tensor:
    """Return the k-th smallest (from 1) of a vector of float32 values, a scalar tensor on its device.

    On a CPU of any values: 2 ms for a million with NumPy, 19 ms with paddle.kthvalue or topk, 130 ms with a
    sort. On a device of values in [0, 1], see `kth_by_histograms`.
    """
    if computes_here(values):
        return paddle.to_tensor(np.partition(as_array(values), k - 1)[k - 1])
    return kth_by_histograms(values, k)


def kth_by_histograms(values: Tensor, k: int) -> Tensor:
    """Return the k-th smallest (from 1) of float32 values in [0, 1], [n], as a scalar tensor.

    Four histograms: the first says in which of 256 bins it lies, each other cuts that bin into 256. So it is
    rounded down to a multiple of 2^-32. From 2^-8 on every float32 is one: there it is exact, ties included.
    Larger values and NaN are not counted; if fewer than k are, the result is 1 or more.

    On a GPU, paddle.kthvalue and topk read the vector up to 17 times in a single block, by a hundredth of the
    GPU. A sort moves 116 bytes for each value and makes the host wait, and so does bincount. This moves 72
    bytes, by the whole GPU, and nothing waits. docs/gpu.md has the count.
    """
    rest = values * _UNITS
    start, rank = paddle.zeros([]), paddle.full([], k, "int64")
    for width in _WIDTHS:
        counts = paddle.histogram(rest, _BINS, 0, int(_BINS * width))
        # Not cumsum: that of a vector makes the host wait, up to Paddle 2.6.
        below = paddle.tril(counts.expand([_BINS, _BINS])).sum(axis=1) < rank
        rank = rank - (counts * below.astype("int64")).sum()
        offset = below.astype("float32").sum() * width
        # Exact for what lies in the bin; what does not stays outside of it.
        rest, start = rest - offset, start + offset
    return start / _UNITS
