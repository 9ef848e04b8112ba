"""Half precision and the average on a device that is not the CPU: what Paddle casts, and what is copied."""

from __future__ import annotations

import re
from collections.abc import Callable

import paddle
import paddle.nn.functional as F
import pytest
from paddle import nn

from paddleseg_lite.engine.ema import ExponentialMovingAverage
from paddleseg_lite.engine.precision import casting
from tests.device.fake import recorded
from tests.toys import PixelNet


def types_asked_for() -> dict[str, str]:
    """Return the type of each operation's kernel, of which the device lacks those of float16."""
    x, depthwise, pointwise = paddle.ones([1, 4, 8, 8]), paddle.ones([4, 1, 3, 3]), paddle.ones([2, 4, 1, 1])
    operations: dict[str, Callable[[], paddle.Tensor]] = {
        "conv2d": lambda: F.conv2d(x, pointwise),
        "depthwise_conv2d": lambda: F.conv2d(x, depthwise, groups=4),
        "add": lambda: x + x,
        "batch_norm": lambda: nn.BatchNorm2D(4)(x),
        "bilinear_interp": lambda: F.interpolate(x.astype("float16"), [16, 16], mode="bilinear"),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paddle.amp, "is_float16_supported", lambda: True)  # Paddle casts all the same
        cast = casting("fp16", "O1")
    found = {}
    for name, operation in operations.items():
        with paddle.amp.auto_cast(**cast):
            try:
                found[name] = str(operation().dtype).rpartition(".")[2]
            except RuntimeError as error:
                [found[name]] = re.findall(rf"float16(?=\) of kernel `{name}`)", str(error))
    return found


def test_level_o1_takes_half_precision_kernels(fake_device) -> None:
    """Convolutions, sums and batch normalisation are asked for in float16, a resize in float32."""
    half = dict.fromkeys(("conv2d", "depthwise_conv2d", "add", "batch_norm"), "float16")
    assert fake_device(types_asked_for) == {**half, "bilinear_interp": "float32"}


def copies_of_an_average() -> tuple[list, list]:
    """Return the copies of two updates, and of an evaluation's switch to the average and back."""
    average = ExponentialMovingAverage(PixelNet())
    with recorded() as of_updates:
        average.update()
        average.update()
    with recorded() as of_evaluation, average.applied():
        pass
    return [[*copies.uploads(), *copies.downloads()] for copies in (of_updates, of_evaluation)]


def test_the_average_stays_on_the_device(fake_device) -> None:
    """Neither an update nor an evaluation of the average moves weights through the host."""
    assert fake_device(copies_of_an_average) == [[], []]
