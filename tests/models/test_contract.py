"""What every network of the zoo promises."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest
from paddle import nn

import paddleseg_lite.models as zoo
from paddleseg_lite.losses import OhemCrossEntropyLoss
from paddleseg_lite.registry import BACKBONES, MODELS

BACKBONE_NAMES = [name for name in zoo.__all__ if name.startswith("MobileNetV3_")]
LPSNETS = {
    "LPSNet-S": ((8, 24, 48, 96, 96), (0.75, 0.25)),
    "LPSNet-M": ((8, 24, 48, 96, 96), (1, 0.25)),
    "LPSNet-L": ((8, 24, 64, 160, 160), (1, 0.25)),
    "LPSNet, one path": ((8, 8, 8, 8, 8), (1, 0, -1)),
    "LPSNet, three paths": ((4, 4, 4, 4, 4), (1, 0.5, 0.3)),
}
NETWORKS = [f"LRASPP {name}" for name in BACKBONE_NAMES] + list(LPSNETS)


def build(name: str, **options: Any) -> nn.Layer:
    if name in LPSNETS:
        channels, ratios = LPSNETS[name]
        return zoo.LPSNet((1, 3, 3, 10, 10), channels, ratios, num_classes=5, **options)
    return zoo.LRASPP(5, getattr(zoo, name.split()[1])(**options))


def test_the_zoo_is_registered() -> None:
    """A YAML can name every backbone and network that the package exports."""
    assert set(BACKBONE_NAMES) <= set(BACKBONES.names())
    assert len(BACKBONE_NAMES) == 12
    assert {"LRASPP", "LPSNet"} <= set(MODELS.names())


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_have_the_size_of_the_input(name: str) -> None:
    """One tensor in a list, at odd sizes too, and for other inputs than RGB."""
    for channels, size in ((3, (333, 517)), (4, (64, 96))):
        model = build(name, in_channels=channels)
        model.eval()
        with paddle.no_grad():
            outputs = model(paddle.randn([1, channels, *size]))
        assert isinstance(outputs, list)
        assert [output.shape for output in outputs] == [[1, 5, *size]]


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_learns(name: str) -> None:
    """A finite gradient reaches each parameter, and not all of it is zero; none is left out of forward."""
    paddle.seed(0)
    model = build(name)
    model(paddle.randn([2, 3, 65, 97]))[0].square().mean().backward()
    learning = {key: p for key, p in model.named_parameters() if not p.stop_gradient}  # not BN's statistics
    assert all(p.grad is not None and bool(paddle.isfinite(p.grad).all()) for p in learning.values())
    silent = [key for key, p in learning.items() if float(p.grad.abs().sum()) == 0]
    assert not silent


@pytest.mark.parametrize("name", ["LRASPP MobileNetV3_small_x0_35", "LPSNet, three paths"])
def test_images_of_a_batch_do_not_mix(name: str) -> None:
    """In eval mode an image's logits are the same alone and in company."""
    paddle.seed(0)
    model = build(name)
    model.eval()
    images = paddle.randn([2, 3, 64, 96])
    with paddle.no_grad():
        together, alone = model(images)[0], model(images[1:])[0]
    assert float((together[1:] - alone).abs().max()) < 1e-4 * float(alone.std())


@pytest.mark.parametrize("name", ["LRASPP MobileNetV3_large_x0_35", "LPSNet, three paths"])
def test_exports_with_dynamic_shapes(name: str, tmp_path: Any) -> None:
    """A network traced once runs at other batch and image sizes, with the same logits.

    Live, a CPU has kernels of its own; random weights make much of their rounding.
    """
    paddle.seed(0)
    model = build(name)
    model.eval()
    spec = paddle.static.InputSpec([None, 3, None, None], "float32")
    paddle.jit.save(model, str(tmp_path / "model"), input_spec=[spec])
    exported = paddle.jit.load(str(tmp_path / "model"))
    for shape in ([1, 3, 64, 96], [2, 3, 97, 131]):
        image = paddle.randn(shape)
        with paddle.no_grad():
            ours, theirs = model(image)[0], exported(image)
        theirs = theirs[0] if isinstance(theirs, (list, tuple)) else theirs
        assert float((ours - theirs).abs().max()) <= 1e-3 * float(ours.std())


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
