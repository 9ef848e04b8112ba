"""An iteration of training on the device beside the same one on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import paddle
from paddle import nn

from paddleseg_lite.doctor.checks.runs import (
    logits_of,
    lpsnet,
    lraspp,
    run,
    same_weights,
    spread_of_difference,
)
from paddleseg_lite.doctor.finding import Finding

_SIZE = (256, 128)
# Errors that rounding may make: the deep LPSNet-S has gradients off by 3e-2 and logits by 1e-3 between two
# sets of kernels that are both right. What a wrong kernel makes is off by its own size.
_LOSS, _GRADIENT, _LOGITS = 1e-4, 2e-1, 1e-2


def step(make: Callable[[], nn.Layer], folder: Path) -> Finding:
    """Compare the loss, what the update changes, and the logits before it."""
    device = paddle.get_device()
    right_loss, right_change, right_logits = _outcome(make, "cpu", folder / "cpu")
    found_loss, change, logits = _outcome(make, device, folder / "device")
    loss = abs(found_loss / right_loss - 1)
    gradient = float(np.linalg.norm(change - right_change) / np.linalg.norm(right_change))
    output = spread_of_difference(logits, right_logits)
    seen = f"off by {loss:.1e} (loss), {gradient:.1e} (gradients), {output:.1e} (logits)"
    return Finding(loss <= _LOSS and gradient <= _GRADIENT and output <= _LOGITS, seen)


def _outcome(make: Callable[[], nn.Layer], device: str, folder: Path) -> tuple[float, np.ndarray, np.ndarray]:
    """Return an iteration's loss, what it changed in the weights, and the logits before it."""
    model = same_weights(make, device)
    logits = logits_of(model, _SIZE)
    before = _weights(model)
    records = run(model, _SIZE, folder, iters=1)
    return records[0]["loss"], _weights(model) - before, logits


def _weights(model: nn.Layer) -> np.ndarray:
    return np.concatenate([x.numpy().ravel() for x in model.parameters() if not x.stop_gradient])


step_lpsnet = partial(step, lpsnet)
step_lraspp = partial(step, lraspp)
