"""An iteration: what it reads, when, and that a bad one changes nothing."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import paddle
import pytest

from paddleseg_lite.checkpoint import latest_checkpoint
from paddleseg_lite.datasets.loading.loader import train_batches
from paddleseg_lite.engine import feed
from paddleseg_lite.engine.feed import Pass
from paddleseg_lite.engine.step import TrainStep
from paddleseg_lite.errors import UserError
from paddleseg_lite.losses import Criterion, CrossEntropyLoss, OhemCrossEntropyLoss
from paddleseg_lite.optim import Momentum
from tests.engine.test_nonfinite import Poisoned
from tests.engine.test_survival import assert_same_end, metrics
from tests.engine.toy import DropoutNet, toy_run
from tests.toys import PixelNet, Squares


def make_step(momentum: float = 0.9) -> TrainStep:
    """Return the step of a network with two losses, one of which chooses."""
    paddle.seed(3)
    model = PixelNet()
    forward = model.forward
    model.forward = lambda x: forward(x) * 2
    optimizer = Momentum(0.1, model.parameters(), momentum)
    return TrainStep(
        model, Criterion([CrossEntropyLoss(), OhemCrossEntropyLoss(min_kept=10)], [1.0, 0.5]), optimizer
    )


def iterations(count: int, bad_pass: int | None = None) -> list[list[Pass]]:
    """Return iterations of three passes; one pass of the second may hold a NaN."""
    batches = list(train_batches(Squares("train"), 2, 0, count, accumulate=3))
    if bad_pass is not None:
        batches[3 + bad_pass].images[0, 0, 0, 0] = np.nan
    return [[Pass(batch) for batch in batches[start : start + 3]] for start in range(0, 3 * count, 3)]


def everything(step: TrainStep) -> list[np.ndarray]:
    """Return weights, batch statistics and the optimizer's state, whose names differ from net to net."""
    values = [*step.model.state_dict().values(), *step.optimizer.state_dict().values()]
    return [value.numpy() for value in values if isinstance(value, paddle.Tensor)]


@pytest.mark.parametrize("bad_pass", [0, 1, 2])
def test_an_iteration_with_a_bad_pass_changes_nothing(bad_pass: int) -> None:
    """Whichever pass it is: the others' gradients, all statistics and what follows are as without it."""
    ends = []
    for bad in (None, bad_pass):
        step = make_step()
        passes = iterations(3, bad)
        if bad is None:
            del passes[1]
        for number, one in enumerate(passes):
            upcoming = passes[number + 1] if number + 1 < len(passes) else None
            before = everything(step)
            done = step.learn(one, upcoming, lambda: False)
            assert done.is_finite == (bad is None or number != 1)
            if done.is_finite:
                step.update()
                continue
            assert np.isnan(done.losses).all()
            for value, expected in zip(everything(step), before, strict=True):
                np.testing.assert_array_equal(value, expected)
            assert not any(x.grad.any() for x in step.model.parameters() if x.grad is not None)
        ends.append(everything(step))
    for value, expected in zip(*ends, strict=True):
        np.testing.assert_array_equal(value, expected)


def test_numbers_of_an_iteration_are_means_over_its_passes() -> None:
    """Each loss in its place, times its factor; the kept share of the one that chooses."""
    step, (passes,) = make_step(), iterations(1)
    (others,) = iterations(1)
    expected = []
    with paddle.no_grad():
        for one in others:
            one.count(step.criterion)
            losses, _ = step.forward(*one.take(), [1.0, 1.0])
            expected.append([*map(float, losses), float(step.criterion.losses[1].kept_fraction)])
    step = make_step()
    done = step.learn(passes, None, lambda: True)
    assert (done.is_finite, done.stop) == (True, True)
    np.testing.assert_allclose([*done.losses, done.kept], np.mean(expected, 0), rtol=1e-6)


def test_an_upload_is_no_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the log warns of a lack of data where a slow bus is the cause, and more workers would not help."""

    def slow(array: np.ndarray) -> paddle.Tensor:
        time.sleep(0.02)
        return paddle.to_tensor(array)

    monkeypatch.setattr(feed, "upload", slow)
    toy_run(tmp_path, iters=4, save_interval=4, log_iters=4)
    (line,) = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert line["batch_cost"] > 0.04, "images and labels"
    assert line["reader_cost"] < 0.02


class Slow(Squares):
    """Its images take their time."""

    def sample(self, index: int, epoch: int = 0, seed: int = 0):
        time.sleep(0.02)
        return super().sample(index, epoch, seed)


def test_waiting_for_data_is_reading(tmp_path: Path) -> None:
    """What the log says of it is what the device waits."""
    toy_run(tmp_path, iters=4, save_interval=4, log_iters=4, dataset=Slow("train"))
    (line,) = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert line["reader_cost"] > 0.04, "two images"


class Broken(Squares):
    """One file cannot be read."""

    def sample(self, index: int, epoch: int = 0, seed: int = 0):
        if epoch == 1:
            raise UserError("train_0.png: broken")
        return super().sample(index, epoch, seed)


def test_a_file_that_cannot_be_read_takes_nothing_away(tmp_path: Path) -> None:
    """It is read ahead: the iteration before it is logged, saved and evaluated all the same."""
    with pytest.raises(UserError, match="broken"):
        toy_run(tmp_path, dataset=Broken("train"), do_eval=True, log_iters=1)  # epochs of 3 iterations
    assert latest_checkpoint(tmp_path).name == "iter_3"
    assert (tmp_path / "best_model" / "model.pdparams").exists()
    assert [line["iteration"] for line in metrics(tmp_path) if "tag" not in line] == [1, 2, 3]


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_run_that_reads_ahead_goes_on_exactly(tmp_path: Path, num_workers: int) -> None:
    """What had been read is read again; with a bad batch, and more passes than a worker's slots."""
    options = {
        "net": DropoutNet,
        "loss": "both",
        "accumulate": 4,
        "num_workers": num_workers,
        "use_ema": True,
    }
    options |= {"batch_size": 1, "dataset": Poisoned({"train_4.png"}), "skip_nonfinite": 9, "log_iters": 1}
    toy_run(tmp_path / "whole", **options)
    toy_run(tmp_path / "parts", **{**options, "num_workers": 0}, iters=2)
    toy_run(tmp_path / "parts", **options, iters=4, resume="auto")
    toy_run(tmp_path / "parts", **options, resume="auto")
    assert_same_end(tmp_path / "whole", tmp_path / "parts", ("model.pdparams", "ema.pdparams"))
    losses = [line["loss"] for line in metrics(tmp_path / "whole")]
    assert None in losses
    assert any(losses)
