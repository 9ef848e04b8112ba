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
from paddleseg_lite.engine.step import TrainStep
from paddleseg_lite.losses import Criterion, CrossEntropyLoss
from paddleseg_lite.optim import Momentum
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


def weights_by_scaled_steps(factors: list[float]) -> tuple[list[float], list[float]]:
    """Return a weight after each of a few fp16 updates with gradients x factor, and the loss scale."""
    [weight] = paddle.nn.Linear(1, 1, bias_attr=False).parameters()
    weight.set_value(paddle.ones([1, 1]))
    optimizer = Momentum(0.1, [weight], momentum=0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paddle.amp, "is_float16_supported", lambda: True)
        step = TrainStep(nn.Linear(1, 1), Criterion([CrossEntropyLoss()], [1.0]), optimizer, "fp16")
    weights, scales = [], []
    for factor in factors:
        with paddle.amp.auto_cast(**step.cast):
            loss = weight.sum() * factor
        step.backward([loss.astype("float32")], passes=1)
        step.update()
        weights.append(weight.item())
        scales.append(step.scaler.state_dict()["scale"].item())
    return weights, scales


def test_an_infinite_gradient_is_passed_over(fake_device) -> None:
    """The weights stay, the loss scale is halved, and training goes on; fp16 begins with such steps."""
    weights, scales = fake_device(weights_by_scaled_steps, [1.0, float("inf"), 1.0])
    assert weights == pytest.approx([0.9, 0.9, 0.8])
    assert scales[1] == scales[2] == scales[0] / 2
