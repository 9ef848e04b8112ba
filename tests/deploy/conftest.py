"""Networks and a cache of their own for the tests of deploy/."""

from __future__ import annotations

import importlib.util

import paddle
import pytest

from paddleseg_lite.datasets.info import checked_info
from paddleseg_lite.deploy.sidecar import ExportMetadata
from tests.toys import PixelNet

HAS_ONNX = all(importlib.util.find_spec(name) for name in ("onnxruntime", "paddle2onnx", "onnx"))
RUNTIMES = ["paddle_inference", *(["onnxruntime"] if HAS_ONNX else [])]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache."""
    monkeypatch.setenv("PADDLESEG_LITE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def _quick(converts_here):
    """Most of these tests convert to ONNX."""


@pytest.fixture
def model():
    """PixelNet with batch statistics that are not 0 and 1."""
    paddle.seed(0)
    net = PixelNet()
    net.train()
    net(paddle.randn([2, 3, 16, 16]) * 2 + 1)
    net.eval()
    return net


@pytest.fixture
def card():
    """Two classes, ImageNet's normalisation."""
    normalize = {"type": "Normalize", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
    data = checked_info(2, classes=("ground", "square"), palette=[[10, 20, 30], [200, 100, 50]])
    return ExportMetadata(data, (normalize,), name="PixelNet")
