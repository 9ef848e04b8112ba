"""Which pixels OHEM learns from, beside the same choice by NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import paddle

from paddleseg_lite.doctor.finding import Finding
from paddleseg_lite.losses import OhemCrossEntropyLoss

_SHAPE = (2, 19, 96, 160)
_THRESH = 0.7
# Few: the threshold decides; most: the min_kept-th smallest probability; more than are valid: all of them.
_MIN_KEPT = (1000, 25_000, 30_000)
_TIES = 4  # pixels as sure as the limit, but for rounding


def selection(folder: Path) -> Finding:
    """Compare the pixels that get a gradient, and the loss, with NumPy's in float64."""
    rng = np.random.default_rng(0)
    logits = (2 * rng.standard_normal(_SHAPE)).astype(np.float32)
    label = rng.integers(0, _SHAPE[1], (_SHAPE[0], *_SHAPE[2:]))
    sure = rng.uniform(0, 12, (*label.shape, 1)) * np.eye(_SHAPE[1])[label]  # as a trained network is
    logits += sure.transpose(0, 3, 1, 2).astype(np.float32)
    label[:, :5] = 255
    pixels, error, shares = 0, 0.0, []
    for min_kept in _MIN_KEPT:
        tensor = paddle.to_tensor(logits, stop_gradient=False)
        loss = OhemCrossEntropyLoss(_THRESH, min_kept)(tensor, paddle.to_tensor(label))
        loss.backward()
        gradient: Any = tensor.grad
        kept = (gradient.numpy() != 0).any(axis=1)
        right, right_loss = _chosen(logits.astype(np.float64), label, min_kept)
        pixels = max(pixels, int((kept != right).sum()))
        error = max(error, abs(float(loss) / right_loss - 1))
        shares.append(f"{kept.mean():.0%}")
    is_right = pixels <= _TIES and error <= 1e-4
    told = f"keeps {', '.join(shares)} of the pixels, at most {pixels} of them otherwise than NumPy"
    return Finding(is_right, f"{told}; the loss is off by {error:.1e}")


def _chosen(logits: np.ndarray, label: np.ndarray, min_kept: int) -> tuple[np.ndarray, float]:
    """Return the mask of the kept pixels, [N, H, W], and the loss."""
    valid = label != 255
    scores = logits - logits.max(axis=1, keepdims=True)
    logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    loss = -np.take_along_axis(logs, np.where(valid, label, 0)[:, None], axis=1)[:, 0]
    p = np.exp(-loss)
    kept = valid
    if valid.sum() > min_kept:
        kept = valid & (p < max(_THRESH, np.sort(p[valid])[min_kept - 1]))
    return kept, float(loss[kept].sum() / (kept.sum() + 1e-5 * kept.size))
