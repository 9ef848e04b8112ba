"""Where a run stands, besides weights and optimizer: what a checkpoint's state.json holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

FORMAT = 2  # of state.json; 1 had no number, and all but the first three fields in a dict "extra"
_NAMES_IN_1 = {"to_evaluate": "evaluation_is_due", "rng": "generators"}


@dataclass
class TrainState:
    """Where a run stands; everything is plain data, arrays or tensors, which come back as arrays.

    Attributes:
        iteration: finished iterations.
        best_miou: the best mIoU so far, -1 before the first evaluation.
        best_iteration: its iteration.
        best_ema_miou: the best mIoU of the averaged weights so far, -1 before the first evaluation.
        evaluation_is_due: the evaluation of this iteration has yet to be done.
        skipped: iterations passed over since their loss was not finite.
        scaler: state dict of the loss scaler; {} without one.
        generators: state of the random generators, of each rank.
        meters: sums since the last log line, of each rank.
        stream: what the order of samples depends on.
        run: config, settings and versions, to tell what is different later.
    """

    iteration: int = 0
    best_miou: float = -1.0
    best_iteration: int = 0
    best_ema_miou: float = -1.0
    evaluation_is_due: bool = False
    skipped: int = 0
    scaler: dict[str, Any] = field(default_factory=dict)
    generators: list[dict[str, Any]] = field(default_factory=list)
    meters: list[dict[str, Any]] = field(default_factory=list)
    stream: dict[str, int] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)

    def state_dict(self) -> dict[str, Any]:
        """Return all fields by name, and the number of this format."""
        return {"format": FORMAT, **asdict(self)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take what `state_dict` returned, in this version or an earlier one; other entries are ignored."""
        if "extra" in state:
            extra = {_NAMES_IN_1.get(name, name): value for name, value in state["extra"].items()}
            state = {**state, **extra, "meters": [extra["meter"]] if "meter" in extra else []}
        for name in {own.name for own in fields(self)} & state.keys():
            setattr(self, name, state[name])


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
    """Return the array that `as_json` described, or the dict as it is; an `object_hook` for json.loads."""
    return np.array(item["__array__"], item["dtype"]) if "__array__" in item else item
