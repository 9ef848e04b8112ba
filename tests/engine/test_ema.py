"""The moving average of the weights: what it holds, and that it is saved, evaluated and resumed."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from paddleseg_lite.checkpoint import TrainState, load_checkpoint, read_weights, save_checkpoint
from paddleseg_lite.engine.ema import ExponentialMovingAverage
from paddleseg_lite.engine.evaluator import Evaluator
from paddleseg_lite.engine.options import TrainOptions
from paddleseg_lite.engine.run_logger import RunLogger
from paddleseg_lite.engine.step import TrainStep
from paddleseg_lite.engine.task import Segmentation
from paddleseg_lite.errors import UserError
from paddleseg_lite.losses import Criterion, CrossEntropyLoss
from tests.engine.test_survival import assert_same_end, change_state
from tests.engine.toy import toy_run
from tests.toys import PixelNet, Squares


def scalar_net(value: float, dtype: str = "float32") -> paddle.nn.Layer:
    """Return a network of one weight."""
    model = paddle.nn.Linear(1, 1, bias_attr=False)
    model.to(dtype=dtype)
    model.weight.set_value(paddle.full([1, 1], value, dtype))
    return model


def test_moving_average_by_hand():
    """shadow = decay x shadow + (1 - decay) x weight, and the network's own weights come back."""
    model = scalar_net(1.0)
    average = ExponentialMovingAverage(model, decay=0.75)
    expected = 1.0
    for decay, weight in [(1 / 2, 3.0), (2 / 3, 0.0), (0.75, 8.0), (0.75, -8.0)]:  # at most 0.75
        model.weight.set_value(paddle.full([1, 1], weight))
        average.update()
        expected = decay * expected + (1 - decay) * weight
        assert average.state_dict()["weight"].item() == pytest.approx(expected, abs=1e-6)
    with average.applied():
        assert model.weight.item() == pytest.approx(expected, abs=1e-6)
    assert model.weight.item() == -8.0


@pytest.mark.parametrize(("decay", "iterations"), [(0.999, 800), (0.999, 1500), (0.9, 50), (1.0, 100)])
def test_little_of_the_random_start_stays(decay, iterations):
    """A weight that is 1 at the start and 0 ever after: 1/801 of it after 800 iterations, not 45 %.

    Up to 1 / (1 - decay) iterations the average is the plain mean, and from there on it forgets by `decay`.
    """
    model = scalar_net(1.0)
    average = ExponentialMovingAverage(model, decay)
    model.weight.set_value(paddle.zeros([1, 1]))
    for _ in range(iterations):
        average.update()
    mean = min(iterations, round(1 / (1 - decay)) - 1 if decay < 1 else iterations)
    expected = 1 / (mean + 1) * decay ** (iterations - mean)
    assert average.state_dict()["weight"].item() == pytest.approx(expected, rel=1e-3)


def test_the_average_of_half_precision_weights_is_float32():
    """A bfloat16 average would stand still: a thousandth of a weight is less than its last bit."""
    model = scalar_net(1.0, "bfloat16")
    average = ExponentialMovingAverage(model, decay=0.999)
    average.updates = 10**6
    model.weight.set_value(paddle.full([1, 1], 2.0, "bfloat16"))
    for _ in range(3):
        average.update()
    assert average.state_dict()["weight"].item() == pytest.approx(2 - 0.999**3, abs=1e-6)
    with average.applied():
        assert model.weight.dtype == paddle.bfloat16
    assert model.weight.item() == 2.0


class Counter(paddle.nn.Layer):
    """A network with an integer among its buffers, and a weight without dimensions."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = self.create_parameter([], default_initializer=paddle.nn.initializer.Constant(1.0))
        self.register_buffer("steps", paddle.to_tensor([5], dtype="int64"))
        self.linear = paddle.nn.Linear(2, 3)


def test_integers_are_copied_and_shapes_kept():
    """A mean of counters is no counter; all weights come back under their keys, in their shapes."""
    model = Counter()
    average = ExponentialMovingAverage(model)
    model.steps.set_value(paddle.to_tensor([7], dtype="int64"))
    model.scale.set_value(paddle.full([], 3.0))
    average.update()
    state, own = average.state_dict(), model.state_dict()
    assert list(state) == list(own)
    assert {key: (value.shape, value.dtype) for key, value in state.items()} == {
        key: (value.shape, value.dtype) for key, value in own.items()
    }
    assert state["steps"].item() == 7
    assert state["scale"].item() == pytest.approx(2.0)
    np.testing.assert_array_equal(state["linear.weight"].numpy(), model.linear.weight.numpy())


def test_moving_average_is_evaluated_and_saved(tmp_path):
    """--use_ema with evaluation writes weights of its own, different from the network's."""
    toy_run(tmp_path, iters=6, do_eval=True, use_ema=True)
    average = read_weights(tmp_path / "ema_best_model" / "model.pdparams")
    network = read_weights(tmp_path / "best_model" / "model.pdparams")
    assert average.keys() == network.keys()
    assert any((average[key] != network[key]).any() for key in network)


