"""Protects the cache of exports: an export that cannot be bettered is used as it is, and old ones go."""

from __future__ import annotations

import logging
import os
import time

import paddle
import pytest
from paddle import nn

import paddleseg_lite.models as zoo
from paddleseg_lite.deploy.onnx_sizes import EVEN
from paddleseg_lite.deploy.runtimes import as_runtime
from paddleseg_lite.deploy.verify import live_logits, probe_images
from paddleseg_lite.engine.inference import PLAIN, infer
from tests.deploy.conftest import HAS_ONNX

pytestmark = pytest.mark.skipif(not HAS_ONNX, reason="needs the extra 'deploy'")


def raises(source, target):
    """Fail as onnxruntime does on an operator that it does not know."""
    raise RuntimeError("[ONNXRuntimeError] : 9 : NOT_IMPLEMENTED")


def leaves_nonsense(source, target):
    target.write_bytes(b"no model")


@pytest.mark.parametrize("optimise", [raises, leaves_nonsense])
def test_what_cannot_be_optimised_runs_as_it_was_converted(model, monkeypatch, caplog, optimise):
    """An optimiser's trouble costs time, not the runtime."""
    monkeypatch.setattr("paddleseg_lite.deploy.cache.optimise", optimise)
    caplog.set_level(logging.INFO, "paddleseg_lite")
    runtime = as_runtime(model, "onnxruntime")
    assert "is used as it was converted" in caplog.text
    (image,) = probe_images(model, (1, 3, 32, 32))
    with paddle.no_grad():
        expected = model(paddle.to_tensor(image))[0].numpy()
    assert abs(infer(runtime, image, PLAIN) - expected).max() < 1e-4


class Doubles(nn.Layer):
    """A convolution in float64, for which onnxruntime has no kernel."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2D(3, 2, 1)
        self.conv.to(dtype="float64")

    def forward(self, x):
        return [self.conv(x.astype("float64")).astype("float32")]


def test_auto_runs_live_what_onnxruntime_has_no_kernel_for(caplog):
    model = Doubles()
    assert as_runtime(model, "auto") is model
    assert "runtime: paddle, since onnxruntime does not run this network" in caplog.text


def test_exports_that_were_not_used_for_a_month_go(model, cache):
    """One is made for each checkpoint that is evaluated; what is in use stays."""
    as_runtime(model, "onnxruntime")
    (used,) = (cache / "exports").iterdir()
    old = cache / "exports" / "old-onnx"
    old.mkdir()
    for folder in (used, old):
        os.utime(folder, (0, time.time() - 40 * 24 * 3600))
    as_runtime(model, "onnxruntime")  # uses one
    model.head.bias.set_value(model.head.bias + 1)
    as_runtime(model, "onnxruntime")  # makes another
    assert used.exists()
    assert not old.exists()


def test_a_network_with_resizes_has_a_model_for_even_sizes(cache):
    """Both answer as the live network does; a damaged one is made again."""
    paddle.seed(0)
    model = zoo.LRASPP(3, zoo.MobileNetV3_small_x0_35())
    runtime = as_runtime(model, "onnxruntime")
    (folder,) = (cache / "exports").iterdir()
    assert (folder / EVEN).exists()
    (folder / EVEN).write_bytes(b"no model")
    again = as_runtime(model, "onnxruntime")
    for sides in ((64, 96), (65, 96)):
        (image,) = probe_images(model, (1, 3, *sides))
        expected = live_logits(model, image)
        for made in (runtime, again):
            assert abs(infer(made, image, PLAIN) - expected).max() < 1e-4 * max(1, abs(expected).max())
