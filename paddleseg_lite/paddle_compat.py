"""What Paddle hides, does wrong or does otherwise from version to version: one named function for each.

Seen in Paddle 2.6.2, 3.2.2 and 3.3.1 unless a function says otherwise.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable
from typing import Any

import paddle
from paddle import Tensor, nn
from paddle.amp import GradScaler
from paddle.optimizer import Optimizer
from paddle.optimizer.lr import LRScheduler

# Keys of an optimizer's state dict that are no accumulators.
SCHEDULE, MASTER_WEIGHTS = "LR_Scheduler", "master_weights"


class _AtOnce:
    """Changes all weights by one operation (`use_multi_tensor`), as long as that is right.

    Paddle notes the weights at the first step and hands the gradients that there are to them in their order:
    where one is missing, to the wrong ones. And its momentum has no such kernel for bfloat16. Accumulators
    and their names are those of one operation for each weight, so that this may end at any step.
    """

    def step(self) -> None:
        weights = [x for x in self._parameter_list if not x.stop_gradient]  # type: ignore[attr-defined]
        names = [x.name for x in weights]
        if names != self.__dict__.setdefault("_noted", names) or not all(
            x.dtype == paddle.float32 and x.grad is not None for x in weights
        ):
            self._use_multi_tensor = False
        super().step()  # type: ignore[misc]


class Momentum(_AtOnce, paddle.optimizer.Momentum):
    """paddle.optimizer.Momentum, made with `use_multi_tensor=True`; Paddle asks for the class's name."""


class Adam(_AtOnce, paddle.optimizer.Adam):
    """paddle.optimizer.Adam, likewise."""


def schedule_of(optimizer: Optimizer) -> LRScheduler | None:
    """Return an optimizer's learning rate schedule, or None if its rate is a number.

    There is only a public way to the rate.
    """
    schedule = getattr(optimizer, "_learning_rate", None)
    return schedule if isinstance(schedule, LRScheduler) else None


def optimizer_state(optimizer: Optimizer) -> dict[str, Any]:
    """Return optimizer.state_dict(), also of one that was given its state and has not stepped since.

    Such a state waits for the first step, and Paddle 2.6.2 leaves what waits out.
    """
    return {**getattr(optimizer, "_accumulators_holder", {}), **optimizer.state_dict()}


def set_optimizer_state(optimizer: Optimizer, state: dict[str, Any]) -> None:
    """Do optimizer.set_state_dict(state) without its warning.

    Paddle gives it for every LinearWarmup, whose state has a part that its own check does not expect.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="There are some unused values in state_dict")
        optimizer.set_state_dict(state)


def master_name(name: str) -> str:
    """Return the name that the float32 master of a half-precision parameter goes by."""
    return f"{name}_fp32_master_0"


def update_scale(scaler: GradScaler) -> None:
    """Do scaler.update(), also when a gradient was infinite, as it is when the first scale is too high.

    Paddle tells that with float(scale), which is of one dimension; NumPy 2.4 raises then.
    """
    scale = getattr(scaler, "_scale", None)  # None: switched off
    if scale is None:
        scaler.update()
        return
    scaler._scale = scale.reshape([])
    scaler.update()
    scaler._scale = scaler._scale.reshape([1])  # as it is saved


def float32_weights(model: nn.Layer, optimizer: Optimizer | None) -> dict[str, Tensor]:
    """Return model.state_dict() with an optimizer's float32 masters in the place of half-precision weights.

    Level O2's optimizer changes the masters, from its first step on, and rounds them to the weights.
    """
    masters = getattr(optimizer, "_master_weights", {})
    weights = model.state_dict()
    for key, value in weights.items():
        if value.name in masters:
            weights[key] = masters[value.name].detach()
            weights[key].name = value.name  # paddle.save writes it beside the weights
    return weights


def count_in_store(name: str, more: int) -> int:
    """Add to a number that all ranks share, 0 at first, and return it; for ranks that the launcher started.

    Paddle keeps it in the store by which they found each other; there is no public way to that.
    """
    return int(paddle.base.core.create_or_get_global_tcp_store().add(name, more))


def has_fixed_statistics(layer: nn.Layer) -> bool:
    """Say whether a layer is a batch norm with `use_global_stats`, which takes no statistics of a batch."""
    return bool(getattr(layer, "_use_global_stats", None))


def running_statistics(norm: nn.BatchNorm2D) -> tuple[Tensor, Tensor]:
    """Return a batch norm's running mean and variance, [C] each."""
    return norm._mean, norm._variance


