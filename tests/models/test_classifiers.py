"""Classifiers on the backbones: their size, and that segmentation starts from their weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from paddle import nn

from paddleseg_lite.checkpoint.weights import write_weights
from paddleseg_lite.config import load_config
from paddleseg_lite.config.build import Plan
from paddleseg_lite.deploy.profile import count_macs
from paddleseg_lite.errors import UserError
from paddleseg_lite.models import LPSNetClassifier, MobileNetV3Classifier
from tests.conftest import write_config

DEPTHS, SMALL, LARGE = (1, 3, 3, 10, 10), (8, 24, 48, 96, 96), (8, 24, 64, 160, 160)
TINY: dict[str, Any] = {"depths": (1, 1, 1), "channels": (4, 8, 8), "scale_ratios": (1, 0.5)}


def macs_by_hand(channels: tuple[int, ...], ratios: tuple[float, ...], classes: int, side: int) -> int:
    """Return 9 x in x out of each convolution at each pixel of its result, and the linear layer."""
    total = channels[-1] * len(ratios) * classes
    for ratio in ratios:
        before, size = 3, int(ratio * side)
        for stage, (depth, width) in enumerate(zip(DEPTHS, channels)):
            size = math.ceil(size / 2) if stage < 4 else size
            total += 9 * size * size * (before + (depth - 1) * width) * width
            before = width
    return total


@pytest.mark.parametrize(
    ("channels", "ratios", "parameters", "gmacs"),
    [
        (SMALL, (0.75, 0.25), 3_573_272, 0.273),
        (SMALL, (1, 0.25), 3_573_272, 0.429),
        (LARGE, (1, 0.25), 9_488_024, 1.064),
    ],
    ids=["S", "M", "L"],
)
def test_parameters_and_multiply_adds(
    channels: tuple[int, ...], ratios: tuple[float, ...], parameters: int, gmacs: float
) -> None:
    """S, M and L with ImageNet's classes at 224x224: the published backbones and one linear layer."""
    model = LPSNetClassifier(DEPTHS, channels, ratios, num_classes=1000)
    assert sum(parameter.size for parameter in model.parameters()) == parameters
    macs = count_macs(model, (224, 224))
    assert macs == macs_by_hand(channels, ratios, 1000, 224)
    assert macs / 1e9 == pytest.approx(gmacs, abs=5e-4)


@pytest.mark.parametrize(
    "model", [LPSNetClassifier(**TINY, num_classes=7), MobileNetV3Classifier("small", 7)]
)
def test_logits_and_gradients(model: nn.Layer) -> None:
    """[N, K] in a list, also of images that are not square; every weight learns."""
    (logits,) = model(paddle.randn([3, 3, 64, 96]))
    assert logits.shape == [3, 7]
    logits.square().mean().backward()
    learning = [p for p in model.parameters() if not p.stop_gradient]
    assert all(float(p.grad.abs().sum()) > 0 for p in learning)


def test_the_head_sees_each_path_by_its_mean() -> None:
    """Pooled over pixels, one path after the other: what a linear layer of the paths' means gives."""
    model = LPSNetClassifier(**TINY, num_classes=7)
    model.eval()
    x = paddle.randn([2, 3, 64, 64])
    with paddle.no_grad():
        pooled = np.concatenate([feat.numpy().mean((2, 3)) for feat in model.features(x)], axis=1)
        expected = pooled @ model.head.weight.numpy() + model.head.bias.numpy()
        np.testing.assert_allclose(model(x)[0].numpy(), expected, rtol=1e-4, atol=1e-5)


def test_an_architecture_that_there_is_not() -> None:
    """The names that there are, instead of a KeyError."""
    with pytest.raises(UserError, match="'tiny'; allowed are large, small, large_os8, small_os8"):
        MobileNetV3Classifier("tiny", 7)


PATHS = "depths: [1, 1, 1], channels: [4, 8, 8], scale_ratios: [1, 0.5]"


@pytest.mark.parametrize(
    ("classifier", "model"),
    [
        (lambda: LPSNetClassifier(**TINY, num_classes=7), f"{{type: LPSNet, {PATHS}, pretrained: PATH}}"),
        (
            lambda: LPSNetClassifier(**TINY, num_classes=7),
            f"{{type: LPSNetClassifier, {PATHS}, pretrained: PATH}}",
        ),
        (
            lambda: MobileNetV3Classifier("small", 7, scale=0.35),
            "{type: LRASPP, backbone: {type: MobileNetV3_small_x0_35, pretrained: PATH}}",
        ),
        (
            lambda: MobileNetV3Classifier("small", 7),
            "{type: LRASPP, backbone: {type: MobileNetV3_small_x1_0_os8, pretrained: PATH}}",
        ),
    ],
    ids=["LPSNet", "other classes", "LRASPP", "LRASPP at output stride 8"],
)
def test_training_starts_from_a_classifiers_weights(
    tmp_path: Path, classifier: Callable[[], nn.Layer], model: str
) -> None:
    """By name, through the key of a config that names them; only the head is another."""
    path, weights = tmp_path / "imagenet.pdparams", classifier().state_dict()
    write_weights(weights, path)
    config = write_config(tmp_path, tmp_path, model=model.replace("PATH", f"'{path}'"))
    built = Plan(load_config(config)).model()
    own = getattr(built, "backbone", built).state_dict()
    of_backbone = {key: value for key, value in weights.items() if not key.startswith("head.")}
    for key, value in of_backbone.items():
        np.testing.assert_array_equal(own[key].numpy(), value.numpy())
    assert own.keys() - of_backbone.keys() <= {"head.weight", "head.bias"}
