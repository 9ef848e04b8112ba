"""Checkpoints that are whole by their sums and yet hold something else."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from paddleseg_lite.checkpoint import (
    TrainState,
    latest_checkpoint,
    load_checkpoint,
    read_info,
    save_checkpoint,
)
from paddleseg_lite.checkpoint.unpickle import read_pickle
from paddleseg_lite.errors import UserError
from paddleseg_lite.files import sha256
from tests.forging import places, replaced

ODD: list[Any] = [None, 3, -0.5, "text", [], [1], {}, {"a": 1}, True]


def made() -> tuple[paddle.nn.Layer, paddle.optimizer.Optimizer]:
    model = paddle.nn.Linear(2, 3)
    schedule = paddle.optimizer.lr.LinearWarmup(
        paddle.optimizer.lr.PolynomialDecay(0.1, 10), warmup_steps=2, start_lr=0, end_lr=0.1
    )
    optimizer = paddle.optimizer.Momentum(schedule, parameters=model.parameters())
    model(paddle.ones([1, 2])).sum().backward()
    optimizer.step()
    return model, optimizer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint with something in every field."""
    state = TrainState(
        iteration=3,
        scaler={"scale": np.ones(1, np.float32)},
        generators=[
            {
                "paddle": [[-1, 1, 0, "1 2"]],
                "cuda": [],
                "numpy": ["MT19937", np.ones(2, np.uint32), 1, 0, 0.0],
                "python": [3, [1, 2], None],
            }
        ],
        meters=[{"count": 1, "losses": [0.5], "kept": 1.0}],
        stream={"seed": 1},
        run={"settings": {"seed": 1}, "config": {"iters": 3}},
    )
    return save_checkpoint(tmp_path, *made(), state)


def sign(folder: Path) -> None:
    """Make the sums right, as a forger would."""
    names = sorted(path.name for path in folder.iterdir() if path.name != "SHA256SUMS")
    (folder / "SHA256SUMS").write_text("".join(f"{sha256(folder / name)}  {name}\n" for name in names))


def load(folder: Path) -> None:
    """Load a checkpoint; a UserError names the folder."""
    try:
        load_checkpoint(folder, *made())
    except UserError as error:
        assert str(folder) in str(error)  # noqa: PT017


def test_any_field_of_the_state_may_be_anything(folder: Path) -> None:
    """Each place of state.json in turn, with values of every kind: loaded, or one sentence."""
    whole = json.loads((folder / "state.json").read_text())
    for place in places(whole):
        for odd in ODD:
            (folder / "state.json").write_text(json.dumps(replaced(whole, place, odd)))
            sign(folder)
            load(folder)


def test_any_part_of_the_optimizer_may_be_anything(folder: Path) -> None:
    """The same for the optimizer's pickle, whose keys may be numbers too."""
    whole = read_pickle(folder / "model.pdopt")
    forged = [replaced(whole, place, odd) for place in places(whole) for odd in ODD]
    forged += [{**whole, 3: np.zeros(2)}, {3: 3}]
    for content in forged:
        (folder / "model.pdopt").write_bytes(pickle.dumps(content))
        sign(folder)
        load(folder)


@pytest.mark.parametrize(
    ("place", "odd", "problem"),
    [
        (("generators", 0, "numpy"), [1], r"'generators\.0\.numpy' has 1 items, allowed are 5"),
        (("generators", 0, "python", 1), "x", r"'generators\.0\.python\.1' is 'x', allowed is a list"),
        (("generators", 0, "paddle", 0, 2), None, r"'generators\.0\.paddle\.0\.2' is None"),
        (("scaler", "scale"), [1], r"'scaler\.scale' is a list, allowed is ndarray"),
        (("scaler", "incr_count"), 0.5, r"'scaler\.incr_count' is 0\.5, allowed is a whole number"),
    ],
)
def test_what_is_wrong_in_the_state_is_named(folder: Path, place: tuple, odd: object, problem: str) -> None:
    """Generators and the loss scaler are handed to Paddle and NumPy, whose exceptions tell nothing."""
    whole = json.loads((folder / "state.json").read_text())
    whole["scaler"]["incr_count"] = 1
    (folder / "state.json").write_text(json.dumps(replaced(whole, place, odd)))
    sign(folder)
    with pytest.raises(UserError, match=rf"state\.json is damaged: {problem}"):
        load_checkpoint(folder, *made())


@pytest.mark.parametrize(
    ("array", "problem"),
    [
        (
            np.zeros((3, 2), np.float32),
            r"has \[3, 2\] as the shape of '.*_velocity_0', whose parameter has \[2, 3\]",
        ),
        (np.zeros((2, 3), np.int64), "has numbers of type int64 as '.*_velocity_0', allowed is float"),
    ],
)
def test_arrays_of_the_optimizer_fit_their_parameters(folder: Path, array: np.ndarray, problem: str) -> None:
    """Paddle would end the process, or compute with them, at the next step."""
    whole = read_pickle(folder / "model.pdopt")
    name = next(name for name in whole if "w_0_velocity" in name)
    (folder / "model.pdopt").write_bytes(pickle.dumps({**whole, name: array}))
    sign(folder)
    with pytest.raises(UserError, match=problem):
        load_checkpoint(folder, *made())


@pytest.mark.parametrize("dtype", ["S1000000000", "V4000000000", "O", 3, None, "f4, f4", "M8"])
def test_an_array_of_another_dtype_is_refused(folder: Path, dtype: object) -> None:
    """One number of a dtype with a length would take gigabytes."""
    whole = json.loads((folder / "state.json").read_text())
    whole["scaler"]["scale"] = {"__array__": [1], "dtype": dtype}
    (folder / "state.json").write_text(json.dumps(whole))
    sign(folder)
    with pytest.raises(UserError, match=r"state\.json is damaged \(an array of dtype"):
        load_checkpoint(folder, *made())


@pytest.mark.parametrize("name", ["/dev/zero", "../outside", "pipe", "a\x1b[2J/b"])
def test_sums_name_files_of_the_folder_alone(folder: Path, name: str) -> None:
    """A device would be read, and a pipe waited for, for ever."""
    os.mkfifo(folder / "pipe")
    (folder.parent / "outside").touch()
    with (folder / "SHA256SUMS").open("a") as file:
        file.write(f"{'0' * 64}  {name}\n")
    assert latest_checkpoint(folder.parent) is None
    with pytest.raises(UserError, match=r"cannot resume from .*(not in the folder|no regular file)"):
        load_checkpoint(folder, *made())


@pytest.mark.parametrize(
    "content", ["[1]", "3", "{}", '{"sha256": 3}', '{"sha256": "x", "miou": "high"}', "[" * 9999]
)
def test_notes_beside_weights_that_are_none_are_passed_over(tmp_path: Path, content: str) -> None:
    """The best mIoU is then unknown, which is no reason to end a run."""
    (tmp_path / "info.json").write_text(content)
    assert read_info(tmp_path) == {}