def test_a_checkpoint_without_the_number_of_updates_is_resumed(tmp_path):
    """It stood for itself when every iteration was one: the average goes on as if it had been counted."""
    toy_run(tmp_path / "whole", use_ema=True)
    toy_run(tmp_path / "old", use_ema=True, iters=3)
    change_state(tmp_path / "old" / "iter_3", lambda state: state.pop("averaged"))
    toy_run(tmp_path / "old", use_ema=True, resume="auto")
    assert_same_end(tmp_path / "whole", tmp_path / "old", ("model.pdparams", "ema.pdparams"))


def test_an_average_that_begins_late_forgets_as_a_new_one(tmp_path):
    """--use_ema from the third iteration on: what it begins with is a quarter of it after three more."""
    toy_run(tmp_path, iters=3)
    start = read_weights(tmp_path / "iter_3" / "model.pdparams")["head.bias"]
    seen = [start]
    for iters in (4, 5, 6):
        toy_run(tmp_path, iters=iters, use_ema=True, resume="auto")
        seen.append(read_weights(tmp_path / f"iter_{iters}" / "model.pdparams")["head.bias"])
    average = read_weights(tmp_path / "iter_6" / "ema.pdparams")["head.bias"]
    np.testing.assert_allclose(average, np.mean(seen, axis=0), rtol=1e-5)


@pytest.mark.parametrize("decay", [0.0, -0.5, 1.5, float("nan")])
def test_a_decay_that_is_none_is_refused(tmp_path, decay):
    """0 would keep nothing, so average nothing; above 1 the average would grow without end."""
    with pytest.raises(UserError, match="above 0 and up to 1"):
        toy_run(tmp_path, use_ema=True, ema_decay=decay)


def test_a_decay_without_an_average_is_refused(tmp_path):
    """It would change nothing."""
    with pytest.raises(UserError, match="add --use_ema"):
        toy_run(tmp_path, ema_decay=0.99)


def test_the_masters_of_level_o2_are_averaged_and_saved(tmp_path, monkeypatch):
    """A bfloat16 weight has 8 bits; what its float32 master has more must not be lost in any file."""
    model = scalar_net(1.0, "bfloat16")
    optimizer = paddle.optimizer.Momentum(0.1, parameters=model.parameters())
    average = ExponentialMovingAverage(model, 0.999, optimizer)
    master = paddle.full([1, 1], 1.001)  # bfloat16 has nothing between 1 and 1.0078
    monkeypatch.setattr(optimizer, "_master_weights", {model.weight.name: master})
    average.update()
    assert average.state_dict()["weight"].item() == pytest.approx(1.0005, abs=1e-6)
    folder = save_checkpoint(tmp_path, model, optimizer, TrainState(1), average=average.state_dict())
    assert read_weights(folder / "model.pdparams")["weight"].item() == pytest.approx(1.001, abs=1e-6)
    assert read_weights(folder / "ema.pdparams")["weight"].item() == pytest.approx(1.0005, abs=1e-6)
    other = scalar_net(0.0, "bfloat16")
    load_checkpoint(folder, other, paddle.optimizer.Momentum(0.1, parameters=other.parameters()))
    assert other.weight.item() == 1.0


def test_best_weights_are_the_masters_of_level_o2(tmp_path):
    """best_model/ and ema_best_model/ have what the optimizer changes, not what was rounded from it."""
    model = PixelNet()
    optimizer = paddle.optimizer.Momentum(0.1, parameters=model.parameters())
    master = model.head.bias + 0.125
    optimizer._master_weights = {model.head.bias.name: master}
    step = TrainStep(model, Criterion([CrossEntropyLoss()], [1.0]), optimizer)
    average = ExponentialMovingAverage(model, optimizer=optimizer)
    options = TrainOptions(iters=1, batch_size=1, save_dir=tmp_path, use_ema=True)
    evaluator = Evaluator(
        Segmentation(), step, average, Squares("val", 1), options, RunLogger(tmp_path, False), lambda: False
    )
    evaluator(TrainState(iteration=1))
    for name in ("best_model", "ema_best_model"):
        saved = read_weights(tmp_path / name / "model.pdparams")["head.bias"]
        np.testing.assert_array_equal(saved, master.numpy(), err_msg=name)
