"""How batches get to a GPU, and whether it computes meanwhile."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import paddle

from paddleseg_lite.doctor.finding import Finding
from paddleseg_lite.kernels.upload import upload as upload_ahead

_SHAPE = (4, 3, 768, 1536)  # a batch of LPSNet, 57 MB
_REPEATS = 5
_SIDE, _PRODUCTS = 4096, 30  # of the matrices that keep the GPU busy, 10 ms of the fastest
_LONGER = 5  # than an upload, at least, the GPU is to be busy


def upload(folder: Path) -> Finding:
    """Time uploads from memory as it is, from pinned memory, and during a computation.

    The array is overwritten as soon as the upload is called: what arrives must be what it held.
    """
    batch = np.random.default_rng(0).standard_normal(_SHAPE, np.float32)
    plain = _seconds(lambda: paddle.to_tensor(batch))
    pinned = _seconds(lambda: upload_ahead(batch))
    matrix = paddle.ones([_SIDE, _SIDE]) / _SIDE

    def compute(products: int = _PRODUCTS) -> None:
        result = matrix
        for _ in range(products):
            result = result @ matrix

    rounds = math.ceil(_LONGER * pinned / _seconds(compute))
    busy = _seconds(lambda: compute(rounds * _PRODUCTS))
    reused = batch.copy()
    compute(rounds * _PRODUCTS)
    started = time.perf_counter()
    tensor = upload_ahead(reused)
    held_up = time.perf_counter() - started
    reused.fill(0)
    is_whole = bool(np.array_equal(tensor.numpy(), batch))
    gigabytes = batch.nbytes / 1e9
    speeds = f"{gigabytes / plain:.1f} GB/s, {gigabytes / pinned:.1f} from pinned memory"
    held = f"held up for {held_up * 1000:.0f} ms while {busy * 1000:.0f} ms are computed"
    seen = f"{speeds}; {held}; what arrives is {'whole' if is_whole else 'not what was sent'}"
    facts = {"upload_gb_s": round(gigabytes / plain, 2), "upload_pinned_gb_s": round(gigabytes / pinned, 2)}
    # To copy into pinned memory takes its time too.
    return Finding(is_whole and held_up < pinned + busy / 2, seen, facts)


def _seconds(work: Callable[[], object]) -> float:
    """Return the least time that work on the device takes."""
    found = []
    for _ in range(_REPEATS):
        paddle.device.synchronize()
        started = time.perf_counter()
        result = work()
        paddle.device.synchronize()
        found.append(time.perf_counter() - started)
        del result
    return min(found)
