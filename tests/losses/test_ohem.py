"""OHEM cross entropy against a NumPy reference written from its definition."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from paddleseg_lite.errors import UserError
from paddleseg_lite.losses import OhemCrossEntropyLoss

CLASSES, SHAPE = 5, (2, 12, 17)
WEIGHT = [1.0, 2.0, 0.5, 3.0, 0.25]


def make_batch(ignored: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """Return logits [N, C, H, W] and labels [N, H, W], some ignored."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (SHAPE[0], CLASSES, *SHAPE[1:])).astype(np.float32)
    label = rng.integers(0, CLASSES, SHAPE)
    label[rng.random(SHAPE) < ignored] = 255
    return logits, label


def reference(
    logits: np.ndarray, label: np.ndarray, thresh: float, min_kept: int, weight: list[float] | None
) -> tuple[float, np.ndarray, int]:
    """Return the loss, its gradient by the logits, and how many pixels are kept, in float64."""
    scores = np.moveaxis(logits.astype(np.float64), 1, -1)
    softmax = np.exp(scores - scores.max(-1, keepdims=True))
    softmax /= softmax.sum(-1, keepdims=True)
    valid = label != 255
    one_hot = np.eye(CLASSES)[np.where(valid, label, 0)]
    p = (softmax * one_hot).sum(-1)
    kept = valid
    if valid.sum() > min_kept > 0:
        limit = max(thresh, np.sort(p[valid])[min_kept - 1])
        kept = valid & (p < limit)
    factor = np.ones(CLASSES) if weight is None else np.array(weight)
    scale = kept * (one_hot @ factor) / (kept.sum() + 1e-5 * kept.size)
    gradient = np.moveaxis((softmax - one_hot) * scale[..., None], -1, 1)
    with np.errstate(divide="ignore", invalid="ignore"):  # p may underflow to 0
        loss = (-np.log(p) * scale).sum()
    return float(loss), gradient, int(kept.sum())


@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("thresh", [0.05, 0.7])
@pytest.mark.parametrize("min_kept", [0, 1, 150, 300, "valid - 1", "valid", "valid + 1", 10000])
def test_value_and_gradient_match_the_definition(
    min_kept: int | str, thresh: float, weight: list[float] | None
) -> None:
    """The limit by `thresh`, by the min_kept-th smallest, and neither; the counts at the edges."""
    logits, label = make_batch()
    valid = int((label != 255).sum())
    if isinstance(min_kept, str):
        min_kept = {"valid - 1": valid - 1, "valid": valid, "valid + 1": valid + 1}[min_kept]
    expected, gradient, kept = reference(logits, label, thresh, min_kept, weight)
    loss_fn = OhemCrossEntropyLoss(thresh, min_kept, weight=weight)
    x = paddle.to_tensor(logits, stop_gradient=False)
    loss = loss_fn(x, paddle.to_tensor(label))
    loss.backward()
    assert loss.shape == []
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(x.grad.numpy(), gradient, rtol=1e-4, atol=1e-7)
    assert float(loss_fn.kept_fraction) == pytest.approx(kept / label.size)


def test_the_cases_above_keep_different_pixels() -> None:
    """Guards the test itself: a batch on which every branch gave the same would prove nothing."""
    logits, label = make_batch()
    valid = int((label != 255).sum())
    kept = {reference(logits, label, t, k, None)[2] for t in (0.05, 0.7) for k in (1, 300, valid - 1, valid)}
    assert len(kept) >= 4
    assert max(kept) == valid


def test_labels_may_be_uint8_and_logits_half() -> None:
    """Labels come as uint8 from disk; mixed precision brings half floats."""
    logits, label = make_batch()
    loss_fn = OhemCrossEntropyLoss(min_kept=50)
    expected = float(loss_fn(paddle.to_tensor(logits), paddle.to_tensor(label)))
    assert float(loss_fn(paddle.to_tensor(logits), paddle.to_tensor(label.astype(np.uint8)))) == expected
    half = paddle.to_tensor(logits).astype("bfloat16")
    loss = loss_fn(half, paddle.to_tensor(label))
    assert loss.dtype == paddle.float32
    assert float(loss) == pytest.approx(expected, rel=0.02)


def test_all_pixels_ignored_gives_zero_and_no_gradient() -> None:
    """A crop of nothing but void must not turn the weights into NaN."""
    logits, label = make_batch(ignored=1.1)
    x = paddle.to_tensor(logits, stop_gradient=False)
    loss = OhemCrossEntropyLoss(min_kept=10)(x, paddle.to_tensor(label))
    loss.backward()
    assert float(loss) == 0
    assert float(x.grad.abs().sum()) == 0


def test_large_logits_stay_finite() -> None:
    """The probability underflows to 0; its logarithm must not, and the pixel must still learn."""
    logits, label = make_batch()
    x = paddle.to_tensor(logits * 1000, stop_gradient=False)
    loss = OhemCrossEntropyLoss(min_kept=10)(x, paddle.to_tensor(label))
    loss.backward()
    assert np.isfinite(float(loss))
    assert float(loss) > 10
    np.testing.assert_allclose(x.grad.numpy(), reference(logits * 1000, label, 0.7, 10, None)[1], atol=1e-7)


def test_nan_logits_show_in_the_loss() -> None:
    """A pixel that is NaN is no easy pixel: dropping it would hide that training has failed."""
    logits, label = make_batch()
    logits[0, :, 3, 3], label[0, 3, 3] = np.nan, 1
    loss = OhemCrossEntropyLoss(min_kept=10)(paddle.to_tensor(logits), paddle.to_tensor(label))
    assert np.isnan(float(loss))


@pytest.mark.parametrize("arguments", [{"thresh": 1.5}, {"thresh": "a"}, {"min_kept": -1}, {"min_kept": 0.5}])
def test_arguments_out_of_range_are_refused(arguments: dict) -> None:
    """A percentage instead of a probability would keep everything, silently."""
    with pytest.raises(UserError, match=next(iter(arguments))):
        OhemCrossEntropyLoss(**arguments)


def test_min_kept_0_keeps_all_pixels() -> None:
    """As in PaddleSeg, whose configs bring it: the threshold alone chooses nothing."""
    logits, label = make_batch()
    loss_fn = OhemCrossEntropyLoss(thresh=0.05, min_kept=0)
    loss_fn(paddle.to_tensor(logits), paddle.to_tensor(label))
    assert float(loss_fn.kept_fraction) == pytest.approx((label != 255).mean())
