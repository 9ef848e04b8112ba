"""The NumPy cross entropy against Paddle's kernel."""

from __future__ import annotations

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest

from paddleseg_lite.kernels import cross_entropy as strips
from paddleseg_lite.kernels import threads
from paddleseg_lite.kernels.cross_entropy import pixel_cross_entropy


def make_batch(ignore_index: int) -> tuple[paddle.Tensor, paddle.Tensor]:
    """Return logits [2, 7, 13, 11] and labels [2, 13, 11], a fifth of them ignored."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 7, (2, 13, 11))
    label[rng.random(label.shape) < 0.2] = ignore_index
    logits = rng.normal(0, 4, (2, 7, 13, 11)).astype(np.float32)
    return paddle.to_tensor(logits, stop_gradient=False), paddle.to_tensor(label)


def value_and_gradient(loss: paddle.Tensor, logits: paddle.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return the loss of each pixel and the gradient of a weighted sum of them."""
    weights = paddle.arange(loss.size).reshape(loss.shape).astype("float32")
    (loss * weights).sum().backward()
    return loss.numpy(), logits.grad.numpy()


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("pixels", [1, 40, 143, 8192])
@pytest.mark.parametrize("ignore_index", [255, -1])
def test_value_and_gradient_are_paddle_s(
    pixels: int, ignore_index: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strips of one pixel, with a rest, without, and longer than an image; on one thread and two."""
    monkeypatch.setattr(strips, "_STRIP", pixels)
    monkeypatch.setattr(threads, "thread_count", lambda: count)
    logits, label = make_batch(ignore_index)
    loss, gradient = value_and_gradient(pixel_cross_entropy(logits, label, ignore_index), logits)
    logits, label = make_batch(ignore_index)
    reference = F.cross_entropy(
        logits, label.unsqueeze(1), ignore_index=ignore_index, reduction="none", axis=1
    ).squeeze(1)
    expected_loss, expected_gradient = value_and_gradient(reference, logits)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-5, atol=1e-4)  # weights up to 285
    ignored = label.numpy() == ignore_index
    assert (loss[ignored] == 0).all()
    assert (np.moveaxis(gradient, 1, -1)[ignored] == 0).all()
