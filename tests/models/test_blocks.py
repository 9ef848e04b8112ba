"""Building blocks: what they compute must be what Paddle's own layers compute."""

from __future__ import annotations

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest
from paddle import nn

import paddleseg_lite.models as zoo
from paddleseg_lite.losses import OhemCrossEntropyLoss
from paddleseg_lite.models.blocks import Conv2D, ConvBNReLU, norm_hardswish, resize


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize(
    ("source", "target"),
    [((5, 7), (40, 56)), ((13, 17), (33, 51)), ((40, 56), (5, 7)), ((1, 1), (9, 8)), ((9, 9), (1, 1))],
)
def test_resize_is_paddles(source, target, align_corners):
    """Enlarging, shrinking, odd ratios, single pixels."""
    rng = np.random.default_rng(0)
    x = paddle.to_tensor(rng.standard_normal((2, 3, *source)).astype("float32"), stop_gradient=False)
    weight = paddle.to_tensor(rng.standard_normal((2, 3, *target)).astype("float32"))
    results = []
    for resized in (
        resize(x, target, align_corners),
        F.interpolate(x, size=target, mode="bilinear", align_corners=align_corners),
    ):
        (resized * weight).sum().backward()
        results.append((resized.numpy(), x.grad.numpy().copy()))
        x.clear_grad()
    for ours, paddles in zip(*results):
        np.testing.assert_allclose(ours, paddles, atol=5e-5)


@pytest.mark.parametrize("arguments", [{}, {"stride": 2, "padding": 1}, {"padding": 2, "dilation": 2}])
def test_a_convolution_s_bias(arguments: dict) -> None:
    """Value and gradients of Paddle's layer."""
    layer = Conv2D(3, 5, 3, **arguments)
    layer.bias.set_value(paddle.arange(5).astype("float32"))
    x = paddle.randn([2, 3, 9, 8])
    outputs, gradients = [], []
    for forward in (layer.forward, lambda x: nn.Conv2D.forward(layer, x)):
        layer.clear_gradients()
        outputs.append(forward(x))
        outputs[-1].square().sum().backward()
        gradients.append([p.grad.numpy() for p in layer.parameters()])
    np.testing.assert_allclose(outputs[0].numpy(), outputs[1].numpy(), rtol=1e-5, atol=1e-5)
    for ours, expected in zip(*gradients):
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-3)


def test_relu_in_place_leaves_the_gradients_alone() -> None:
    """Batch norm's gradient does not need the result that is overwritten."""
    block = ConvBNReLU(3, 4, 3)
    x = paddle.randn([2, 3, 6, 7])
    block(x).square().sum().backward()
    learnt = [parameter for parameter in block.parameters() if not parameter.stop_gradient]
    ours = [parameter.grad.numpy() for parameter in learnt]
    block.clear_gradients()
    nn.functional.relu(block._batch_norm(block._conv(x))).square().sum().backward()
    for gradient, parameter in zip(ours, learnt):
        np.testing.assert_array_equal(gradient, parameter.grad.numpy())


@pytest.mark.parametrize("name", ["lraspp", "lpsnet"])
def test_the_same_step_twice_gives_the_same_bits(name: str) -> None:
    """Where memory happens to lie must not matter: a resumed run continues bit by bit."""
    paddle.seed(0)
    if name == "lraspp":
        model: nn.Layer = zoo.LRASPP(5, zoo.MobileNetV3_small_x1_0_os8())
    else:
        model = zoo.LPSNet((1, 1, 1, 1, 1), (8, 8, 8, 8, 8), (1, 0.25), 5)
    x = paddle.randn([2, 3, 67, 95])
    label = paddle.randint(0, 5, [2, 67, 95])
    gradients, ballast = [], []
    for round_ in range(4):
        model.clear_gradients()
        OhemCrossEntropyLoss(min_kept=1000)(model(x)[0], label).backward()
        gradients.append([p.grad.numpy() for p in model.parameters() if not p.stop_gradient])
        ballast += [np.ones(977 * (round_ + i) + 4, np.uint8) for i in range(50)]  # moves what comes next
    for later in gradients[1:]:
        for first, again in zip(gradients[0], later):
            np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("frozen", [False, True])
def test_hardswish_computed_again_changes_nothing(frozen: bool) -> None:
    """Values, gradients and running statistics are those of the two layers, bit for bit; frozen, too."""
    results = []
    for forward in (norm_hardswish, lambda norm, x: nn.functional.hardswish(norm(x))):
        paddle.seed(0)
        norm = nn.BatchNorm2D(4)
        norm.weight.set_value(paddle.rand([4]))
        norm.weight.stop_gradient = norm.bias.stop_gradient = frozen
        x = paddle.randn([2, 4, 6, 7]) * 3
        x.stop_gradient = False
        y = forward(norm, x)
        (y * y).sum().backward()
        assert (norm.weight.grad is None) == frozen
        found = [y, x.grad, norm._mean, norm._variance]
        found += [] if frozen else [norm.weight.grad, norm.bias.grad]
        results.append([tensor.numpy() for tensor in found])
    for ours, expected in zip(*results):
        np.testing.assert_array_equal(ours, expected)


def test_frozen_statistics_stay_frozen() -> None:
    """With use_global_stats the gradient is that of a fixed scale, not of a batch's normalisation."""
    norm = nn.BatchNorm2D(4, use_global_stats=True)
    gradients = []
    for forward in (norm_hardswish, lambda norm, x: nn.functional.hardswish(norm(x))):
        paddle.seed(0)
        x = paddle.randn([2, 4, 6, 7]) * 3
        x.stop_gradient = False
        (forward(norm, x) ** 2).sum().backward()
        gradients.append(x.grad.numpy())
    np.testing.assert_array_equal(*gradients)


def test_gradients_can_be_asked_for() -> None:
    """paddle.grad goes through the network as backward() does; nested wrongly, it would kill the process."""
    backbone = zoo.MobileNetV3_small_x0_35()
    learnt = [parameter for parameter in backbone.parameters() if not parameter.stop_gradient]
    x = paddle.randn([2, 3, 64, 64])
    asked = paddle.grad(paddle.add_n([f.mean() for f in backbone(x)]), learnt, allow_unused=True)
    paddle.add_n([f.mean() for f in backbone(x)]).backward()
    for gradient, parameter in zip(asked, learnt):
        if gradient is not None:
            np.testing.assert_allclose(gradient.numpy(), parameter.grad.numpy(), rtol=1e-4, atol=1e-6)
