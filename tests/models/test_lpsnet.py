"""LPSNet: arguments and the backbone; logits are checked in test_parity.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest

from paddleseg_lite.errors import UserError
from paddleseg_lite.models import LPSNet

DEPTHS, SMALL, LARGE = (1, 3, 3, 10, 10), (8, 24, 48, 96, 96), (8, 24, 64, 160, 160)
TINY: dict[str, Any] = {"depths": (1, 1, 1, 1, 1), "channels": (4, 4, 4, 4, 8), "scale_ratios": (1, 0.25)}


@pytest.mark.parametrize(
    ("channels", "ratios", "count"),
    [(SMALL, (0.75, 0.25), 3_383_939), (SMALL, (1, 0.25), 3_383_939), (LARGE, (1, 0.25), 9_173_123)],
)
def test_parameters(channels: tuple[int, ...], ratios: tuple[float, ...], count: int) -> None:
    """The published counts of S, M and L, BN's statistics among them, as Paddle counts."""
    model = LPSNet(DEPTHS, channels, ratios, num_classes=19)
    assert sum(parameter.size for parameter in model.parameters()) == count


@pytest.mark.parametrize(
    "changes",
    [
        {"depths": (1, 1)},
        {"depths": (), "channels": ()},
        {"depths": (1, 0, 1, 1, 1)},
        {"scale_ratios": (0, -1)},
    ],
)
def test_contradicting_arguments(changes: dict[str, Any]) -> None:
    """A sentence about the argument."""
    with pytest.raises(UserError, match="LPSNet: "):
        LPSNet(**{**TINY, **changes}, num_classes=3)


def test_paths_exchange_features_symmetrically() -> None:
    """The second path sees the first as it was before the exchange, not with itself added."""
    model = LPSNet((1, 1, 1, 1, 1), (1, 1, 1, 1, 1), (1, 1), num_classes=1)
    model.eval()
    for parameter in model.parameters():
        if not parameter.stop_gradient:  # not BN's statistics
            parameter.set_value(paddle.zeros(parameter.shape))
    identity = np.zeros((1, 1, 3, 3), np.float32)
    identity[0, 0, 1, 1] = 1
    for path, value in zip(model.nets, (1.0, 10.0)):
        path[2][0]._batch_norm.bias.set_value(
            paddle.full([1], value)
        )  # each path enters stage 3 as a constant
        for stage in (3, 4):  # identity, up to BN's epsilon
            path[stage][0]._conv.weight.set_value(identity)
            path[stage][0]._batch_norm.weight.set_value(paddle.ones([1]))
    with paddle.no_grad():
        features = model.features(paddle.randn([1, 3, 64, 64]))
    for feature in features:  # (1 + 10), then (11 + 11)
        np.testing.assert_allclose(feature.numpy(), 22.0, rtol=1e-3)
