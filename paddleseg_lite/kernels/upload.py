"""Arrays on their way to the device that Paddle computes on."""

from __future__ import annotations

import numpy as np
import paddle
from paddle import Tensor

from paddleseg_lite.kernels.aligned import aligned
from paddleseg_lite.kernels.memory import as_tensor


def upload(array: np.ndarray) -> Tensor:
    """Return a tensor of an array's values; a GPU goes on computing meanwhile, and nobody waits for it.

    On a CPU the tensor lies in the array's memory (if that begins where a tensor's may), which is not to be
    written to afterwards. For a GPU the array is copied into pinned memory, from which the GPU fetches it
    after what it was given before; other devices get a plain copy. There the array's memory may be used again
    at once.
    """
    device = paddle.get_device()
    if device == "cpu":
        return as_tensor(aligned(array))
    if not device.startswith("gpu"):
        return paddle.to_tensor(array)
    # Paddle itself keeps the pinned memory of a copy that nobody waits for until it is done.
    return paddle.to_tensor(array, place=paddle.CUDAPinnedPlace()).cuda(blocking=False)
