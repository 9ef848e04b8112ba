"""The losses on a device: the CPU's values, and nothing is copied but what a caller asks for."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import paddle
import pytest

from paddleseg_lite.losses import CrossEntropyLoss, OhemCrossEntropyLoss
from tests.device.fake import Copies, recorded

WEIGHT = [1.0, 2.0, 0.5, 3.0, 0.25]
LOSSES = {
    "cross entropy": (CrossEntropyLoss, {"weight": WEIGHT}),
    "hard": (OhemCrossEntropyLoss, {"thresh": 0.05, "min_kept": 150, "weight": WEIGHT}),
    "hard or unsure": (OhemCrossEntropyLoss, {"thresh": 0.7, "min_kept": 30}),
    "all that are valid": (OhemCrossEntropyLoss, {"thresh": 0.05, "min_kept": 400}),
}


def batch() -> tuple[np.ndarray, np.ndarray]:
    """Return logits [2, 5, 12, 17] and labels, a fifth of them ignored; of some pixels p is equal."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (2, 5, 12, 17)).astype(np.float32)
    label = rng.integers(0, 5, (2, 12, 17))
    label[rng.random(label.shape) < 0.2] = 255
    logits[:, :, 6:], label[:, 6:] = logits[:, :, :6], label[:, :6]
    return logits, label


def computed(name: str) -> dict[str, Any]:
    """Return a loss, the share of pixels that it kept, its gradient, and the copies of its second call."""
    kind, options = LOSSES[name]
    loss_of = kind(**options)
    logits, label = batch()
    target = paddle.to_tensor(label)
    loss_of(paddle.to_tensor(logits), target)
    x = paddle.to_tensor(logits, stop_gradient=False)
    with nullcontext(Copies()) if paddle.get_device() == "cpu" else recorded() as copies:
        loss = loss_of(x, target)
        loss.backward()
    kept = getattr(loss_of, "kept_fraction", None)
    return {
        "loss": float(loss),
        "kept": None if kept is None else float(kept),
        "gradient": x.grad.numpy(),
        "up": copies.uploads(),
        "down": copies.downloads(),
    }


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_the_cpus_and_copy_nothing(fake_device, name: str) -> None:
    """The limit of the hard pixels stays on the device, and so do the weights of classes."""
    here = computed(name)
    there = fake_device(computed, name)
    assert there["loss"] == pytest.approx(here["loss"], rel=1e-5)
    assert there["kept"] == here["kept"]
    np.testing.assert_allclose(there["gradient"], here["gradient"], rtol=1e-4, atol=1e-7)
    assert there["up"] == []
    assert there["down"] == []
