"""What protects evaluation on other runtimes: the live network's answers, whatever the weights are today."""

from __future__ import annotations

import importlib.util
import os
import time
from pathlib import Path

import numpy as np
import paddle
import pytest
from paddle import nn

from paddleseg_lite.config.zoo import RELEASED, load
from paddleseg_lite.deploy import backend as choice
from paddleseg_lite.deploy import runtimes
from paddleseg_lite.deploy.backend import build_runtime
from paddleseg_lite.deploy.cache import _ABANDONED
from paddleseg_lite.deploy.export import ExportOptions, export, program_in
from paddleseg_lite.errors import UserError
from paddleseg_lite.inference.augment import InferenceOptions, infer, infer_labels
from paddleseg_lite.inference.evaluate import evaluate
from tests.deploy.conftest import HAS_ONNX, RUNTIMES
from tests.toys import Squares

OPTIONS = {
    "plain": InferenceOptions(),
    "flips": InferenceOptions(flip_horizontal=True, flip_vertical=True),
    "scales": InferenceOptions(scales=(0.75, 1.5), flip_horizontal=True),
    "windows": InferenceOptions(crop_size=(64, 48), stride=(40, 40)),
}


def trained_like(name, size):
    """A network of the zoo whose batch statistics fit its random weights, as after training."""
    paddle.seed(0)
    model = load(name, weights=None)
    model.train()
    for layer in model.sublayers():
        if isinstance(layer, nn.BatchNorm2D):
            layer._momentum = 0.0
    with paddle.no_grad():
        model(paddle.randn([1, 3, *size]))  # enough pixels for a variance in the deepest feature
    model.eval()
    return model


QUICK = "lpsnet_s_cityscapes_1536x768_200k"


@pytest.fixture(
    scope="module",
    params=[name if name == QUICK else pytest.param(name, marks=pytest.mark.slow) for name in RELEASED],
)
def network(request):
    """(network, (height, width) it is run at, names of OPTIONS); the large kernel takes no small images."""
    if request.param.endswith("large_kernel"):
        return trained_like(request.param, (392, 403)), (392, 403), ["plain"]
    return trained_like(request.param, (192, 320)), (65, 97), list(OPTIONS)


@pytest.mark.parametrize("backend", RUNTIMES)
def test_logits_are_the_live_networks(network, backend):
    """Plain, flipped, at several scales, in windows; an odd size; within 1e-3 of a standard deviation."""
    model, size, names = network
    images = np.random.default_rng(0).standard_normal((1, 3, *size)).astype(np.float32)
    runtime = build_runtime(model, backend)
    for name in names if backend == "onnxruntime" else names[:1]:  # what follows the network is the same code
        live = infer(model, paddle.to_tensor(images), OPTIONS[name]).numpy()
        assert 0.01 < live.std() < 100, "or the comparison says nothing"
        found = infer(runtime, images, OPTIONS[name])
        assert np.abs(found - live).max() < 1e-3 * live.std(), name
        differ = infer_labels(runtime, images, OPTIONS[name]) != live.argmax(axis=1)
        assert differ.mean() < 1e-3, name


@pytest.mark.parametrize("backend", RUNTIMES)
@pytest.mark.parametrize("resize", [False, True])
def test_miou_is_the_live_networks(model, backend, resize):
    """Plain, flipped at two scales, in windows; in batches; with predictions put back to another size."""
    dataset = Squares("val", length=5, sizes=(32, 40), resize=resize)
    runtime = build_runtime(model, backend)
    augmented = InferenceOptions(scales=(0.75, 1.25), flip_horizontal=True)
    windows = InferenceOptions(crop_size=(20, 20), stride=(10, 15))
    for options in (InferenceOptions(), augmented, windows):
        live, found = (evaluate(net, dataset, options, batch_size=2) for net in (model, runtime))
        assert abs(live.miou - found.miou) < 1e-4


@pytest.mark.parametrize("backend", RUNTIMES)
def test_the_cache_follows_the_weights(model, backend, cache):
    """The same network is exported once; with other weights its answers are the new ones."""
    images = np.random.default_rng(0).standard_normal((1, 3, 20, 24)).astype(np.float32)
    for _ in range(2):
        first = infer(build_runtime(model, backend), images, InferenceOptions())
    assert len(list((cache / "exports").iterdir())) == 1
    model.head.weight.set_value(model.head.weight * -2)
    second = infer(build_runtime(model, backend), images, InferenceOptions())
    assert len(list((cache / "exports").iterdir())) == 2
    live = infer(model, paddle.to_tensor(images), InferenceOptions()).numpy()
    np.testing.assert_allclose(second, live, atol=1e-4)
    assert np.abs(first - live).max() > 0.1


