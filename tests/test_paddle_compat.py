"""What a new Paddle may break first: each thing that it hides is still where the package looks for it."""

from __future__ import annotations

import warnings

import paddle
import pytest
from paddle import nn
from paddle.optimizer import lr

from paddleseg_lite import paddle_compat as compat
from tests.engine.toy import GENERATOR_CAN_BE_SAVED


def stepped(rate: object) -> tuple[nn.Layer, paddle.optimizer.Optimizer]:
    """Return a layer and a Momentum optimizer that has made one step."""
    layer = nn.Linear(2, 2)
    optimizer = paddle.optimizer.Momentum(rate, parameters=layer.parameters())
    layer(paddle.ones([1, 2])).sum().backward()
    optimizer.step()
    return layer, optimizer


def test_an_optimizers_schedule_is_found() -> None:
    """Nothing would be stepped otherwise, silently."""
    schedule = lr.StepDecay(0.1, 10)
    assert compat.schedule_of(stepped(schedule)[1]) is schedule
    assert compat.schedule_of(stepped(0.1)[1]) is None


def test_state_that_waits_for_the_first_step_is_saved() -> None:
    """A run that is resumed and stopped at once would lose its momentum."""
    layer, optimizer = stepped(lr.LinearWarmup(lr.StepDecay(0.1, 10), 5, 0.0, 0.1))
    state = compat.optimizer_state(optimizer)
    resumed = paddle.optimizer.Momentum(
        lr.LinearWarmup(lr.StepDecay(0.1, 10), 5, 0.0, 0.1), parameters=layer.parameters()
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compat.set_optimizer_state(resumed, state)
    velocities = {name for name in state if "velocity" in name}
    assert len(velocities) == 2
    assert velocities <= set(compat.optimizer_state(resumed))


@pytest.mark.parametrize("fixed", [True, None])
def test_a_batch_norms_settings_are_found(fixed: bool | None) -> None:
    """Folding and freezing ask for them."""
    norm = nn.BatchNorm2D(3, epsilon=0.25, use_global_stats=fixed)
    assert compat.has_fixed_statistics(norm) == bool(fixed)
    assert not compat.has_fixed_statistics(nn.ReLU())
    assert compat.epsilon(norm) == 0.25
    mean, variance = compat.running_statistics(norm)
    assert (mean.tolist(), variance.tolist()) == ([0, 0, 0], [1, 1, 1])


@pytest.mark.skipif(not GENERATOR_CAN_BE_SAVED, reason="Paddle 2.6 keeps its CPU generator to itself")
def test_generators_continue() -> None:
    """Dropout after a resume draws what it would have drawn."""
    state = compat.generator_states()
    first = paddle.rand([4]).tolist()
    compat.set_generator_states(state)
    assert paddle.rand([4]).tolist() == first


def test_the_setting_of_tf32_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable as the user set it, and what this Paddle has besides, of any version."""
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    found = compat.tf32_setting()
    assert found.pop("NVIDIA_TF32_OVERRIDE") == "0"
    assert all(isinstance(value, bool) for value in found.values())
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE")
    assert compat.tf32_setting()["NVIDIA_TF32_OVERRIDE"] is None
