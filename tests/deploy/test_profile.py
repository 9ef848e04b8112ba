"""What protects the profile: it times what predict does, and counts what the paper counts."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

import paddleseg_lite.models as zoo
from paddleseg_lite.deploy.backend import build_runtime
from paddleseg_lite.deploy.profile import STAGES, count_macs, profile
from paddleseg_lite.transforms import Compose, Normalize, Resize
from tests.deploy.conftest import RUNTIMES


@pytest.mark.parametrize("backend", ["paddle", *RUNTIMES[-1:]])
def test_the_stages_are_those_of_predict(model, card, tmp_path, backend):
    """Each took time, together they are the whole, and the files are predict's."""
    picture = np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8)
    transforms = Compose([Resize([32, 16]), Normalize()])
    network = build_runtime(model, backend)
    found = profile(
        network, model, transforms, card.data.palette, picture, tmp_path, runs=1, warmup=0, ceiling=1.0
    )
    assert all(found.median[name] > 0 for name in STAGES)
    assert sum(found.median[name] for name in STAGES) == pytest.approx(found.median["total"])
    assert (found.size, found.input_size) == ((40, 24), (32, 16))
    assert found.gmacs == pytest.approx(count_macs(model, (16, 32)) / 1e9)
    assert (tmp_path / "label_prediction" / "picture.png").exists()
    assert f"{backend}, 40x24, which the config resizes to 32x16" in found.table()


def test_macs_are_those_of_the_paper():
    """LPSNet-S at 1024x2048 has 10.4e9; here a sixteenth of the sides, for speed."""
    model = zoo.LPSNet((1, 3, 3, 10, 10), (8, 24, 48, 96, 96), (0.75, 0.25), num_classes=19)
    assert count_macs(model, (256, 512)) * 16 / 1e9 == pytest.approx(10.4, abs=0.1)
    assert np.isfinite(count_macs(model, (64, 64)))


def test_a_convolution_before_a_resize_is_counted_where_it_is():
    """LR-ASPP convolves its deeper features before they are enlarged: a quarter of the products."""

    class Merging(paddle.nn.Conv2D):
        def forward(self, deep, shallow):
            channels = deep.shape[1]
            small = paddle.nn.functional.conv2d(deep, self.weight[:, :channels])
            enlarged = paddle.nn.functional.interpolate(small, shallow.shape[2:])
            return enlarged + paddle.nn.functional.conv2d(shallow, self.weight[:, channels:])

    class Net(paddle.nn.Layer):
        def __init__(self):
            super().__init__()
            self.merge = Merging(3 + 3, 5, 1)

        def forward(self, x):
            return [self.merge(x[:, :, ::2, ::2], x)]

    assert count_macs(Net(), (8, 12)) == 3 * 5 * (4 * 6 + 8 * 12)
