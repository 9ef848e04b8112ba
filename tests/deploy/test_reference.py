"""Protects exports made where a GPU is used: its numerics decide nothing, and its device stays set."""

from __future__ import annotations

import logging

import paddle
import pytest
from paddle import nn

import paddleseg_lite.models as zoo
from paddleseg_lite.deploy.backend import build_runtime
from paddleseg_lite.deploy.export import ExportOptions
from paddleseg_lite.deploy.folding import folded
from paddleseg_lite.deploy.reference import on_cpu
from paddleseg_lite.deploy.runtimes import OnnxRuntime
from paddleseg_lite.deploy.verified_export import export_verified
from paddleseg_lite.deploy.verify import DEVICE_TOLERANCE, TOLERANCE, difference, live_logits, probe_images
from paddleseg_lite.errors import UserError
from tests.deploy.conftest import HAS_ONNX
from tests.toys import tf32

needs_onnx = pytest.mark.skipif(not HAS_ONNX, reason="needs the extra 'deploy'")


@pytest.fixture
def device(monkeypatch):
    """A GPU in name: `set` changes it, and convolutions round as it does unless "cpu" is set."""
    state = {"device": "gpu:0"}
    monkeypatch.setattr(paddle.device, "get_device", lambda: state["device"])
    monkeypatch.setattr(paddle, "set_device", lambda name: state.update(device=name))
    exact = nn.functional.conv2d

    def conv2d(x, weight, *rest, **options):
        if paddle.in_dynamic_mode() and state["device"] != "cpu":
            x, weight = tf32(x), tf32(weight)
        return exact(x, weight, *rest, **options)

    monkeypatch.setattr(nn.functional, "conv2d", conv2d)
    return state


@pytest.fixture
def lpsnet():
    """A small LPSNet with statistics that are not 0 and 1; its many paths multiply rounding."""
    paddle.seed(0)
    model = zoo.LPSNet((1, 1, 1, 1), (4, 8, 8, 8), (1, 0.25), num_classes=2)
    model.train()
    model(paddle.randn([2, 3, 64, 64]))
    model.eval()
    return model


@pytest.fixture
def noise(lpsnet):
    """An image that it takes."""
    return probe_images(lpsnet, (1, 3, 64, 96))[0]


def test_the_imitation_is_one(device, lpsnet, noise):
    """Guards the tests below: the device's logits are off by more than an export may be, and by no more than
    a device may be."""
    rounded = live_logits(lpsnet, noise)
    with on_cpu(lpsnet) as reference:
        exact = live_logits(reference, noise)
    assert TOLERANCE < difference(exact, rounded, "none") < DEVICE_TOLERANCE


def test_tf32_refuses_no_export(device, lpsnet, card, tmp_path):
    """Compared on the device, it would be."""
    _, findings = export_verified(lpsnet, tmp_path / "out", card, ExportOptions((1, 3, 64, 96), "none"))
    assert "paddle: differs" in findings[0]
    assert device["device"] == "gpu:0"


def test_batch_norm_is_folded_whatever_the_device(device, lpsnet, noise, caplog):
    """Rounded weights are other weights once they are folded; and then the message names what was seen."""
    caplog.set_level(logging.INFO, "paddleseg_lite")
    with on_cpu(lpsnet) as reference:
        plain = folded(reference, paddle.to_tensor(noise))
    assert not any(isinstance(layer, nn.BatchNorm2D) for layer in plain.sublayers())
    assert not caplog.text
    folded(lpsnet, paddle.to_tensor(noise))
    assert "is not folded: the logits would differ by 0.0" in caplog.text


@needs_onnx
def test_a_runtime_is_kept_and_used_again(device, lpsnet, caplog):
    """Not made anew each time, because the live network on the device is another than the export's."""
    caplog.set_level(logging.INFO, "paddleseg_lite")
    for _ in range(2):
        assert build_runtime(lpsnet, "onnxruntime").name == "onnxruntime"
    assert caplog.text.count("exporting the network for its runtime, once") == 1
    assert "exporting the network again" not in caplog.text


@needs_onnx
def test_a_runtime_that_is_wrong_on_the_device_is_refused(device, lpsnet, monkeypatch):
    """The comparison on the CPU says nothing about a device's kernels."""
    exact = OnnxRuntime.__call__

    def wrong(self, images):
        return exact(self, images) * (1.0 if device["device"] == "cpu" else 1.2)

    monkeypatch.setattr(OnnxRuntime, "__call__", wrong)
    with pytest.raises(UserError, match=r"both on gpu:0, by 0\.\d+ \(allowed: 0.05\)"):
        build_runtime(lpsnet, "onnxruntime")


def test_the_device_is_set_again_after_a_failure(device, lpsnet, card, tmp_path):
    """It is the whole process's."""
    with pytest.raises(UserError, match="too small"):
        export_verified(lpsnet, tmp_path / "out", card, ExportOptions((1, 3, 2, 2)))
    assert device["device"] == "gpu:0"
