"""Where a search stands: search.json, which a person can read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from paddleseg_lite.engine.resume import differences
from paddleseg_lite.errors import UserError
from paddleseg_lite.files import atomic_write
from paddleseg_lite.json_files import ANYTHING, NUMBER, read_json
from paddleseg_lite.scaling.architecture import REFERENCES, Architecture
from paddleseg_lite.scaling.cost import Cost

RUNS = "runs"  # folder of the trainings, beside search.json
_FORMAT = 1
_NETWORK = {
    "cost": NUMBER,
    "spread": NUMBER,
    "step": int,
    "parent": (str, None),
    "move": str,
    "miou": (NUMBER, None),
    "seconds": (NUMBER, None),
}
_SCHEMA = {
    "format": int,
    "options": {str: ANYTHING},
    "seconds": NUMBER,
    "timing": ({"fixed": NUMBER, "computing": NUMBER}, None),
    "networks": {str: _NETWORK},
    "steps": [{"parent": str, "target": NUMBER, "candidates": [str], "chosen": (str, None)}],
    "references": {str: _NETWORK},
}
_REMEDY = "give another --save_dir, or the file as it was"


@dataclass
class Network:
    """A network of the search; its name says what it is.

    Attributes:
        cost, spread: see `cost.Cost`.
        step: in which it was last a candidate; 0 for the one that the search starts from.
        parent: the name of the network that it has grown from.
        move: how.
        miou: at the end of its training; None before.
        seconds: of its training.
    """

    cost: float
    spread: float
    step: int = 0
    parent: str | None = None
    move: str = ""
    miou: float | None = None
    seconds: float | None = None

    def set_cost(self, cost: Cost) -> None:
        """Note what it costs."""
        self.cost, self.spread = cost


@dataclass
class Step:
    """A step: candidates by name, and the one that was chosen; None before."""

    parent: str
    target: float
    candidates: list[str]
    chosen: str | None = None


@dataclass
class SearchState:
    """Where a search stands.

    Attributes:
        options: what its results depend on.
        seconds: that it has taken so far.
        timing: see `estimate.Timing`; None before it was taken.
        networks: all that were candidates, by name.
        steps: so far.
        references: networks to compare with.
    """

    options: dict[str, Any]
    seconds: float = 0.0
    timing: dict[str, float] | None = None
    networks: dict[str, Network] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    references: dict[str, Network] = field(default_factory=dict)

    def path(self) -> list[str]:
        """Return the names of the networks that were chosen, the first one first."""
        chosen = [step.chosen for step in self.steps if step.chosen is not None]
        return [*list(self.networks)[:1], *chosen]


def read_state(path: Path, options: Mapping[str, Any]) -> SearchState:
    """Return the state in a file, or of a search that begins if there is none.

    Args:
        path: the file.
        options: what the results of this search depend on.

    Raises:
        UserError: the file is damaged, or of a search with other options that has begun to train.
    """
    options = json.loads(json.dumps(options, default=str))
    if not path.exists():
        return SearchState(dict(options))
    found = read_json(path, _SCHEMA, _REMEDY)
    if found["format"] != _FORMAT:
        raise UserError(f"{path} has format {found['format']}, this version reads {_FORMAT}; {_REMEDY}")
    if changed := [*differences({**dict.fromkeys(options), **found["options"]}, options)]:
        networks = (*found["networks"].values(), *found["references"].values())
        if all(own["miou"] is None for own in networks) and not (path.parent / RUNS).exists():
            return SearchState(dict(options))
        raise UserError(
            f"{path} is of a search with other options ({changed[0]}), and its results would not compare; "
            "give the same as then, or another --save_dir"
        )
    try:
        state = SearchState(
            found["options"],
            found["seconds"],
            found["timing"],
            {name: Network(**own) for name, own in found["networks"].items()},
            [Step(**own) for own in found["steps"]],
            {name: Network(**own) for name, own in found["references"].items()},
        )
        _check(state)
    except (TypeError, ValueError) as error:
        raise UserError(f"{path} is damaged: {error}; {_REMEDY}") from error
    return state


def _check(state: SearchState) -> None:
    """Check that names name networks that are there.

    Raises:
        ValueError: one does not.
    """
    for name in state.networks:
        Architecture.from_name(name)
    steps = state.steps
    named = {name for step in steps for name in (step.parent, *step.candidates, step.chosen or step.parent)}
    for known, names in ((state.networks, named), (REFERENCES, state.references)):
        if missing := sorted(set(names) - known.keys()):
            raise ValueError(f"'{missing[0]}' is not among the networks")


def write_state(path: Path, state: SearchState) -> None:
    """Write a state, a network or a step to a line.

    Raises:
        UserError: the file cannot be written.
    """
    lines = [
        f' "format": {_FORMAT}',
        f' "options": {json.dumps(state.options)}',
        f' "seconds": {state.seconds:.1f}',
        f' "timing": {json.dumps(state.timing)}',
        f' "networks": {_rows(state.networks)}',
        ' "steps": [' + ",".join(f"\n  {json.dumps(asdict(step))}" for step in state.steps) + "\n ]",
        f' "references": {_rows(state.references)}',
    ]
    atomic_write(path, "{\n" + ",\n".join(lines) + "\n}\n")


def _rows(networks: Mapping[str, Network]) -> str:
    rows = (f"\n  {json.dumps(name)}: {json.dumps(asdict(own))}" for name, own in networks.items())
    return "{" + ",".join(rows) + "\n }"
