"""Training state: exact continuation, and nothing lost whenever the process dies."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from paddle import nn

from paddleseg_lite.checkpoint import (
    TrainState,
    latest_checkpoint,
    load_checkpoint,
    read_weights,
    save_checkpoint,
    save_weights,
)
from paddleseg_lite.errors import UserError
from tests.checkpoint.runs import Toy, make, snapshot, train

OPTIMIZERS = ["Momentum", "Adam", "SGD"]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("stepped", [False, True])
def test_a_resumed_run_is_bit_identical(tmp_path: Path, kind: str, stepped: bool) -> None:
    """5 iterations, saved, loaded into other objects, 5 more: the same bits as 10.

    The other model's layers have other global names, by which Paddle files its accumulators; Paddle alone
    would start again with zero momentum and say nothing. `stepped`: the other
    optimizer has accumulators already.
    """
    model, optimizer = make(kind)
    train(model, optimizer, 0, 5)
    scaler = {"scale": np.array([65536.0], np.float32), "incr_ratio": 2.0}
    state = TrainState(5, 0.5, 4, scaler=scaler)
    folder = save_checkpoint(tmp_path, model, optimizer, state)
    train(model, optimizer, 5, 10)

    other, other_optimizer = make(kind)
    if stepped:
        train(other, other_optimizer, 0, 1)
    loaded = load_checkpoint(folder, other, other_optimizer)
    assert (loaded.iteration, loaded.best_miou, loaded.best_iteration) == (5, 0.5, 4)
    assert loaded.scaler["incr_ratio"] == 2.0
    np.testing.assert_array_equal(loaded.scaler["scale"], scaler["scale"])
    assert loaded.scaler["scale"].dtype == np.float32
    train(other, other_optimizer, 5, 10)
    assert snapshot(other) == snapshot(model)
    assert other_optimizer.get_lr() == optimizer.get_lr()


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_state_that_was_loaded_can_be_saved_at_once(tmp_path: Path, kind: str) -> None:
    """A run that is resumed, evaluates, and saves before its first step keeps its momentum."""
    model, optimizer = make(kind)
    train(model, optimizer, 0, 4)
    first = save_checkpoint(tmp_path / "a", model, optimizer, TrainState(4))
    train(model, optimizer, 4, 7)
    again, its_optimizer = make(kind)
    load_checkpoint(first, again, its_optimizer)
    second = save_checkpoint(tmp_path / "b", again, its_optimizer, TrainState(4))
    last, last_optimizer = make(kind)
    load_checkpoint(second, last, last_optimizer)
    train(last, last_optimizer, 4, 7)
    assert snapshot(last) == snapshot(model)


def test_without_optimizer_state_the_run_would_differ(tmp_path: Path) -> None:
    """The test above can fail: momentum matters within its few iterations."""
    model, optimizer = make()
    train(model, optimizer, 0, 5)
    weights = model.state_dict()
    other, other_optimizer = make()
    other.set_state_dict(weights)
    other_optimizer.set_state_dict({"LR_Scheduler": optimizer.state_dict()["LR_Scheduler"]})
    train(model, optimizer, 5, 10)
    train(other, other_optimizer, 5, 10)
    assert snapshot(other) != snapshot(model)


def test_paddle_reads_what_is_saved(run: tuple[Path, Toy, paddle.optimizer.Optimizer]) -> None:
    """PaddleSeg's tools use paddle.load; both files must suit it."""
    folder, model, _ = run
    other = Toy()
    other.set_state_dict(paddle.load(str(folder / "iter_2" / "model.pdparams")))
    assert snapshot(other) == snapshot(model)
    assert "LR_Scheduler" in paddle.load(str(folder / "iter_2" / "model.pdopt"))


class Died(BaseException):
    """The process ends here; nothing may catch this to clean up more than the kernel would."""


def dying_at(monkeypatch: pytest.MonkeyPatch, step: int) -> list[str]:
    """Make the process "die" before its step-th change of the disk; return the names of the steps taken."""
    taken: list[str] = []
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    monkeypatch.setattr(os, "getpid", lambda: ended.pid)  # what it leaves is not this process's

    def wrap(name: str, function: Any) -> Any:
        def counted(*args: Any, **kwargs: Any) -> Any:
            if len(taken) == step:
                # A dead process removes no temporary folders.
                monkeypatch.setattr(shutil, "rmtree", lambda *args, **kwargs: None)
                monkeypatch.setattr("tempfile.TemporaryDirectory._rmtree", lambda *args, **kwargs: None)
                raise Died
            taken.append(name)
            return function(*args, **kwargs)

        return counted

    monkeypatch.setattr(os, "rename", wrap("rename", os.rename))
    monkeypatch.setattr(os, "replace", wrap("replace", os.replace))
    monkeypatch.setattr(os, "fsync", wrap("fsync", os.fsync))
    monkeypatch.setattr(paddle, "save", wrap("save", paddle.save))
    monkeypatch.setattr(shutil, "rmtree", wrap("rmtree", shutil.rmtree))
    return taken


