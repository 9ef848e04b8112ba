"""Where a run stands, besides weights and optimizer: what a checkpoint's state.json holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

from paddleseg_lite.checkpoint.unpickle import DTYPES
from paddleseg_lite.json_files import ANYTHING, NUMBER, mismatch

FORMAT = 2  # of state.json; 1 had no number, and all but the first three fields in a dict "extra"
SCHEMA = {  # of state.json; what "extra" holds is checked with the fields
    "optimizer": str,
    "names": {str: str},
    "format?": int,
    "extra?": {str: ANYTHING},
    str: ANYTHING,
}
# What Paddle tells of a generator: device, seed, offset and, from 3.0 on, engine.
_DEVICE = [([int, int, int, str], [int, int, int])]
_GENERATORS = {
    "paddle": _DEVICE,
    "cuda": _DEVICE,
    "other?": _DEVICE,
    "numpy": [str, np.ndarray, int, int, NUMBER],
    "python": [int, [int], (NUMBER, None)],
}
_SCALER = {  # of Paddle's; {} if there is none
    "scale?": np.ndarray,
    "incr_ratio?": NUMBER,
    "decr_ratio?": NUMBER,
    "incr_every_n_steps?": int,
    "decr_every_n_nan_or_inf?": int,
    "incr_count?": int,
    "decr_count?": int,
    "use_dynamic_loss_scaling?": bool,
}
_FIELDS = {  # of a TrainState
    "iteration": int,
    "best_miou": NUMBER,
    "best_iteration": int,
    "best_ema_miou": NUMBER,
    "evaluation_is_due": bool,
    "averaged": int,
    "skipped": int,
    "scaler": _SCALER,
    "generators": [_GENERATORS],
    "meters": [{str: ANYTHING}],
    "stream": {str: int},
    "run": {"settings?": {str: ANYTHING}, str: ANYTHING},
}
_NAMES_IN_1 = {"to_evaluate": "evaluation_is_due", "rng": "generators"}


@dataclass
class TrainState:
    """Where a run stands; everything is plain data, arrays or tensors, which come back as arrays."""

    iteration: int = 0  # finished iterations
    # the best mIoU so far, or of a classification the best top-1; -1 before the first evaluation
    best_miou: float = -1.0
    best_iteration: int = 0  # its iteration
    # the same of the averaged weights so far, -1 before the first evaluation
    best_ema_miou: float = -1.0
    evaluation_is_due: bool = False  # the evaluation of this iteration has yet to be done
    averaged: int = 0  # updates that the moving average has followed
    skipped: int = 0  # iterations passed over since their loss was not finite
    scaler: dict[str, Any] = field(default_factory=dict)  # state dict of the loss scaler; {} without one
    # state of the random generators, of each rank
    generators: list[dict[str, Any]] = field(default_factory=list)
    meters: list[dict[str, Any]] = field(default_factory=list)  # sums since the last log line, of each rank
    stream: dict[str, int] = field(default_factory=dict)  # what the order of samples depends on
    # config, settings and versions, to tell what is different later
    run: dict[str, Any] = field(default_factory=dict)

    def state_dict(self) -> dict[str, Any]:
        """Return all fields by name, and the number of this format."""
        return {"format": FORMAT, **asdict(self)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take what `state_dict` returned, in this version or an earlier one; other entries are ignored.

        Raises:
            ValueError: an entry is of another kind.
        """
        if "extra" in state:
            extra = {_NAMES_IN_1.get(name, name): value for name, value in state["extra"].items()}
            state = {**state, **extra, "meters": [extra["meter"]] if "meter" in extra else []}
        # Before it was counted, every iteration was an update of the average.
        state = {"averaged": state.get("iteration", 0), **state}
        for name in {own.name for own in fields(self)} & state.keys():
            setattr(self, name, state[name])
        if problem := mismatch(vars(self), _FIELDS):
            raise ValueError(problem)


def as_json(value: object) -> Any:
    """Return an array or a tensor as plain data; a `default` for json.dumps.

    Raises:
        TypeError: it is neither.
    """
    if hasattr(value, "numpy"):
        value = value.numpy()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return {"__array__": value.tolist(), "dtype": value.dtype.str}
    raise TypeError(f"a {type(value).__name__} cannot be saved in a checkpoint's state")


def from_json(item: dict[str, Any]) -> Any:
    """Return the array that `as_json` described, or the dict as it is; an `object_hook` for json.loads.

    Raises:
        ValueError: an array of another dtype: of one with a length, a few bytes could ask for gigabytes.
    """
    if "__array__" not in item:
        return item
    dtype = item.get("dtype")
    if not isinstance(dtype, str) or dtype.lstrip("<>|=") not in DTYPES:
        raise ValueError(f"an array of dtype {str(dtype)[:20]!r}")
    return np.array(item["__array__"], dtype)
