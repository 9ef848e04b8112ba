"""Measures a network's latency by the runtime that will be used."""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import paddle
from paddle import nn

from paddleseg_lite.config.build import Plan
from paddleseg_lite.config.core import Config
from paddleseg_lite.datasets.info import DatasetInfo
from paddleseg_lite.deploy.backend import build_runtime
from paddleseg_lite.deploy.profile import count_macs
from paddleseg_lite.engine.environment import cpu_name
from paddleseg_lite.inference.augment import PLAIN
from paddleseg_lite.inference.evaluate import predict_labels
from paddleseg_lite.kernels.threads import thread_count
from paddleseg_lite.scaling.cost import KEPT
from paddleseg_lite.transforms import Sample

_WARMUP, _RUNS = 5, 3  # runs before; runs of a round at least
_SECONDS = 0.05  # that a round takes at least
_ALIKE, _PATIENCE = 1.03, 45.0  # how far the fastest rounds may be from each other; seconds to wait for it
_STEADY = 0.01  # what batch normalisation leaves of the activations' differences
_HOME = "PADDLESEG_LITE_HOME"
_quiet = logging.getLogger("paddleseg_lite.deploy")


def with_model(config: Config, model: Mapping[str, Any]) -> Config:
    """Return a config with another section `model`."""
    return Config(config.path, {**config.standalone(), "model": dict(model)}, {})


def condition(runtime: str, size: tuple[int, int], info: DatasetInfo) -> str:
    """Return what a latency depends on besides the network: runtime, image, classes, threads and machine.

    Args:
        runtime: one of those that `deploy.backend.choose` returns.
        size: (width, height) of the image.
        info: what the data declare.
    """
    device = paddle.get_device()
    name = cpu_name() if device == "cpu" else f"{device} of a machine with {cpu_name()}"
    version = _version_of(runtime)
    image = f"{size[0]}x{size[1]}x{info.in_channels}, {info.num_classes} classes"
    return f"{runtime} {version}, {image}, {thread_count()} threads, {name}"


def _version_of(runtime: str) -> str:
    if runtime != "onnxruntime":
        return str(paddle.__version__)
    import onnxruntime

    return str(onnxruntime.__version__)


def measure(config: Config, runtime: str, size: tuple[int, int]) -> list[float]:
    """Return the times, in milliseconds, of the fastest rounds of a network of random weights.

    A run takes a normalised image in memory, of size (width, height), to its class ids; a round's time is
    that of its fastest run. There are rounds until ten agree with the fastest one: where other programs run,
    or other machines on the same processor, most of them are slower, some by half. The runtime is no "auto",
    with which a network that cannot be exported would run live, and not compare with the others.

    Raises:
        UserError: the runtime is not installed, or does not run this network.
    """
    plan = Plan(config)
    channels = plan.info("val_dataset").in_channels
    model = _steadied(plan.model(pretrained=False))
    with _passing_exports():
        network = build_runtime(model, runtime, channels)
    rng = np.random.default_rng(0)
    image = rng.standard_normal((size[1], size[0], channels)).astype(np.float32)
    sample = Sample.from_source(image)
    for _ in range(_WARMUP):
        predict_labels(network, [sample], PLAIN)
    rounds: list[float] = []
    spent = 0.0
    while len(rounds) < KEPT or (rounds[KEPT - 1] > _ALIKE * rounds[0] and spent < _PATIENCE):
        times: list[float] = []
        while len(times) < _RUNS or sum(times) < _SECONDS:
            started = time.perf_counter()
            predict_labels(network, [sample], PLAIN)  # its end waits for the device
            times.append(time.perf_counter() - started)
        rounds = sorted([*rounds, 1e3 * min(times)])
        spent += sum(times)
    paddle.device.cuda.empty_cache()  # trainings are other processes; does nothing without a GPU
    return rounds[:KEPT]


def _steadied(model: nn.Layer) -> nn.Layer:
    """Return a network of random weights whose activations stay near 1 through any number of layers.

    They would grow with each otherwise, until an export differs from the network by its rounding.
    """
    norms: list[Any] = [layer for layer in model.sublayers() if isinstance(layer, nn.BatchNorm2D)]
    for layer in norms:
        layer.weight.set_value(paddle.full_like(layer.weight, _STEADY))
        layer.bias.set_value(paddle.ones_like(layer.bias))
    return model


@contextmanager
def _passing_exports() -> Iterator[None]:
    """Let exports be kept for as long as they are loaded: hundreds of random networks fill a cache."""
    before, level = os.environ.get(_HOME), _quiet.level
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        os.environ[_HOME] = folder
        _quiet.setLevel(logging.WARNING)
        try:
            yield
        finally:
            _quiet.setLevel(level)
            if before is None:
                del os.environ[_HOME]
            else:
                os.environ[_HOME] = before


def gmacs(config: Config, size: tuple[int, int]) -> float:
    """Return the multiply-adds of a config's network, in 1e9, for an image of size (width, height)."""
    plan = Plan(config)
    return count_macs(plan.model(pretrained=False), size[::-1], plan.info("val_dataset").in_channels) / 1e9