@pytest.mark.parametrize("iteration", [2, 3])
def test_a_crash_at_any_moment_loses_nothing(tmp_path: Path, iteration: int) -> None:
    """Killed before each single change of the disk, whether iter_2 is replaced or followed, with keep=1.

    At every moment there is a whole checkpoint, old or new, and the next save puts everything in order.
    """
    model, optimizer = make()
    train(model, optimizer, 0, 2)
    step, finished = 0, False
    while not finished:
        folder = tmp_path / str(step)
        save_checkpoint(folder, model, optimizer, TrainState(2, skipped=1))
        with pytest.MonkeyPatch.context() as patch:
            dying_at(patch, step)
            try:
                save_checkpoint(folder, model, optimizer, TrainState(iteration, skipped=2), keep=1)
                finished = True
            except Died:
                step += 1
        found = latest_checkpoint(folder)
        assert found is not None, f"killed at step {step}"
        assert load_checkpoint(found, *make()).skipped in (1, 2)
        save_checkpoint(folder, model, optimizer, TrainState(4, skipped=3), keep=1)
        assert [path.name for path in folder.iterdir()] == ["iter_4"], f"killed at step {step}"
        shutil.rmtree(folder)
    assert step > 8


def test_a_crash_while_best_model_is_replaced(tmp_path: Path) -> None:
    """At every moment model.pdparams is whole, old or new; leftovers go with the next save."""
    old, new = {"w": paddle.zeros([3])}, {"w": paddle.ones([3])}
    step, finished = 0, False
    while not finished:
        folder = tmp_path / str(step) / "best_model"
        save_weights(old, folder, miou=0.1)
        with pytest.MonkeyPatch.context() as patch:
            dying_at(patch, step)
            try:
                save_weights(new, folder, miou=0.2)
                finished = True
            except Died:
                step += 1
        assert read_weights(folder / "model.pdparams")["w"].tolist() in ([0, 0, 0], [1, 1, 1])
        save_weights(new, folder, miou=0.2, iteration=7)
        assert sorted(path.name for path in folder.iterdir()) == ["info.json", "model.pdparams"]
    info = json.loads((folder / "info.json").read_text())
    assert (info["miou"], info["iteration"]) == (0.2, 7)
    assert step > 4


def test_a_full_disk_keeps_what_was_there(
    run: tuple[Path, Toy, paddle.optimizer.Optimizer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says so, the last checkpoint is untouched, no half-written file stays."""
    folder, model, optimizer = run
    save_weights(model, folder / "best_model")
    before = contents(folder)

    def full(state: object, path: str) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(paddle, "save", full)
    for iteration in (2, 3):
        with pytest.raises(UserError, match="No space left on device"):
            save_checkpoint(folder, model, optimizer, TrainState(iteration), keep=1)
    with pytest.raises(UserError, match="No space left on device"):
        save_weights(model, folder / "best_model")
    assert contents(folder) == before
    assert sorted(path.name for path in folder.iterdir()) == ["best_model", "iter_2"]


def test_another_optimizer_or_model_is_refused(run: tuple[Path, Toy, paddle.optimizer.Optimizer]) -> None:
    """Before anything is loaded: no silent fresh start with zero momentum."""
    folder, _, _ = run
    model, optimizer = make("Adam")
    before = snapshot(model)
    with pytest.raises(UserError, match="optimizer Momentum, this run has Adam"):
        load_checkpoint(folder / "iter_2", model, optimizer)
    plain = paddle.optimizer.Momentum(0.1, parameters=model.parameters())
    with pytest.raises(UserError, match="learning rate schedule"):
        load_checkpoint(folder / "iter_2", model, plain)
    linear = nn.Linear(2, 2)
    schedule = paddle.optimizer.lr.PolynomialDecay(0.1, 5)
    with pytest.raises(UserError, match="belongs to no parameter of the model"):
        load_checkpoint(
            folder / "iter_2", linear, paddle.optimizer.Momentum(schedule, parameters=linear.parameters())
        )
    assert snapshot(model) == before
