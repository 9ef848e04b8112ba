"""The checkpoints of a run: the newest whole one is found, old ones go, and nothing else does."""

from __future__ import annotations

import logging
from pathlib import Path

import paddle
import pytest

from paddleseg_lite.checkpoint import TrainState, latest_checkpoint, load_checkpoint, save_checkpoint
from paddleseg_lite.errors import UserError
from paddleseg_lite.files import temporary_beside
from tests.checkpoint.runs import Toy, make, snapshot


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    """By iteration, not by the order of names; 0 keeps all; other folders are nobody's business."""
    model, optimizer = make()
    (tmp_path / "best_model").mkdir()
    (tmp_path / "iter_notes").mkdir()
    for iteration in (8, 9, 10, 11):
        save_checkpoint(tmp_path, model, optimizer, TrainState(iteration), keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "best_model",
        "iter_10",
        "iter_11",
        "iter_notes",
    ]
    for iteration in (12, 13):
        save_checkpoint(tmp_path, model, optimizer, TrainState(iteration), keep=0)
    assert len(list(tmp_path.glob("iter_1*"))) == 4
    # a run begun anew in the same folder: what was just written is never what goes
    save_checkpoint(tmp_path, model, optimizer, TrainState(1), keep=1)
    assert [path.name for path in tmp_path.glob("iter_?")] == ["iter_1"]


@pytest.mark.parametrize("name", ["model.pdparams", "model.pdopt", "state.json", "SHA256SUMS"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "gone"])
def test_damage_is_noticed_and_an_older_checkpoint_found(
    run: tuple[Path, Toy, paddle.optimizer.Optimizer],
    caplog: pytest.LogCaptureFixture,
    name: str,
    damage: str,
) -> None:
    """A bit flipped, a file cut or missing: refused by name, and the one before it is found."""
    folder, model, optimizer = run
    file = save_checkpoint(folder, model, optimizer, TrainState(iteration=3)) / name
    content = file.read_bytes()
    if damage == "gone":
        file.unlink()
    else:
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        file.write_bytes(content[:middle] if damage == "cut" else flipped)
    before = snapshot(model)
    with pytest.raises(UserError, match="iter_3"):
        load_checkpoint(folder / "iter_3", model, optimizer)
    assert snapshot(model) == before
    with caplog.at_level(logging.WARNING):
        assert latest_checkpoint(folder) == folder / "iter_2"
    assert "iter_3" in caplog.text


def test_nothing_to_resume_from(tmp_path: Path) -> None:
    """None for an empty or missing folder; a wrong path is a user's error."""
    assert latest_checkpoint(tmp_path) is None
    assert latest_checkpoint(tmp_path / "none") is None
    with pytest.raises(UserError, match="cannot resume from"):
        load_checkpoint(tmp_path / "iter_5", *make())


def test_only_what_nobody_writes_any_more_is_tidied_up(tmp_path: Path) -> None:
    """An export into a folder of the run's own may be running; what is a stranger's stays."""
    for name in (".new-ideas", ".old-iter_notes"):
        (tmp_path / name).mkdir()
    with temporary_beside(tmp_path / "export") as running:
        running.mkdir()
        save_checkpoint(tmp_path, *make(), TrainState(iteration=1))
        assert running.is_dir()
    assert {path.name for path in tmp_path.iterdir()} == {"iter_1", ".new-ideas", ".old-iter_notes"}


def test_a_checkpoint_that_was_being_replaced_counts_by_its_number(tmp_path: Path) -> None:
    """A crash between two renames leaves the newest under its hidden name, beside older ones."""
    model, optimizer = make()
    for iteration in (9, 10):
        save_checkpoint(tmp_path, model, optimizer, TrainState(iteration=iteration))
    (tmp_path / "iter_10").rename(tmp_path / ".old-iter_10")
    assert latest_checkpoint(tmp_path) == tmp_path / ".old-iter_10"
