"""Giving an optimizer the state that another one, in another process, had.

Paddle names an accumulator after its parameter's global name ("conv2d_0.w_0_velocity_0"), which depends on
how many layers the process had made before, and passes over names it does not know. Here they are
translated, or refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from paddleseg_lite.checkpoint.formats import NAME_TABLE
from paddleseg_lite.errors import UserError
from paddleseg_lite.json_files import ANYTHING, mismatch
from paddleseg_lite.paddle_compat import MASTER_WEIGHTS, SCHEDULE, master_name, schedule_of

_ANOTHER = "resume from another iter_N folder"


def translated_state(
    optimizer: paddle.optimizer.Optimizer,
    saved: Mapping[str, Any],
    model: paddle.nn.Layer,
    saved_names: Mapping[str, str],
    path: Path,
) -> dict[str, Any]:
    """Return another process's optimizer state under this process's names, for `optimizer.set_state_dict`.

    Args:
        optimizer: over the parameters of `model`, and the first one made over them.
        saved: the state dict, read from `path`.
        model: the model.
        saved_names: {key of the model's state dict: global name} in the process that saved.
        path: the file, for messages.

    Raises:
        UserError: the state is another model's or another kind of optimizer's.
    """
    parts = {f"{SCHEDULE}?": {str: ANYTHING}, f"{MASTER_WEIGHTS}?": {str: ANYTHING}, str: ANYTHING}
    if problem := mismatch(saved, parts):
        raise UserError(f"{path} is no optimizer's state: {problem}; {_ANOTHER}")
    own = model.state_dict()
    owners = {name: own[key] for key, name in saved_names.items() if key in own}
    schedule = schedule_of(optimizer)
    if (schedule is not None) != (SCHEDULE in saved):
        raise UserError(
            f"{path} was saved {'with' if SCHEDULE in saved else 'without'} a learning rate schedule, this "
            "run is the other way round; resume with the config the run was started with"
        )
    current = {_kind(name): name for name in optimizer.state_dict() if name not in (SCHEDULE, MASTER_WEIGHTS)}
    state: dict[str, Any] = {}
    for name, value in saved.items():
        if name == SCHEDULE and schedule is not None:
            _check_schedule(value, schedule.state_dict(), path)
            state[name] = value
        elif name == MASTER_WEIGHTS:
            state[name] = _master_weights(value, owners, path)
        elif name != NAME_TABLE:
            owner = _owner(name, owners, path)
            new = owners[owner].name + name[len(owner) :]
            array = _array(name, value, path, owners[owner].shape)
            # An optimizer that has not stepped yet will number its accumulators from 0.
            state[current.get(_kind(new), f"{_kind(new)}_0")] = paddle.to_tensor(array)
    if missing := set(current.values()) - set(state):
        raise UserError(
            f"{path} lacks {sorted(missing)[0]} and {len(missing) - 1} more that "
            f"{type(optimizer).__name__} needs; resume with the optimizer the run was started with"
        )
    return state


def _check_schedule(saved: Mapping[str, Any], own: Mapping[str, Any], path: Path) -> None:
    """Refuse the state of another kind of schedule; one may hold another, as a warm-up does."""
    if saved.keys() != own.keys():
        raise UserError(
            f"{path} was saved with another kind of learning rate schedule (its state has "
            f"{sorted(map(str, saved))}, this run's {sorted(own)}); resume with the config the run was "
            "started with"
        )
    for name, value in saved.items():
        kinds = next((kinds for kinds in (Mapping, (int, float)) if isinstance(own[name], kinds)), object)
        if not isinstance(value, kinds):
            raise UserError(
                f"{path} is damaged: a {type(value).__name__} as the schedule's {name}; {_ANOTHER}"
            )
        if isinstance(value, Mapping):
            _check_schedule(value, own[name], path)


def _kind(name: str) -> str:
    """Strip the number by which Paddle keeps names unique: ("w_0_velocity_0") -> "w_0_velocity"."""
    return re.sub(r"_\d+$", "", name)


def _owner(name: str, owners: Mapping[str, paddle.Tensor], path: Path) -> str:
    """Return the saved name of the parameter that an accumulator belongs to."""
    found = [old for old in owners if name.startswith(old + "_")]
    if not found:
        raise UserError(
            f"{path} has '{name}', which belongs to no parameter of the model; resume with the model the "
            "run was started with"
        )
    return max(found, key=len)


def _master_weights(
    saved: Mapping[str, Any], owners: Mapping[str, paddle.Tensor], path: Path
) -> dict[str, Any]:
    """Translate the float32 masters of half-precision parameters; accumulators go by the masters' names."""
    masters = {}
    for name, value in saved.items():
        if name not in owners:
            raise UserError(f"{path} has a master weight for '{name}', unknown to the model; check the model")
        owner = owners[name]
        masters[owner.name] = paddle.to_tensor(_array(name, value, path, owner.shape))
        masters[owner.name].name = master_name(owner.name)
    return masters


def _array(name: str, value: Any, path: Path, shape: Sequence[int]) -> np.ndarray:
    """Return an entry that belongs to a parameter of that shape: an array like it, or one number."""
    if isinstance(value, tuple) and len(value) == 2:
        value = value[1]  # Paddle may write (name, array)
    if not isinstance(value, (np.ndarray, np.generic)):
        raise UserError(f"{path} has a {type(value).__name__} as '{name}', allowed is an array; {_ANOTHER}")
    array = np.asarray(value)
    if array.size != 1 and list(array.shape) != list(shape):
        raise UserError(
            f"{path} has {list(array.shape)} as the shape of '{name}', whose parameter has {list(shape)}; "
            "resume with the model the run was started with, or from another iter_N folder"
        )
    if array.dtype.kind != "f" and array.dtype != np.uint16:  # bfloat16 comes as that
        raise UserError(f"{path} has numbers of type {array.dtype} as '{name}', allowed is float; {_ANOTHER}")
    return array
