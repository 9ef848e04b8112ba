"""LRASPP: arguments and the large kernel's limit; logits are checked in test_parity.py."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from paddleseg_lite.errors import UserError
from paddleseg_lite.models import (
    LRASPP,
    MobileNetV3_large_x1_0,
    MobileNetV3_small_x0_35,
    MobileNetV3_small_x1_0_os8,
)


def test_parameters() -> None:
    """The published count, BN's statistics in it, as Paddle counts."""
    assert sum(p.size for p in LRASPP(19, MobileNetV3_large_x1_0()).parameters()) == 2_947_478


def test_the_large_kernel_refuses_small_images() -> None:
    """One sentence with the size it got, the size it needs and the way out; at 385x385 it works."""
    model = LRASPP(3, MobileNetV3_small_x1_0_os8(), use_gap=False)
    model.eval()
    with paddle.no_grad():
        with pytest.raises(UserError, match=r"of 512x256 .* 64x32; .* 385x385 pixels, or set use_gap: True"):
            model(paddle.zeros([1, 3, 256, 512]))
        assert model(paddle.zeros([1, 3, 385, 385]))[0].shape == [1, 3, 385, 385]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone_indices": (0, 1, 4)}, "the backbone has 4 features"),
        ({"backbone_indices": ()}, "the backbone has 4 features"),
        ({"lraspp_head_inter_chs": (32,)}, "1 widths for 3 backbone_indices"),
        ({"backbone": paddle.nn.Conv2D(3, 3, 1)}, "has 0 features"),
    ],
)
def test_contradicting_arguments(options: dict[str, Any], message: str) -> None:
    """A sentence about the argument, not an index error in forward."""
    with pytest.raises(UserError, match=message):
        LRASPP(**{"num_classes": 3, "backbone": MobileNetV3_small_x0_35(), **options})


@pytest.mark.parametrize("indices", [(3,), (1, 3), (0, 1, 2, 3), [0, 1, 2]])
def test_other_features(indices: list[int]) -> None:
    """Any choice of features; the deepest of those chosen is the one that is pooled."""
    model = LRASPP(3, MobileNetV3_small_x0_35(), indices, [8] * (len(indices) - 1), lraspp_head_out_ch=16)
    assert model(paddle.randn([2, 3, 64, 96]))[0].shape == [2, 3, 64, 96]


def test_pretrained_for_other_classes(tmp_path: Path) -> None:
    """Everything but the last convolution is loaded when the classes differ."""
    source = LRASPP(19, MobileNetV3_small_x0_35())
    path = tmp_path / "cityscapes.pdparams"
    path.write_bytes(pickle.dumps({key: tensor.numpy() for key, tensor in source.state_dict().items()}))
    model = LRASPP(3, MobileNetV3_small_x0_35(), pretrained=str(path))
    key = "lraspp_head.conv_t.weight"
    np.testing.assert_array_equal(model.state_dict()[key].numpy(), source.state_dict()[key].numpy())