@pytest.mark.parametrize("backend", RUNTIMES)
def test_a_damaged_export_in_the_cache_is_made_again(model, backend, cache):
    """Whatever damaged it: the next run works, and the one after it needs no new export."""
    build_runtime(model, backend)
    (folder,) = (cache / "exports").iterdir()
    damaged = folder / ("model.onnx" if backend == "onnxruntime" else program_in(folder).name)
    damaged.write_bytes(b"no model")
    images = np.zeros((1, 3, 16, 16), np.float32)
    live = infer(model, paddle.to_tensor(images), InferenceOptions()).numpy()
    found = infer(build_runtime(model, backend), images, InferenceOptions())
    np.testing.assert_allclose(found, live, atol=1e-4)
    assert damaged.read_bytes() != b"no model"


class Activated(nn.Layer):
    """A convolution and whatever it is given."""

    def __init__(self, then, factor=None, kept=None):
        super().__init__()
        paddle.seed(0)
        self.conv = nn.Conv2D(3, 2, 3, padding=1)
        self.then, self.options = then, {"factor": factor}
        if kept is not None:
            self.register_buffer("kept", paddle.to_tensor([kept]), persistable=False)

    def forward(self, x):
        y = self.then(self.conv(x)) * (self.options["factor"] or 1.0)
        return [y * self.kept if "kept" in self._buffers else y]


def scaled(factor):
    return lambda x: x * factor


SAME_WEIGHTS = {
    "a function": (lambda: Activated(nn.functional.relu), lambda: Activated(nn.functional.sigmoid)),
    "a lambda": (lambda: Activated(lambda x: x + 1), lambda: Activated(lambda x: x + 2)),
    "what a function closes over": (lambda: Activated(scaled(1.0)), lambda: Activated(scaled(2.0))),
    "an attribute": (
        lambda: Activated(nn.functional.relu),
        lambda: Activated(nn.functional.relu, factor=3.0),
    ),
    "a buffer that is not saved": (
        lambda: Activated(nn.functional.relu, kept=3.0),
        lambda: Activated(nn.functional.relu, kept=4.0),
    ),
    "a hook": (lambda: Activated(nn.functional.relu), lambda: hooked(Activated(nn.functional.relu))),
}


def hooked(net):
    net.conv.register_forward_post_hook(lambda layer, inputs, output: output - 1)
    return net


@pytest.mark.parametrize("difference", SAME_WEIGHTS)
def test_what_the_weights_do_not_tell_is_seen(difference, cache):
    """The second network gets its own answers, not those of the first one's export, and so does the first."""
    images = np.random.default_rng(0).standard_normal((1, 3, 33, 35)).astype(np.float32)
    first, second = SAME_WEIGHTS[difference]
    for make in (first, second, first):
        model = make()
        found = infer(build_runtime(model, "paddle_inference"), images, InferenceOptions())
        live = infer(model, paddle.to_tensor(images), InferenceOptions()).numpy()
        np.testing.assert_allclose(found, live, atol=1e-4)


def with_its_halves(x):
    """Add a map to itself at half its size."""
    half = nn.functional.avg_pool2d(x, 2, ceil_mode=True)
    return x + nn.functional.interpolate(half, size=x.shape[2:], mode="bilinear")


@pytest.mark.skipif(not HAS_ONNX, reason="needs the extra 'deploy'")
def test_aligned_and_other_sizes_are_answered_alike(cache):
    """Those of ONNX Runtime's two models; what killed processes left long ago goes."""
    old, young = (cache / "exports" / name for name in (".new-old", ".new-young"))
    for folder in (old, young):
        folder.mkdir(parents=True)
    long_ago = time.time() - 2 * _ABANDONED
    os.utime(old, (long_ago, long_ago))
    model = Activated(with_its_halves)
    runtime = build_runtime(model, "onnxruntime")
    assert young.exists()
    assert not old.exists()
    for sides in ((32, 32), (33, 35)):
        images = np.random.default_rng(0).standard_normal((1, 3, *sides)).astype(np.float32)
        live = infer(model, paddle.to_tensor(images), InferenceOptions()).numpy()
        np.testing.assert_allclose(infer(runtime, images, InferenceOptions()), live, atol=1e-4)


