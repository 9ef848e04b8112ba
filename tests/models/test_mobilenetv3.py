"""The MobileNetV3 backbones: what the parity tests of the large ones do not cover."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import paddle
import pytest
from paddle import nn

import paddleseg_lite.models as zoo
from paddleseg_lite.errors import UserError
from paddleseg_lite.models.mobilenetv3 import ARCHITECTURES, scaled_width

# (stride, dilation) of each block, as DESIGN.md's table has them for the os8 networks
LARGE_OS8 = [(1, 1), (2, 1), (1, 1), (2, 1), (1, 1), (1, 1), (1, 1)] + [(1, 2)] * 6 + [(1, 4)] * 2
SMALL_OS8 = [(2, 1), (2, 1), (1, 1), (1, 1)] + [(1, 2)] * 5 + [(1, 4)] * 2


def test_strides_traded_for_dilation() -> None:
    """The os8 tables are derived from the os32 ones; here they are spelt out."""
    for name, expected in (("large_os8", LARGE_OS8), ("small_os8", SMALL_OS8)):
        assert [(block.stride, block.dilation) for block in ARCHITECTURES[name]] == expected


@pytest.mark.parametrize(
    ("width", "expected"), [(16 * 0.35, 8), (24 * 0.5, 16), (40 * 1.25, 48), (18, 24), (20, 24), (16, 16)]
)
def test_scaled_width(width: float, expected: int) -> None:
    """The nearest multiple of 8, but never less than 90 %: 18 would become 16, which is 89 %."""
    assert scaled_width(width) == expected


@pytest.mark.parametrize("name", [name for name in zoo.__all__ if name.startswith("MobileNetV3_")])
def test_features(name: str) -> None:
    """Four features, as wide as announced, at strides 4, 8, 16, 32, or no more than 8."""
    backbone = getattr(zoo, name)()
    backbone.eval()
    with paddle.no_grad():
        features = backbone(paddle.randn([1, 3, 65, 97]))
    strides = (4, 8, 8, 8) if name.endswith("os8") else (4, 8, 16, 32)
    sizes = [[-(-65 // stride), -(-97 // stride)] for stride in strides]
    assert [feature.shape[1] for feature in features] == backbone.feat_channels
    assert [feature.shape[2:] for feature in features] == sizes


def test_widths_of_the_published_networks() -> None:
    """Features 0 to 3 of multiplier 1, and an example of another."""
    assert zoo.MobileNetV3_large_x1_0().feat_channels == [24, 40, 112, 160]
    assert zoo.MobileNetV3_small_x1_0().feat_channels == [16, 24, 48, 96]
    assert zoo.MobileNetV3_small_x0_5().feat_channels == [8, 16, 24, 48]


def test_no_weight_decay_on_batch_norm() -> None:
    """With a gradient of zero, decay shrinks the convolutions and leaves BN's scale and shift alone."""
    model = zoo.MobileNetV3_small_x0_35()
    before = {key: tensor.numpy() for key, tensor in model.state_dict().items()}
    optimizer = paddle.optimizer.Momentum(0.1, parameters=model.parameters(), weight_decay=0.5)
    sum((p * 0).sum() for p in model.parameters() if not p.stop_gradient).backward()
    optimizer.step()
    for key, tensor in model.named_parameters():
        if ".bn." in key:
            np.testing.assert_array_equal(tensor.numpy(), before[key], key)
        else:
            np.testing.assert_allclose(tensor.numpy(), 0.95 * before[key], rtol=1e-5, atol=1e-8, err_msg=key)


def test_depthwise_kernels_start_at_the_scale_of_their_own_fan_in() -> None:
    """Std sqrt(2 / k^2), not sqrt(2 / (k^2 x channels)), which Paddle's default gives."""
    kernel = zoo.MobileNetV3_large_x1_0().blocks[13].bottleneck_conv.conv.weight  # [960, 1, 5, 5]
    assert float(kernel.std()) == pytest.approx(np.sqrt(2 / 25), rel=0.05)


def save(model: nn.Layer, path: Path, **more: np.ndarray) -> str:
    path.write_bytes(pickle.dumps({**{k: v.numpy() for k, v in model.state_dict().items()}, **more}))
    return str(path)


def test_pretrained(tmp_path: Path) -> None:
    """ImageNet weights with a classifier; all but the stem for other channels than RGB; no other width."""
    model = zoo.MobileNetV3_small_x0_35()
    path = save(model, tmp_path / "imagenet.pdparams", **{"fc.weight": np.zeros((8, 10), np.float32)})
    loaded = zoo.MobileNetV3_small_x0_35(pretrained=path)
    np.testing.assert_array_equal(loaded.conv.conv.weight.numpy(), model.conv.conv.weight.numpy())
    infrared = zoo.MobileNetV3_small_x0_35(in_channels=4, pretrained=path)
    last = "blocks.10.linear_conv.conv.weight"
    np.testing.assert_array_equal(infrared.state_dict()[last].numpy(), model.state_dict()[last].numpy())
    with pytest.raises(UserError, match="of another shape"):
        zoo.MobileNetV3_small_x0_5(pretrained=path)
