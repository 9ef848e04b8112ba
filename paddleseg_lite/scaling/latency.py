"""Measures a network's latency by the runtime that will be used."""

from __future__ import annotations

import logging
import os
import platform
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import paddle

from paddleseg_lite.config.build import Plan
from paddleseg_lite.config.core import Config
from paddleseg_lite.deploy.backend import build_runtime, choose
from paddleseg_lite.deploy.profile import count_macs
from paddleseg_lite.engine.environment import cpu_name
from paddleseg_lite.inference.augment import PLAIN
from paddleseg_lite.inference.evaluate import predict_labels
from paddleseg_lite.kernels.threads import thread_count
from paddleseg_lite.transforms import Sample

_WARMUP, _ROUNDS, _RUNS = 5, 15, 3  # runs before; rounds; runs of a round at least
_SECONDS = 0.05  # that a round takes at least
_HOME = "PADDLESEG_LITE_HOME"
_quiet = logging.getLogger("paddleseg_lite.deploy")


def with_model(config: Config, model: Mapping[str, Any]) -> Config:
    """Return a config with another section `model`."""
    return Config(config.path, {**config.standalone(), "model": dict(model)}, {})


def condition(backend: str, size: tuple[int, int]) -> str:
    """Return what a latency depends on besides the network: runtime, size, threads and machine.

    Raises:
        UserError: there is no such backend.
    """
    runtime = choose(backend)[0]
    device = paddle.get_device()
    name = cpu_name() if device == "cpu" else f"{device} of a machine with {cpu_name()}"
    version = _version_of(runtime)
    return f"{runtime} {version}, {size[0]}x{size[1]}, {thread_count()} threads, {name} ({platform.node()})"


def _version_of(runtime: str) -> str:
    if runtime != "onnxruntime":
        return str(paddle.__version__)
    import onnxruntime

    return str(onnxruntime.__version__)


def measure(config: Config, backend: str, size: tuple[int, int]) -> list[float]:
    """Return the medians, in milliseconds, of rounds of runs of a config's network with random weights.

    A run takes a normalised image in memory, of size (width, height), to its class ids.

    Raises:
        UserError: there is no such backend, it is not installed, or it does not run this network.
    """
    plan = Plan(config)
    channels = plan.info("val_dataset").in_channels
    model = plan.model(pretrained=False)
    with _passing_exports():
        network = build_runtime(model, backend, channels)
    rng = np.random.default_rng(0)
    image = rng.standard_normal((size[1], size[0], channels)).astype(np.float32)
    sample = Sample.from_source(image)
    for _ in range(_WARMUP):
        predict_labels(network, [sample], PLAIN)
    medians = []
    for _ in range(_ROUNDS):
        times: list[float] = []
        while len(times) < _RUNS or sum(times) < _SECONDS:
            started = time.perf_counter()
            predict_labels(network, [sample], PLAIN)  # its end waits for the device
            times.append(time.perf_counter() - started)
        medians.append(1e3 * float(np.median(times)))
    return medians


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