class Different(nn.Layer):
    """What is exported is not what runs."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2D(3, 2, 1)

    def forward(self, x):
        return [self.conv(x) * (1.0 if paddle.in_dynamic_mode() else 1.5)]


@pytest.mark.parametrize("backend", RUNTIMES)
def test_an_export_that_differs_is_never_used(backend, cache, monkeypatch, caplog):
    """Asked for, it is an error; with auto the live network runs, with a warning. The cache keeps nothing."""
    model = Different()
    with pytest.raises(UserError, match="differs from the live network"):
        build_runtime(model, backend)
    assert not list((cache / "exports").iterdir())
    if backend == "onnxruntime":
        assert build_runtime(model, "auto") is model
        assert "differs from the live network" in caplog.text


@pytest.mark.parametrize("backend", RUNTIMES)
def test_a_failing_runtime_is_one_sentence(model, card, tmp_path, backend):
    """With the size that it failed on; a folder of images goes on then."""
    kind = "onnx" if backend == "onnxruntime" else "paddle"
    export(model, tmp_path / "out", card, ExportOptions((1, 3, 16, 24), "none", kind))
    out = tmp_path / "out"
    run = runtimes.OnnxRuntime(out / "model.onnx") if kind == "onnx" else runtimes.PaddleInference(out)
    with pytest.raises(UserError, match=f"{backend} fails on 1 of 24x17"):
        run(np.zeros((1, 4, 17, 24), np.float32))


def test_a_cpu_is_a_cpu():
    """--device cpu holds where onnxruntime-gpu is installed."""
    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    assert runtimes._providers(both, "cpu") == ["CPUExecutionProvider"]
    assert runtimes._providers(both, "gpu:1")[0] == ("CUDAExecutionProvider", {"device_id": 1})
    assert runtimes._providers(both[1:], "gpu:0") == ["CPUExecutionProvider"]


@pytest.mark.skipif(not HAS_ONNX, reason="needs the extra 'deploy'")
@pytest.mark.parametrize(
    ("available", "why"), [([], "install onnxruntime-gpu"), (["CUDA"], "cannot be loaded")]
)
def test_a_session_that_computes_elsewhere_is_told(monkeypatch, caplog, available, why):
    """onnxruntime itself goes on without a word: a GPU would be idle, and the figures a CPU's."""
    import onnxruntime

    class Session:
        def __init__(self, *_, **__):
            self.get_providers = lambda: ["CPUExecutionProvider"]

    runtimes._tell_of_cpu.cache_clear()
    names = [f"{name}ExecutionProvider" for name in (*available, "CPU")]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: names)
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    for device, told in (("cpu", 0), ("gpu:0", 1), ("gpu:0", 1)):  # once
        monkeypatch.setattr(paddle.device, "get_device", lambda device=device: device)
        runtimes._loader(1)(b"", Path())
        assert len(caplog.messages) == told
    assert "computes on the CPU and not on gpu:0" in caplog.text
    assert why in caplog.text


def test_auto_takes_the_fastest_and_says_why(model, caplog):
    """On a CPU that is ONNX Runtime, if it is installed."""
    caplog.set_level("INFO")
    runtime = build_runtime(model)
    if HAS_ONNX:
        assert runtime.name == "onnxruntime"
        assert "runtime: onnxruntime (the fastest" in caplog.text


def test_a_missing_runtime_names_the_extra(model, monkeypatch):
    """Asked for, it is an error; with auto, another one is taken and the reason told."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else find(name)
    )
    with pytest.raises(UserError, match=r"onnxruntime.*paddleseg_lite\[deploy\]"):
        build_runtime(model, "onnxruntime")
    chosen, reason = choice.choose("auto")
    assert chosen != "onnxruntime"
    assert "paddleseg_lite[deploy]" in reason


def test_an_unknown_runtime_is_refused(model):
    """The message lists those that exist."""
    with pytest.raises(UserError, match=r"tensorrt.*onnxruntime"):
        build_runtime(model, "tensorrt")
