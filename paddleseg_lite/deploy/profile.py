"""How long each stage of prediction takes, how much a network computes, and how much the machine could."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn

from paddleseg_lite.datasets.reading.images import encode_png, read_image
from paddleseg_lite.inference.augment import Network, Runtime
from paddleseg_lite.inference.logits import Dense, best_classes
from paddleseg_lite.kernels.threads import thread_count
from paddleseg_lite.transforms import Compose, Sample
from paddleseg_lite.visualize import overlay

PICTURE = "picture.png"
STAGES = ("decode", "preprocess", "network", "postprocess", "write")


@dataclass(frozen=True)
class Profile:
    """Milliseconds of each stage for one image, and what the network computes in that time.

    Attributes:
        runtime: its name.
        size: (width, height) of the image.
        input_size: (width, height) of what the network gets, after the transforms.
        threads: threads the runtime may use.
        median, p90: by stage, and "total".
        gmacs: multiply-adds of the network's convolutions and linear layers, 1e9.
        gflops: achieved, two floating-point operations to a multiply-add.
        ceiling: what a large matrix product achieves on this machine with these threads.
    """

    runtime: str
    size: tuple[int, int]
    input_size: tuple[int, int]
    threads: int
    median: dict[str, float]
    p90: dict[str, float]
    gmacs: float
    gflops: float
    ceiling: float

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
    """Time every stage on one image.

    Args:
        network: what is timed: a runtime, or the live network.
        model: the live network, whose multiply-adds are counted.
        transforms: as in evaluation.
        palette: uint8 [K, 3], RGB.
        picture: RGB uint8 [H, W, 3].
        folder: a temporary folder to write results to.
        runs: timed runs.
        warmup: runs before.
        ceiling: what `matrix_ceiling` returned; None measures it.
    """
    (folder / PICTURE).write_bytes(encode_png(picture))
    times: dict[str, list[float]] = {name: [] for name in (*STAGES, "total")}
    for run in range(warmup + runs):
        marks = _one_run(network, transforms, palette, folder)
        if run >= warmup:
            for name, start, stop in zip(STAGES, marks, marks[1:]):
                times[name].append(1e3 * (stop - start))
            times["total"].append(1e3 * (marks[-1] - marks[0]))
    median = {name: float(np.median(found)) for name, found in times.items()}
    p90 = {name: float(np.percentile(found, 90)) for name, found in times.items()}
    source = transforms(Sample.from_source(picture, label_at_source=True), np.random.default_rng(0))
    macs = count_macs(model, source.image.shape[:2], picture.shape[2]) / 1e9
    return Profile(
        runtime=getattr(network, "name", "paddle") if isinstance(network, Runtime) else "paddle",
        size=(picture.shape[1], picture.shape[0]),
        input_size=(source.image.shape[1], source.image.shape[0]),
        threads=thread_count(),
        median=median,
        p90=p90,
        gmacs=macs,
        gflops=2 * macs / (median["network"] / 1e3),
        ceiling=matrix_ceiling() if ceiling is None else ceiling,
    )


def _one_run(
    network: Network | Runtime, transforms: Compose, palette: np.ndarray, folder: Path
) -> list[float]:
    """Return the times at which the stages began, and the end."""
    marks = [time.perf_counter()]
    image = read_image(folder / PICTURE)  # as the tools do
    marks.append(time.perf_counter())
    sample = transforms(Sample.from_source(image, label_at_source=True), np.random.default_rng(0))
    batch = np.ascontiguousarray(sample.image.transpose(2, 0, 1)[None], np.float32)
    marks.append(time.perf_counter())
    if isinstance(network, Runtime):
        logits = network.maps(batch, [])[0]
    else:
        with paddle.no_grad():
            logits = Dense(network(paddle.to_tensor(batch))[0].numpy()[0])
    marks.append(time.perf_counter())
    if sample.windows:
        full = np.ascontiguousarray(logits.rows(0, logits.shape[1]))
        labels = best_classes(Dense(sample.restore(full)))
    else:
        labels = best_classes(logits)
    marks.append(time.perf_counter())
    (folder / "labels.png").write_bytes(encode_png(labels))
    (folder / "overlay.png").write_bytes(encode_png(overlay(image, labels, palette)))
    marks.append(time.perf_counter())
    return marks


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


def matrix_ceiling(side: int = 1024, runs: int = 5) -> float:
    """Return the best GFLOP/s of a float32 matrix product, NumPy's or Paddle's, with the threads in use."""
    left, right = (np.random.default_rng(seed).standard_normal((side, side), np.float32) for seed in (0, 1))
    tensors = paddle.to_tensor(left), paddle.to_tensor(right)
    products: list[Callable[[], object]] = [
        lambda: left @ right,
        lambda: paddle.matmul(*tensors).numpy(),
    ]
    best = min(_seconds(product) for product in products for _ in range(runs))
    return 2 * side**3 / best / 1e9


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
