"""Folding batch normalisation changes no logits."""

from __future__ import annotations

import numpy as np
import paddle
from paddle import nn

from paddleseg_lite.deploy.folding import folded


def test_batch_norm_is_folded(model):
    """The copy has none left and gives the same logits; the original keeps its own."""
    image = paddle.randn([1, 3, 16, 16])
    copy = folded(model, image)
    assert not any(isinstance(layer, nn.BatchNorm2D) for layer in copy.sublayers())
    assert any(isinstance(layer, nn.BatchNorm2D) for layer in model.sublayers())
    np.testing.assert_allclose(copy(image)[0].numpy(), model(image)[0].numpy(), atol=1e-5)


def test_what_cannot_be_folded_stays(model):
    """A convolution whose output is used twice must not change."""

    class Twice(nn.Layer):
        def __init__(self):
            super().__init__()
            self.conv, self.bn = nn.Conv2D(3, 2, 1), nn.BatchNorm2D(2)
            self.bn._mean.set_value(paddle.ones([2]))

        def forward(self, x):
            y = self.conv(x)
            return [y + self.bn(y)]

    twice, image = Twice(), paddle.randn([1, 3, 8, 8])
    copy = folded(twice, image)
    np.testing.assert_allclose(copy(image)[0].numpy(), twice(image)[0].numpy(), atol=1e-5)
