"""inference.yml tells how large an image must at least be, and every runtime holds to it."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
import yaml

import paddleseg_lite.models as zoo
from paddleseg_lite.deploy.export import ExportOptions, export
from paddleseg_lite.deploy.runtimes import OnnxRuntime, PaddleInference
from paddleseg_lite.deploy.verify import difference, live_logits, smallest_side
from paddleseg_lite.errors import UserError
from tests.deploy.conftest import HAS_ONNX


def test_an_image_below_the_smallest_side_is_refused(card, tmp_path):
    """By the live network and by all runtimes; one of that side has the live network's answer."""
    paddle.seed(0)
    model = zoo.LPSNet([1, 1], [4, 8], [1.0, 0.25], 2)
    options = ExportOptions(output_op="none", format="all" if HAS_ONNX else "paddle")
    export(model, tmp_path, card, options)
    assert yaml.safe_load((tmp_path / "inference.yml").read_text())["input"]["min_side"] == 4
    runs = [PaddleInference(tmp_path), *([OnnxRuntime(tmp_path / "model.onnx")] if HAS_ONNX else [])]
    images = np.random.default_rng(0).standard_normal((1, 3, 4, 7)).astype(np.float32)
    for run in runs:
        assert difference(live_logits(model, images), run(images), "none") < 1e-3
    for run in (lambda images: live_logits(model, images), *runs):
        for small in (images[:, :, :3], images[..., :3], images[:, :, :1, :1]):
            with pytest.raises(UserError, match="too small for this network"):
                run(small)


@pytest.mark.parametrize(("ratios", "side"), [((1.0, 0.5), 2), ((1.0, 0.25), 4), ((1.0, 0.0125), 80)])
def test_the_smallest_side_is_the_live_networks(ratios, side):
    """Protects from 1 for a network that takes all the probes but not that, and from too large a bound."""
    model = zoo.LPSNet([1] * 2, [4, 8], ratios, 2)
    assert smallest_side(model, 3) == side
    live_logits(model, np.zeros((1, 3, side, side), np.float32))
    with pytest.raises(UserError, match="too small"):
        live_logits(model, np.zeros((1, 3, side - 1, side - 1), np.float32))
