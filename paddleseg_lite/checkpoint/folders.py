"""The checkpoints in a run's folder: which there are, which are whole, which may go."""

from __future__ import annotations

import logging
import os
import re
import shutil
from itertools import count
from pathlib import Path

from paddleseg_lite.checkpoint.unpickle import PathLike
from paddleseg_lite.errors import UserError
from paddleseg_lite.files import read_regular, remove_leftovers, sha256, temporary_beside
from paddleseg_lite.printable import printable

_log = logging.getLogger(__name__)

MODEL = "model"  # with a weights format as its ending
OPTIMIZER, STATE, SUMS = "model.pdopt", "state.json", "SHA256SUMS"
OLD = ".old-"  # before the name of a checkpoint that is being replaced
_ABANDONED = "abandoned_"
_MAX_SUMS = 1 << 20  # bytes


def weights_file(folder: PathLike, name: str = MODEL) -> Path:
    """Return the file of that name in a folder, in whichever weights format; .pdparams if it is in none."""
    other = Path(folder) / f"{name}.safetensors"
    return other if os.path.exists(other) else Path(folder) / f"{name}.pdparams"


def latest_checkpoint(save_dir: PathLike) -> Path | None:
    """Return the valid checkpoint of the most iterations in `save_dir`, or None; log the damaged ones."""
    # A crash may have come between the two renames that replace a checkpoint.
    replaced = filter(_is_replaced, Path(save_dir).glob(f"{OLD}*"))
    # Sorting is stable: of the same iteration, the one that replaces comes first.
    for folder in sorted([*_checkpoints(Path(save_dir)), *replaced], key=_iteration, reverse=True):
        corruption = find_corruption(folder)
        if corruption is None:
            return folder
        _log.warning("skipping the checkpoint %s: %s", folder, corruption)
    return None


def holds_run(save_dir: Path) -> bool:
    """Return whether a run has saved anything to the folder."""
    # A crash while a checkpoint is replaced may leave it under its hidden name.
    return any(list(save_dir.glob(name)) for name in ("iter_*", f"{OLD}iter_*", "best_model"))


def set_aside_newer(save_dir: PathLike, iteration: int) -> list[Path]:
    """Rename every checkpoint of more iterations to abandoned_iter_M, or abandoned_K_iter_M if that is taken.

    A run that goes on from an older checkpoint leaves them behind: they would be found as the newest, and
    outlive its own.

    Returns:
        Where they are now.
    """
    save_dir = Path(save_dir)
    tidy(save_dir)
    moved = []
    for folder in _checkpoints(save_dir):
        if _iteration(folder) > iteration:
            names = (f"{_ABANDONED}{f'{k}_' if k else ''}{folder.name}" for k in count())
            target = next(save_dir / name for name in names if not (save_dir / name).exists())
            os.rename(folder, target)
            moved.append(target)
    return moved


def _checkpoints(save_dir: Path) -> list[Path]:
    """Return the iter_N folders, the highest N first."""
    folders = [path for path in save_dir.glob("iter_*") if _is_checkpoint(path)]
    return sorted(folders, key=_iteration, reverse=True)


def _is_checkpoint(path: Path) -> bool:
    return re.fullmatch(r"iter_\d+", path.name) is not None


def _is_replaced(path: Path) -> bool:
    return _is_checkpoint(path.with_name(path.name.removeprefix(OLD))) and path.name.startswith(OLD)


def _iteration(folder: Path) -> int:
    return int(folder.name.rsplit("_", 1)[-1])


def paddleseg_checkpoint(save_dir: PathLike) -> Path | None:
    """Return the iter_N folder of PaddleSeg's with the most iterations in `save_dir`, or None."""
    return next((folder for folder in _checkpoints(Path(save_dir)) if is_paddlesegs(folder)), None)


def is_paddlesegs(folder: Path) -> bool:
    """Return whether a folder has weights and none of this library's descriptions of them."""
    weights, *others = (os.path.exists(folder / name) for name in (f"{MODEL}.pdparams", STATE, SUMS))
    return weights and not any(others)


def use_paddlesegs(folder: Path) -> str:
    """Say what can be done with a checkpoint of PaddleSeg's."""
    return (
        f"{folder} is a checkpoint of PaddleSeg's, whose optimizer and iteration are kept otherwise: start a "
        f"run from its weights, with --pretrained {folder / MODEL}.pdparams instead of --resume_model, into "
        "a --save_dir of its own"
    )


def find_corruption(folder: Path) -> str | None:
    """Say what is wrong with a checkpoint, or None."""
    if is_paddlesegs(folder):
        return "it is PaddleSeg's"
    try:
        sums = read_regular(folder / SUMS, _MAX_SUMS).decode("utf-8")
        expected = {name: digest for digest, name in (line.split("  ", 1) for line in sums.splitlines())}
        if elsewhere := [name for name in expected if name != Path(name).name]:
            return f"{SUMS} tells of {printable(elsewhere[0])}, which is not in the folder"
        for name in {weights_file(folder).name, OPTIMIZER, STATE, *expected}:
            if expected.get(name) != sha256(folder / name):
                return f"the contents of {name} are not what was written (SHA-256 differs)"
    except FileNotFoundError as error:
        return f"there is no {error.filename}"
    except (OSError, ValueError, UserError) as error:  # ValueError: a garbled list of sums
        return f"it cannot be read ({error})"
    return None


def tidy(save_dir: Path) -> None:
    """Undo or finish what an earlier process may have left half-done."""
    for old in filter(_is_replaced, save_dir.glob(f"{OLD}*")):
        target = save_dir / old.name[len(OLD) :]
        if target.exists():
            shutil.rmtree(old)
        else:
            os.rename(old, target)
    remove_leftovers(save_dir)  # an export to a folder in save_dir may be running


def remove_oldest(save_dir: Path, newest: Path, keep: int) -> None:
    """Remove the checkpoints of the fewest iterations, until there are `keep`, `newest` among them."""
    others = [folder for folder in _checkpoints(save_dir) if folder != newest]
    for folder in others[keep - 1 :]:
        try:
            # Renamed first: a half-removed folder must not look like a damaged checkpoint.
            with temporary_beside(folder) as hidden:
                os.rename(folder, hidden)
        except OSError as error:
            _log.warning("cannot remove the old checkpoint %s: %s", folder, error)