def epsilon(norm: nn.BatchNorm2D) -> float:
    """Return what a batch norm adds to the variance."""
    return norm._epsilon


def devices() -> list[str]:
    """Return what Paddle finds to compute on, as `set_device` takes it: "gpu:0", "gpu:1", ..., last "cpu".

    Paddle's own list leaves out the CPU and, where there is but one device of a kind, its number.
    """
    core: Any = paddle.base.core
    gpus = paddle.device.cuda.device_count() if paddle.is_compiled_with_cuda() else 0
    xpus = core.get_xpu_device_count() if paddle.is_compiled_with_xpu() else 0
    plugged_in = [name if ":" in name else f"{name}:0" for name in core.get_available_custom_device()]
    return [*(f"gpu:{n}" for n in range(gpus)), *(f"xpu:{n}" for n in range(xpus)), *plugged_in, "cpu"]


def onednn_works() -> bool:
    """Say whether Paddle's inference engine gives right answers with oneDNN: in 2.6.2 it does.

    In 3.2.2 it resizes as if `align_corners` were False, and in 3.3.0 and 3.3.1 it raises.
    """
    return paddle.__version__.startswith("2.")


def tf32_setting() -> dict[str, Any]:
    """Return what decides whether a GPU rounds float32 to TF32; what this Paddle does not have is left out.

    The variable, read by NVIDIA's libraries, overrides the rest when it is 0. Paddle's switches are both on
    in 2.6.2, and that of cuBLAS is off in 3.3.1, whose GPU builds also have the flags.
    """
    found: dict[str, Any] = {"NVIDIA_TF32_OVERRIDE": os.environ.get("NVIDIA_TF32_OVERRIDE")}
    for library in ("cudnn", "cublas"):
        switch = getattr(paddle.base.core, f"get_{library}_switch", None)
        if switch is not None:
            found[f"{library}_switch"] = switch()
        flag = f"FLAGS_{library}_allow_tf32"
        with contextlib.suppress(ValueError):  # no such flag
            found.update(paddle.get_flags([flag]))
    return found


def generator_states() -> dict[str, list[list[Any]]]:
    """Return the state of Paddle's random generators as plain data.

    "paddle" is that of the CPU's, "cuda" of GPUs', "other" of the current device if it is neither.

    A generator's state is its device, its seed, its offset and, from 3.0 on, its engine as text; 2.6.2 does
    not give away the engine of the CPU's.
    """
    states = {"paddle": paddle.get_rng_state("cpu"), "cuda": paddle.get_cuda_rng_state(), "other": _others()}
    return {
        place: [
            [bytes(x).decode("ascii") if isinstance(x, list) else x for x in state.__getstate__()]
            for state in of_place
        ]
        for place, of_place in states.items()
    }


def _check_engine(text: str) -> None:
    """Refuse what is no std::mt19937_64 as text: 312 numbers, after which some compilers have its place."""
    numbers = text.split()
    is_text = len(numbers) in (312, 313) and all(map(str.isdecimal, numbers))
    if not is_text or (len(numbers) == 313 and int(numbers[-1]) > 312):  # it would be read beyond its end
        raise ValueError("a generator of Paddle's whose engine is none")


def set_generator_states(saved: dict[str, list[list[Any]]]) -> None:
    """Continue from `generator_states`; generators that are not here or have no engine are left alone."""
    # Not paddle.set_rng_state(states, "cpu"), which raises in 2.6.2 and 3.2.2.
    cpu = paddle.base.core.default_cpu_generator()
    _restore([cpu.get_state()], saved["paddle"], lambda states: cpu.set_state(states[0]))
    _restore(paddle.get_cuda_rng_state(), saved["cuda"], paddle.set_cuda_rng_state)
    _restore(_others(), saved.get("other", []), paddle.set_rng_state)  # older checkpoints have none


def _others() -> list[Any]:
    is_other = paddle.get_device().partition(":")[0] not in ("cpu", "gpu")
    return paddle.get_rng_state() if is_other else []


def _restore(current: list[Any], saved: list[list[Any]], set_states: Callable[[list[Any]], None]) -> None:
    if not saved or len(current) != len(saved):
        return
    if saved[0][0] < 0 and len(saved[0]) < 4:  # the CPU's, saved by 2.6.2
        return
    states = []
    for own, fields in zip(current, saved):
        for engine in fields[3:]:
            _check_engine(engine)
        state = own.__class__.__new__(own.__class__)
        state.__setstate__(tuple(list(x.encode("ascii")) if isinstance(x, str) else x for x in fields))
        states.append(state)
    set_states(states)
