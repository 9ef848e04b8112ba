"""The network on the CPU, which exports are made of and compared with, whatever device is used besides."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator

import paddle
from paddle import nn

from paddleseg_lite.kernels.memory import lies_here


@contextlib.contextmanager
def on_cpu(model: nn.Layer) -> Iterator[nn.Layer]:
    """Compute on the CPU in a `with` block, and give the network there: a copy if it lies elsewhere.

    A GPU may round a convolution's float32 inputs to TF32, with a mantissa of 10 bits; then a right export
    seems wrong by hundredths of the logits' standard deviation. Paddle's device is that of the whole
    process; the one that was set is set again at the end. The network is put into eval mode.
    """
    model.eval()
    device = paddle.device.get_device()
    paddle.set_device("cpu")
    try:
        yield model if lies_here(model) else copy.deepcopy(model).to(device="cpu")
    finally:
        paddle.set_device(device)
