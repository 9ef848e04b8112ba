"""Schedules by their values, optimizers by one step."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from paddle import ParamAttr, nn
from paddle.optimizer import lr
from paddle.regularizer import L2Decay

from paddleseg_lite.checkpoint import TrainState, load_checkpoint, save_checkpoint
from paddleseg_lite.errors import UserError
from paddleseg_lite.optim import SGD, Adam, AdamW, Momentum, make_schedule
from paddleseg_lite.optim.schedules import Piecewise
from paddleseg_lite.registry import SCHEDULERS


def values_of(schedule: lr.LRScheduler, steps: int) -> list[float]:
    """Return the learning rates of iterations 0 to steps."""
    values = [schedule()]
    for _ in range(steps):
        schedule.step()
        values.append(schedule())
    return values


def test_polynomial_decay_after_a_warm_up() -> None:
    """Start, warm-up's middle and end, the decay's middle, the end and beyond."""
    schedule = make_schedule(
        lr.PolynomialDecay, 10, 1e-5, learning_rate=0.005, decay_steps=80, power=0.9, end_lr=0.0
    )
    values = values_of(schedule, 95)
    assert values[0] == pytest.approx(1e-5)
    assert values[5] == pytest.approx((1e-5 + 0.005) / 2)
    assert values[10] == pytest.approx(0.005)
    assert values[50] == pytest.approx(0.005 * 0.5**0.9)
    assert values[89] == pytest.approx(0.005 * (1 / 80) ** 0.9)
    assert values[90] == 0
    assert values[95] == 0


def test_without_a_warm_up_the_schedule_is_paddles_own() -> None:
    """No wrapper where none is asked for."""
    schedule = make_schedule(lr.StepDecay, learning_rate=1.0, step_size=2)
    assert values_of(schedule, 4) == pytest.approx([1, 1, 0.1, 0.1, 0.01])
    assert type(schedule) is lr.StepDecay


def test_a_warm_up_ends_at_the_first_value_of_a_schedule_without_learning_rate() -> None:
    """PiecewiseDecay has `values` in its place."""
    schedule = make_schedule(lr.PiecewiseDecay, 2, 0.0, boundaries=[3], values=[0.4, 0.1])
    assert values_of(schedule, 5) == pytest.approx([0, 0.2, 0.4, 0.4, 0.4, 0.1])


@pytest.mark.parametrize("values", [None, [0.1, 0.01, 0.001, 0.0001]])
def test_piecewise_rates(values: list[float] | None) -> None:
    """The recipe of ImageNet's pretraining in small: a tenth at each boundary, at that very iteration."""
    schedule = make_schedule(Piecewise, learning_rate=0.1, boundaries=[3, 6, 9], values=values)
    expected = [0.1] * 3 + [0.01] * 3 + [0.001] * 3 + [0.0001] * 2
    assert values_of(schedule, 10) == pytest.approx(expected)


def test_boundaries_that_fall_together() -> None:
    """The epochs of a tiny data set: one rate is passed over."""
    schedule = make_schedule(Piecewise, learning_rate=0.1, boundaries=[2, 3, 3])
    assert values_of(schedule, 4) == pytest.approx([0.1, 0.1, 0.01, 0.0001, 0.0001])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"boundaries": [6, 3]}, r"must ascend; in iterations they are \[6, 3\]"),
        ({"values": [0.1, 0.01]}, "give 3 for the 2 boundaries"),
        ({"values": [0.2, 0.02, 0.002]}, "beginning with learning_rate, 0.1; or leave it out"),
    ],
)
def test_piecewise_arguments_that_contradict_each_other(arguments: dict, message: str) -> None:
    """Another --learning_rate must not be without effect."""
    with pytest.raises(UserError, match=message):
        Piecewise(**{"learning_rate": 0.1, "boundaries": [3, 6], **arguments})


def test_all_of_paddles_schedules_have_names() -> None:
    """YAML files may name any that is stepped once per iteration."""
    assert {"PolynomialDecay", "CosineAnnealingDecay", "OneCycleLR", "StepDecay"} <= set(SCHEDULERS.names())
    assert not {"LRScheduler", "ReduceOnPlateau"} & set(SCHEDULERS.names())


class Toy(nn.Layer):
    """One decayed weight, and one like MobileNetV3's batch norms that is exempt."""

    def __init__(self) -> None:
        super().__init__()
        one = nn.initializer.Constant(1.0)
        self.decayed = self.create_parameter([1], ParamAttr(initializer=one))
        exempt = ParamAttr(initializer=one, regularizer=L2Decay(0.0))
        self.exempt = self.create_parameter([1], exempt)

    def step(self, optimizer: paddle.optimizer.Optimizer, gradient: float = 0.0) -> tuple[float, float]:
        ((self.decayed + self.exempt) * gradient).sum().backward()
        optimizer.step()
        optimizer.clear_grad()
        return self.decayed.item(), self.exempt.item()


@pytest.mark.parametrize("make", [SGD, Momentum, AdamW])
def test_weight_decay_spares_parameters_with_their_own_regularizer(make: object) -> None:
    """One step without gradient, lr 0.1, decay 0.5: 1 -> 0.95 where it applies."""
    toy = Toy()
    decayed, exempt = toy.step(make(0.1, toy.parameters(), weight_decay=0.5))  # type: ignore[operator]
    assert decayed == pytest.approx(0.95)
    assert exempt == 1


