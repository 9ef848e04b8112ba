"""A bad batch: a loss that is NaN, or would be if ReLU did not hide it, ends the run or is passed over."""

from __future__ import annotations

import json

import numpy as np
import paddle
import pytest

from paddleseg_lite.checkpoint import latest_checkpoint, read_weights
from paddleseg_lite.datasets.loading.loader import train_batches
from paddleseg_lite.errors import Diverged
from paddleseg_lite.losses import CrossEntropyLoss
from tests.engine.toy import DropoutNet, toy_run
from tests.toys import PixelNet, Squares


class Poisoned(Squares):
    """The images of some files hold a NaN after their transforms."""

    def __init__(self, bad: set[str]) -> None:
        super().__init__("train")
        self.bad = bad

    def sample(self, index: int, epoch: int = 0, seed: int = 0):
        sample = super().sample(index, epoch, seed)
        if sample.path in self.bad:
            sample.image[0, 0, 0] = np.nan
        return sample


def test_a_loss_that_is_not_finite_ends_the_run_after_saving(tmp_path):
    """Iteration, samples and last losses are told; what is saved is as good as before the bad batch."""
    dataset = Poisoned({"train_4.png"})
    with pytest.raises(Diverged) as caught:
        toy_run(tmp_path, iters=6, dataset=dataset, loss="ohem")
    message = str(caught.value)
    assert "the loss is nan at iteration" in message
    assert "train_4.png" in message
    newest = latest_checkpoint(tmp_path)
    assert f"at iteration {int(newest.name[5:]) + 1}," in message
    assert "the last losses were" in message
    for value in read_weights(newest / "model.pdparams").values():
        assert np.isfinite(value).all(), "a forward pass with NaN spoils running statistics"
    assert "the loss is nan" in (tmp_path / "train.log").read_text()


def test_some_losses_that_are_not_finite_can_be_passed_over(tmp_path, caplog):
    """The run's number counts, also over an interruption; weights stay finite."""
    dataset = Poisoned({"train_4.png"})  # once in each epoch of 3 iterations
    with caplog.at_level("WARNING"):
        toy_run(tmp_path, iters=5, dataset=dataset, skip_nonfinite=2)
    assert "passed over, 1 of 2 tolerated" in caplog.text
    with pytest.raises(Diverged, match="the loss is nan"):
        toy_run(tmp_path, iters=9, dataset=dataset, skip_nonfinite=2, resume="auto")
    end = latest_checkpoint(tmp_path)
    assert all(np.isfinite(value).all() for value in read_weights(end / "model.pdparams").values())


def test_a_bad_batch_does_not_hide_behind_relu(tmp_path):
    """Paddle's ReLU makes 0 of NaN: the loss of PixelNet is finite, its batch statistics are not."""
    dataset = Poisoned({f"train_{n}.png" for n in range(6)})
    batch = next(train_batches(dataset, 2, start_iter=0, iters=1))
    images, labels = paddle.to_tensor(batch.images), paddle.to_tensor(batch.labels.astype("int64"))
    loss = CrossEntropyLoss()(PixelNet()(images)[0], labels)
    assert np.isfinite(loss.item())
    toy_run(tmp_path, iters=3, dataset=dataset, skip_nonfinite=3)
    paddle.seed(1)
    untrained = {key: value.numpy() for key, value in PixelNet().state_dict().items()}
    for key, value in read_weights(tmp_path / "iter_3" / "model.pdparams").items():
        np.testing.assert_array_equal(value, untrained[key], err_msg=key)
    (line,) = (json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines())
    assert line["loss"] is None, "not a loss of 0 and billions of images per second"
    assert line["ips"] * line["batch_cost"] == pytest.approx(2)
    assert 1e-4 < line["batch_cost"] < 60


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    """A run that has diverged must not replace its good checkpoints by bad ones."""

    def diverged() -> DropoutNet:
        model = DropoutNet()
        model.head.weight.set_value(paddle.full(model.head.weight.shape, float("nan")))
        return model

    with pytest.raises(Diverged, match="nothing was saved"):
        toy_run(tmp_path, net=diverged)
    assert latest_checkpoint(tmp_path) is None


@pytest.mark.parametrize("options", [{"skip_nonfinite": 1000}, {"save_interval": 1}])
def test_a_run_that_diverges_keeps_its_good_checkpoints(tmp_path, monkeypatch, options):
    """However many bad losses are tolerated, and even if the update before a save was the one too many."""
    toy_run(tmp_path, iters=4, keep_checkpoint_max=1, **options)
    good = latest_checkpoint(tmp_path)
    update = paddle.optimizer.Momentum.step

    def diverging(optimizer):
        update(optimizer)
        optimizer._parameter_list[0].set_value(paddle.full_like(optimizer._parameter_list[0], np.inf))

    monkeypatch.setattr(paddle.optimizer.Momentum, "step", diverging)
    with pytest.raises(Diverged, match=r"weights are not finite, so that nothing was saved.*learning rate"):
        toy_run(tmp_path, iters=20, keep_checkpoint_max=1, resume="auto", **options)
    assert latest_checkpoint(tmp_path) == good
    for value in read_weights(good / "model.pdparams").values():
        assert np.isfinite(value).all()
