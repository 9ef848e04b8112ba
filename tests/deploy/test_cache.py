"""Protects the cache of exports: an export that cannot be bettered is used as it is, and old ones go."""

from __future__ import annotations

import logging
import os
import shutil
import time

import paddle
import pytest
from paddle import nn

import paddleseg_lite.models as zoo
from paddleseg_lite.deploy.backend import build_runtime
from paddleseg_lite.deploy.onnx_sizes import ALIGNED
from paddleseg_lite.deploy.verify import live_logits, probe_images
from paddleseg_lite.inference.augment import PLAIN, infer
from tests.deploy.conftest import HAS_ONNX

onnx = pytest.importorskip("onnx")
pytestmark = pytest.mark.skipif(not HAS_ONNX, reason="needs the extra 'deploy'")


def raises(source, target, passes):
    """Fail as onnxruntime does on an operator that it does not know."""
    raise RuntimeError("[ONNXRuntimeError] : 9 : NOT_IMPLEMENTED")


def leaves_nonsense(source, target, passes):
    target.write_bytes(b"no model")


@pytest.mark.parametrize("optimise", [raises, leaves_nonsense])
def test_what_cannot_be_optimised_runs_as_it_was_converted(model, monkeypatch, caplog, optimise):
    """An optimiser's trouble costs time, not the runtime."""
    monkeypatch.setattr("paddleseg_lite.deploy.export.optimise", optimise)
    caplog.set_level(logging.INFO, "paddleseg_lite")
    runtime = build_runtime(model, "onnxruntime")
    assert "NOT_IMPLEMENTED" in caplog.text or "cannot have changes" in caplog.text
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
    assert build_runtime(model, "auto") is model
    assert "runtime: paddle, since onnxruntime does not run this network" in caplog.text


def test_exports_that_were_not_used_for_a_month_go(model, cache):
    """One is made for each checkpoint that is evaluated; what is in use stays."""
    build_runtime(model, "onnxruntime")
    (used,) = (cache / "exports").iterdir()
    old = cache / "exports" / "old-onnx"
    old.mkdir()
    for folder in (used, old):
        os.utime(folder, (0, time.time() - 40 * 24 * 3600))
    build_runtime(model, "onnxruntime")  # uses one
    model.head.bias.set_value(model.head.bias + 1)
    build_runtime(model, "onnxruntime")  # makes another
    assert used.exists()
    assert not old.exists()


def test_lraspp_is_joined_and_has_a_model_for_aligned_sizes(cache):
    """Both models answer as the live network does.

    That the head's convolutions are joined protects the order of the operations in it.
    """
    paddle.seed(0)
    model = zoo.LRASPP(3, zoo.MobileNetV3_small_x0_35())
    runtime = build_runtime(model, "onnxruntime")
    (folder,) = (cache / "exports").iterdir()
    for name in ("model.onnx", ALIGNED):
        constants = [value.name for value in onnx.load(str(folder / name)).graph.initializer]
        joined = {name.split(".")[1] for name in constants if name.startswith("paddleseg_lite.joined")}
        assert len(joined) == 3  # the deep feature's two, and each shallow feature's two
    shutil.rmtree(folder)  # what a running program has loaded, or may load, needs it no more
    for sides in ((64, 96), (65, 96)):
        (image,) = probe_images(model, (1, 3, *sides))
        expected = live_logits(model, image)
        assert abs(infer(runtime, image, PLAIN) - expected).max() < 1e-4 * max(1, abs(expected).max())


class Pooled(nn.Layer):
    """A map at an eighth of the size, averaged over windows of 7x7: images of 64x64 fit, 48x48 do not."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2D(3, 2, 3, padding=1)
        self.pool = nn.AvgPool2D(7, 1)

    def forward(self, x):
        y = self.conv(x)
        small = nn.functional.avg_pool2d(y, 8)
        gate = self.pool(small).mean(axis=[2, 3], keepdim=True)
        return [y * gate + nn.functional.interpolate(small, size=y.shape[2:], mode="bilinear")]


def test_images_to_find_factors_with_are_large_enough():
    """Protects from the end of the process in onnxruntime's pooling."""
    assert build_runtime(Pooled(), "onnxruntime").name == "onnxruntime"


def fails(*arguments):
    raise IndexError("tuple index out of range")


def answers_wrongly(source, target, min_side):
    model = onnx.load(str(source))
    model.graph.node[-1].op_type = "Relu" if len(model.graph.node[-1].input) == 1 else "Sub"
    onnx.save(model, str(target))
    return True


@pytest.mark.parametrize("write_aligned", [fails, answers_wrongly])
def test_without_a_model_for_aligned_sizes_the_other_one_stays(cache, monkeypatch, caplog, write_aligned):
    """What goes wrong with one does not cost the changes to the other."""
    monkeypatch.setattr("paddleseg_lite.deploy.cache.write_aligned", write_aligned)
    caplog.set_level(logging.INFO, "paddleseg_lite")
    runtime = build_runtime(Pooled(), "onnxruntime")
    assert "cannot have all changes" in caplog.text
    assert "cannot have changes" not in caplog.text
    assert runtime.name == "onnxruntime"
    (folder,) = (cache / "exports").iterdir()
    assert not (folder / ALIGNED).exists()
