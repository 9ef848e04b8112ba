"""Measure one library in one case of bench_train.py: one step for each line on stdin, JSON lines on stdout.

Runs in the environment of either library, and therefore imports it late, and nothing else of ours.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import paddle

ROOT = Path(__file__).resolve().parents[1]
CLASSES, MIN_KEPT = 19, 130000
LPSNET_M = {"depths": (1, 3, 3, 10, 10), "channels": (8, 24, 48, 96, 96), "scale_ratios": (1, 0.25)}


def main() -> None:
    """Build the case, then answer every line with the seconds of a step, its loss and the peak of memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", choices=("ours", "peer"), required=True)
    parser.add_argument("--case", choices=("ohem", "lpsnet_m", "lraspp_os32", "lraspp_os8"), required=True)
    parser.add_argument("--size", nargs=2, type=int, required=True, metavar=("W", "H"), help="pixels")
    parser.add_argument("--batch_size", type=int, required=True)
    parser.add_argument("--gradient", type=Path, help="where to write the OHEM loss's gradient, .npy")
    parser.add_argument("--keep_freed_memory", action="store_true", help="as our command-line tools do")
    args = parser.parse_args()
    if args.keep_freed_memory:
        sys.path.append(str(ROOT))
        from paddleseg_lite.cli.run import keep_freed_memory  # it knows no Paddle

        keep_freed_memory()
    paddle.set_device("cpu")
    step = ohem_step(args) if args.case == "ohem" else network_step(args)
    for _ in sys.stdin:
        start = time.perf_counter()
        loss = step()
        answer = {"seconds": time.perf_counter() - start, "loss": loss, "peak": peak_resident()}
        print("@" + json.dumps(answer), flush=True)


def ohem_step(args: argparse.Namespace) -> Callable[[], float]:
    """Return what runs the loss forward and backward on random logits and returns its value."""
    loss_fn = import_library(args.library)["OhemCrossEntropyLoss"](min_kept=MIN_KEPT)
    rng = np.random.default_rng(0)
    width, height = args.size
    labels = paddle.to_tensor(draw_labels(rng, args))
    shape = (args.batch_size, CLASSES, height, width)
    logits = paddle.to_tensor(rng.normal(0, 3, shape).astype(np.float32), stop_gradient=False)

    def step() -> float:
        logits.clear_gradient()
        loss = loss_fn(logits, labels)
        loss.backward()
        return float(loss)

    if args.gradient:
        step()
        np.save(args.gradient, logits.grad.numpy())
    return step


def network_step(args: argparse.Namespace) -> Callable[[], float]:
    """Return what updates a network's weights once and returns the loss."""
    library = import_library(args.library)
    if args.case == "lpsnet_m":
        model = library["LPSNet"](num_classes=CLASSES, **LPSNET_M)
    else:
        suffix = "_os8" if args.case.endswith("os8") else ""
        model = library["LRASPP"](CLASSES, library["MobileNetV3_large_x1_0" + suffix]())
    model.set_state_dict({key: draw(key, tensor.shape) for key, tensor in model.state_dict().items()})
    model.train()
    loss_fn = library["OhemCrossEntropyLoss"](min_kept=MIN_KEPT)
    decay = paddle.regularizer.L2Decay(5e-4)
    optimizer = paddle.optimizer.Momentum(0.005, 0.9, model.parameters(), weight_decay=decay)
    rng = np.random.default_rng(0)
    width, height = args.size
    images = paddle.to_tensor(rng.normal(0, 1, (args.batch_size, 3, height, width)).astype(np.float32))
    labels = paddle.to_tensor(draw_labels(rng, args))

    def step() -> float:
        loss = loss_fn(model(images)[0], labels)
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        return float(loss)

    return step


def import_library(name: str) -> dict[str, Any]:
    """Return the networks, backbones and losses of a library, by name."""
    if name == "peer":
        from paddleseg.models import losses, lpsnet, lraspp
        from paddleseg.models.backbones import mobilenetv3

        modules: tuple[Any, ...] = (lpsnet, lraspp, mobilenetv3, losses)
    else:
        from paddleseg_lite import losses, models
        from paddleseg_lite.models import mobilenetv3 as backbones

        modules = (models, backbones, losses)
    return {key: value for module in modules for key, value in vars(module).items()}


def draw(key: str, shape: list[int]) -> np.ndarray:
    """Draw a weight by its name, so that both libraries start from the same."""
    if len(shape) == 1:
        return np.full(shape, key.endswith(("weight", "_variance")), np.float32)
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    return rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape).astype(np.float32)


def draw_labels(rng: np.random.Generator, args: argparse.Namespace) -> np.ndarray:
    """Draw labels int64 [N, H, W] in blocks of 16 pixels, every tenth of them ignored."""
    width, height = args.size
    labels = rng.integers(0, CLASSES, (args.batch_size, -(-height // 16), -(-width // 16)))
    labels[rng.random(labels.shape) < 0.1] = 255
    return labels.repeat(16, 1).repeat(16, 2)[:, :height, :width].copy()


def peak_resident() -> int:
    """Return the largest resident memory of this process so far, in bytes (Linux)."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


if __name__ == "__main__":
    main()