def test_adam_decays_through_the_gradient() -> None:
    """L2, not AdamW's: Adam's first step is lr in the direction of the decay."""
    toy = Toy()
    decayed, exempt = toy.step(Adam(0.1, toy.parameters(), weight_decay=0.5))
    assert decayed == pytest.approx(0.9, abs=1e-5)
    assert exempt == 1


def test_sgd_with_momentum_is_momentum() -> None:
    """PaddleSeg's shorthand: velocity 1, then 1.9."""
    toy = Toy()
    optimizer = SGD(0.1, toy.parameters(), momentum=0.9)
    assert toy.step(optimizer, gradient=1.0)[0] == pytest.approx(0.9)
    assert toy.step(optimizer, gradient=1.0)[0] == pytest.approx(0.9 - 0.19)
    plain = Toy()
    optimizer = SGD(0.1, plain.parameters())
    plain.step(optimizer, gradient=1.0)
    assert plain.step(optimizer, gradient=1.0)[0] == pytest.approx(0.8)


def test_gradients_are_clipped_by_global_norm() -> None:
    """Two gradients of 3 have norm 3 sqrt(2); clipped to 1 each is 1 / sqrt(2)."""
    toy = Toy()
    clip = {"name": "ClipGradByGlobalNorm", "clip_norm": 1.0}
    decayed, _ = toy.step(Momentum(0.1, toy.parameters(), grad_clip_cfg=clip), gradient=3.0)
    assert decayed == pytest.approx(1 - 0.1 / np.sqrt(2), rel=1e-5)


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        ({"name": "ClipGradByGlobalNrm"}, "did you mean 'ClipGradByGlobalNorm'"),
        ({"name": "ClipGradByNorm"}, "clip_norm"),
    ],
)
def test_a_clip_that_does_not_exist_or_fit_is_refused(clip: dict, message: str) -> None:
    """Named with what is allowed."""
    with pytest.raises(UserError, match=message):
        SGD(0.1, Toy().parameters(), grad_clip_cfg=clip)


PAIRS = [(Momentum, paddle.optimizer.Momentum), (Adam, paddle.optimizer.Adam)]


def three(dtype: str = "float32") -> list[paddle.Tensor]:
    """Return three trainable weights."""
    return [
        paddle.create_parameter([2], dtype, default_initializer=nn.initializer.Constant(float(number)))
        for number in range(3)
    ]


def stepped(optimizer: paddle.optimizer.Optimizer, weights: list[paddle.Tensor], used: str) -> None:
    """Make a step for each word of `used`, in whose loss its weights have a part."""
    for word in used.split():
        for number in word:
            weights[int(number)].stop_gradient = False
        sum((weights[int(number)] * (int(number) + 1)).sum() for number in word).backward()
        optimizer.step()
        optimizer.clear_grad(set_to_zero=False)  # as the training step


@pytest.mark.parametrize(("ours", "paddles"), PAIRS)
@pytest.mark.parametrize("used", ["012 012 012", "01 12 012 2", "012 02 01 012"])
def test_all_weights_are_changed_as_one_by_one(ours, paddles, used) -> None:
    """Also where the weights that have a gradient change from step to step, which Paddle would mix up."""
    weights, expected = three(), three()
    optimizer = ours(0.1, weights, weight_decay=0.01)
    stepped(optimizer, weights, used)
    regularizer = L2Decay(0.01)
    stepped(paddles(learning_rate=0.1, parameters=expected, weight_decay=regularizer), expected, used)
    assert optimizer._use_multi_tensor == (used == "012 012 012")
    for weight, other in zip(weights, expected):
        np.testing.assert_allclose(weight.numpy(), other.numpy(), rtol=1e-6)


@pytest.mark.parametrize(("ours", "paddles"), PAIRS)
def test_a_weight_that_is_thawed_later_is_changed(ours, paddles) -> None:
    """The one that a network keeps frozen at first is not among those that Paddle notes."""
    results = []
    for make in (ours, paddles):
        weights = three()
        optimizer = make(learning_rate=0.1, parameters=weights)
        weights[1].stop_gradient = True
        stepped(optimizer, weights, "02 02 012 012")
        results.append([weight.numpy() for weight in weights])
    np.testing.assert_allclose(results[0], results[1], rtol=1e-6)


@pytest.mark.parametrize(("ours", "paddles"), PAIRS)
def test_a_checkpoint_of_either_way_is_resumed_by_the_other(tmp_path, ours, paddles) -> None:
    """The names and shapes of what an optimizer keeps are the same."""

    def net() -> tuple[nn.Layer, list[paddle.Tensor]]:
        model = nn.Linear(2, 3)
        for weight in model.parameters():
            weight.set_value(paddle.ones_like(weight))
        return model, model.parameters()

    def step(model: nn.Layer, optimizer: paddle.optimizer.Optimizer) -> None:
        (model(paddle.to_tensor([[1.0, 2.0]])) ** 2).sum().backward()
        optimizer.step()
        optimizer.clear_grad()

    results = []
    for number, (first, second) in enumerate([(paddles, paddles), (ours, paddles), (paddles, ours)]):
        model, weights = net()
        optimizer = first(learning_rate=0.1, parameters=weights)
        step(model, optimizer)
        folder = save_checkpoint(tmp_path / str(number), model, optimizer, TrainState(1))
        model, weights = net()
        optimizer = second(learning_rate=0.1, parameters=weights)
        load_checkpoint(folder, model, optimizer)
        step(model, optimizer)
        results.append(np.concatenate([weight.numpy().ravel() for weight in weights]))
    np.testing.assert_allclose(results[1], results[0], rtol=1e-6)
    np.testing.assert_allclose(results[2], results[0], rtol=1e-6)
