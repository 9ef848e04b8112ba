"""How long each stage of prediction takes, how much a network computes, and how much the machine could."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import paddle
from paddle import nn

from paddleseg_lite.datasets.reading.images import read_image
from paddleseg_lite.datasets.reading.png import encode_png
from paddleseg_lite.inference.augment import PLAIN, Network, Runtime
from paddleseg_lite.inference.evaluate import predict_labels
from paddleseg_lite.inference.predict import DEFAULT_RESULTS, write_results
from paddleseg_lite.inference.segmentation import Segmentation
from paddleseg_lite.kernels.threads import thread_count
from paddleseg_lite.transforms import Compose
from paddleseg_lite.transforms.base import prediction_sample

STAGES = ("decode", "preprocess", "network", "postprocess", "write")


@dataclass(frozen=True)
class Profile:
    """Milliseconds of each stage for one image, and what the network computes in that time."""

    runtime: str  # its name
    size: tuple[int, int]  # (width, height) of the image
    input_size: tuple[int, int]  # (width, height) of what the network gets, after the transforms
    threads: int  # threads the runtime may use
    # median, p90: by stage, and "total"
    median: dict[str, float]
    p90: dict[str, float]
    gmacs: float  # multiply-adds of the network's convolutions and linear layers, 1e9
    gflops: float  # achieved, two floating-point operations to a multiply-add
    ceiling: float  # what a large matrix product achieves on this machine with these threads

    def table(self) -> str:
        """Return a table for a terminal."""
        lines = [
            f"{self.runtime}, {self._sizes()}, {self.threads} threads",
            f"{'stage':<12}{'median ms':>10}{'p90 ms':>10}",
        ]
        lines += [
            f"{name:<12}{self.median[name]:>10.1f}{self.p90[name]:>10.1f}" for name in (*STAGES, "total")
        ]
        share = 100 * self.gflops / self.ceiling
        lines.append(
            f"network: {self.gmacs:.2f} GMACs, {self.gflops:.1f} GFLOP/s, {share:.0f} % of the "
            f"{self.ceiling:.1f} GFLOP/s of a matrix product"
        )
        return "\n".join(lines)

    def _sizes(self) -> str:
        text = f"{self.size[0]}x{self.size[1]}"
        if self.input_size != self.size:
            text += f", which the config resizes to {self.input_size[0]}x{self.input_size[1]}"
        return text


def profile(
    network: Network | Runtime,
    model: nn.Layer,
    transforms: Compose,
    palette: np.ndarray,
    picture: np.ndarray,
    folder: Path,
    runs: int = 20,
    warmup: int = 3,
    ceiling: float | None = None,
) -> Profile:
    """Time every stage on one picture, RGB uint8 [H, W, 3]; a `ceiling` of None is measured."""
    path = folder / "picture.png"
    path.write_bytes(encode_png(picture))
    times: dict[str, list[float]] = {name: [] for name in (*STAGES, "total")}
    for run in range(warmup + runs):
        found, input_size = _one_run(network, transforms, palette, path)
        if run >= warmup:
            for name, seconds in zip(times, (*found, sum(found))):
                times[name].append(1e3 * seconds)
    median = {name: float(np.median(found)) for name, found in times.items()}
    p90 = {name: float(np.percentile(found, 90)) for name, found in times.items()}
    macs = count_macs(model, input_size, picture.shape[2]) / 1e9
    return Profile(
        runtime=getattr(network, "name", "paddle") if isinstance(network, Runtime) else "paddle",
        size=(picture.shape[1], picture.shape[0]),
        input_size=input_size[::-1],
        threads=thread_count(),
        median=median,
        p90=p90,
        gmacs=macs,
        gflops=2 * macs / (median["network"] / 1e3),
        ceiling=matrix_ceiling() if ceiling is None else ceiling,
    )


def _one_run(
    network: Network | Runtime, transforms: Compose, palette: np.ndarray, path: Path
) -> tuple[list[float], tuple[int, int]]:
    """Do what `inference.predict` does; return the seconds of each stage, and the network's input (h, w).

    On another device than the CPU "preprocess" ends when the image is there, and "postprocess" when its class
    ids are here; "network" has no such copies.
    """
    inner: list[float] = []  # when the transforms began and ended, then the network
    if isinstance(network, Runtime):
        timed: Any = SimpleNamespace(name=network.name, maps=_timed(network.maps, inner))
    else:
        timed = _timed(network, inner)
    began = time.perf_counter()
    image = read_image(path, 3)
    sample = prediction_sample(_timed(transforms, inner), image, str(path))
    labels = predict_labels(timed, [sample], PLAIN)[0]
    predicted = time.perf_counter()
    segmentation = Segmentation(labels, image, (), palette)
    write_results(segmentation, Path(path.name), path.parent, DEFAULT_RESULTS)
    written = time.perf_counter()
    decoded, _, reached, computed = inner
    marks = [began, decoded, reached, computed, predicted, written]
    return [after - before for before, after in zip(marks, marks[1:])], sample.size


def _timed(work: Callable[..., Any], marks: list[float]) -> Callable[..., Any]:
    """Return `work` as a function that also puts down when it began and ended, with all that a device did."""

    def call(*arguments: Any) -> Any:
        _wait_for_device()
        marks.append(time.perf_counter())
        result = work(*arguments)
        _wait_for_device()
        marks.append(time.perf_counter())
        return result

    return call


def _wait_for_device() -> None:
    if paddle.get_device() != "cpu":
        paddle.device.synchronize()


def count_macs(model: nn.Layer, size: tuple[int, int], in_channels: int = 3) -> int:
    """Return the multiply-adds of convolutions and linear layers for one image of size (height, width)."""
    total = 0

    def count(layer: Any, inputs: Any, output: Any) -> Any:
        nonlocal total
        weight = layer.weight  # Conv2D: [out, in / groups, k, k]; Linear: [in, out]
        if len(inputs) > 1:  # a 1x1 convolution of several maps, each at its own size
            total += sum(int(np.prod(x.shape)) * weight.shape[0] for x in inputs)
            return
        each = int(np.prod(weight.shape[1:] if isinstance(layer, nn.Conv2D) else weight.shape[:1]))
        total += each * int(np.prod(output.shape))

    layers = [layer for layer in model.sublayers() if isinstance(layer, (nn.Conv2D, nn.Linear))]
    hooks = [layer.register_forward_post_hook(count) for layer in layers]
    model.eval()
    try:
        with paddle.no_grad():
            model(paddle.zeros([1, in_channels, *size]))
    finally:
        for hook in hooks:
            hook.remove()
    return total


def matrix_ceiling() -> float:
    """Return the best GFLOP/s of a float32 matrix product, of Paddle's or on a CPU also NumPy's.

    With the threads in use; without copies to a device and from it.
    """
    is_cpu = paddle.get_device() == "cpu"
    side, runs = (1024 if is_cpu else 4096), 5  # a GPU is done with the smaller one before it is timed
    left, right = (np.random.default_rng(seed).standard_normal((side, side), np.float32) for seed in (0, 1))
    products: list[Callable[..., object]] = [
        partial(paddle.matmul, paddle.to_tensor(left), paddle.to_tensor(right))
    ]
    if is_cpu:
        products.append(partial(np.matmul, left, right))
    marks: list[float] = []
    for _ in range(runs):
        for product in products:
            _timed(product, marks)()
    best = min(after - before for before, after in zip(marks[::2], marks[1::2]))
    return 2 * side**3 / best / 1e9
