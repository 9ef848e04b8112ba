"""Training state on disk, written so that whatever happens, what was saved before is still there.

A checkpoint is a folder `iter_N`: `model.pdparams` (or `.safetensors`) and `model.pdopt` (which `paddle.load`
reads too), `state.json`, a moving average `ema.pdparams` (or `.safetensors`) if there is one, and
`SHA256SUMS`, which `sha256sum -c` checks. It is written under a hidden name, flushed to the disk and renamed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Union

import numpy as np
import paddle

from paddleseg_lite.checkpoint import folders
from paddleseg_lite.checkpoint.folders import weights_file
from paddleseg_lite.checkpoint.formats import FORMATS, read_weights
from paddleseg_lite.checkpoint.optimizer import translated_state
from paddleseg_lite.checkpoint.state import FORMAT, SCHEMA, TrainState, as_json, from_json
from paddleseg_lite.checkpoint.unpickle import PathLike, read_pickle
from paddleseg_lite.checkpoint.weights import load_weights, write_weights
from paddleseg_lite.errors import UserError, writing
from paddleseg_lite.files import sha256, sync_to_disk, temporary_beside
from paddleseg_lite.json_files import NUMBER, read_json
from paddleseg_lite.paddle_compat import float32_weights, optimizer_state, set_optimizer_state

_AVERAGE = "ema"  # with a weights format as its ending
_INFO = "info.json"
_RESUME = "earlier checkpoints are untouched: free some space or give another save_dir, then resume"
_UNTOUCHED = "what was there before is untouched: free some space or give another save_dir"
_ANOTHER = "give another iter_N folder"

StateDict = Mapping[str, Any]
Model = Union[paddle.nn.Layer, StateDict]


def save_checkpoint(
    save_dir: PathLike,
    model: paddle.nn.Layer,
    optimizer: paddle.optimizer.Optimizer,
    state: TrainState,
    keep: int = 5,
    average: StateDict | None = None,
    weights_format: str = "pdparams",
) -> Path:
    """Write `save_dir/iter_N`, N being `state.iteration`, then remove the oldest beyond `keep`.

    Args:
        save_dir: the run's folder; made if there is none. One process at a time may save to it.
        model: the model.
        optimizer: its optimizer; the state of its learning rate schedule is saved with it.
        state: the rest.
        keep: how many iter_* to keep, at least 1; 0 or less keeps all.
        average: a moving average of the weights, written as ema.pdparams.
        weights_format: "pdparams" or "safetensors"; weights are written as float32.

    Returns:
        The checkpoint's folder.

    Raises:
        UserError: the disk is full or not writable; earlier checkpoints are untouched.
    """
    save_dir = Path(save_dir)
    target = save_dir / f"iter_{state.iteration}"
    weights = float32_weights(model, optimizer)
    names = {key: value.name for key, value in weights.items()}
    described = {**state.state_dict(), "optimizer": type(optimizer).__name__, "names": names}
    with writing(f"the checkpoint {target}", _RESUME):
        save_dir.mkdir(parents=True, exist_ok=True)
        folders.tidy(save_dir)
        with temporary_beside(target) as new:
            new.mkdir()
            write_weights(weights, new / f"{folders.MODEL}.{weights_format}")
            paddle.save(optimizer_state(optimizer), str(new / folders.OPTIMIZER))
            _write_json(new / folders.STATE, described)
            if average is not None:
                write_weights(average, new / f"{_AVERAGE}.{weights_format}")
            sums = [f"{sha256(path)}  {path.name}\n" for path in sorted(new.iterdir())]
            (new / folders.SUMS).write_text("".join(sums), encoding="utf-8")
            sync_to_disk(*new.iterdir(), new)
            if target.exists():  # it stays on the disk, under a name that tidy knows, until replaced
                os.rename(target, save_dir / (folders.OLD + target.name))
            os.rename(new, target)
            sync_to_disk(save_dir)
        folders.tidy(save_dir)
    if keep > 0:
        folders.remove_oldest(save_dir, target, keep)
    return target


def save_weights(
    model_or_state_dict: Model, folder: PathLike, weights_format: str = "pdparams", **info: Any
) -> Path:
    """Write `folder/model.pdparams` (or .safetensors), and `info` beside it as info.json.

    A file that is there is replaced at one stroke: at no moment is there none, or half of one.

    Args:
        model_or_state_dict: a model, or tensors by name.
        folder: made if there is none.
        weights_format: "pdparams" or "safetensors"; weights are written as float32.
        **info: what to remember about the weights, such as miou=0.7 and iteration=1000.

    Returns:
        The path of the weights.

    Raises:
        UserError: the disk is full or not writable; what was there before is untouched.
    """
    folder, name = Path(folder), f"{folders.MODEL}.{weights_format}"
    if isinstance(model_or_state_dict, paddle.nn.Layer):
        model_or_state_dict = model_or_state_dict.state_dict()
    weights = dict(model_or_state_dict)
    with writing(folder / name, _UNTOUCHED):
        folder.mkdir(parents=True, exist_ok=True)
        folders.tidy(folder)
        with temporary_beside(folder / name) as new:
            new.mkdir()
            write_weights(weights, new / name)
            # The sum tells whether an info.json belongs to these weights, should a crash part the two.
            _write_json(new / _INFO, {**info, "sha256": sha256(new / name)})
            sync_to_disk(new / name, new / _INFO)
            os.replace(new / name, folder / name)
            os.replace(new / _INFO, folder / _INFO)
        for ending in {*FORMATS} - {weights_format}:  # older weights, which would now be taken for these
            (folder / f"{folders.MODEL}.{ending}").unlink(missing_ok=True)
        sync_to_disk(folder, folder.parent)
    return folder / name


def read_info(folder: PathLike) -> dict[str, Any]:
    """Return what `save_weights` noted beside the weights; {} if the two do not belong together."""
    folder = Path(folder)
    try:
        info = read_json(folder / _INFO, {"sha256": str, "miou?": NUMBER, "iteration?": int}, "remove it")
        return info if info.pop("sha256") == sha256(weights_file(folder)) else {}
    except (OSError, UserError):
        return {}


def read_average(folder: PathLike) -> dict[str, np.ndarray] | None:
    """Return the moving average of the weights that a checkpoint holds, None if it has none."""
    path = weights_file(folder, _AVERAGE)
    return read_weights(path) if path.exists() else None


def load_checkpoint(
    folder: PathLike,
    model: paddle.nn.Layer,
    optimizer: paddle.optimizer.Optimizer,
    check: Callable[[TrainState], None] | None = None,
) -> TrainState:
    """Load a checkpoint into a model and its optimizer, so that training goes on as it would have.

    `check` is given the state before anything is loaded; what it raises is passed on.

    Raises:
        UserError: the checkpoint is missing, damaged, or of another model, optimizer or later version.
    """
    folder = Path(folder)
    saved = _read_json(folder)
    state = _train_state(folder, saved)
    if check is not None:
        check(state)
    if saved["optimizer"] != type(optimizer).__name__:
        raise UserError(
            f"cannot resume from {folder}: it was saved with the optimizer {saved['optimizer']}, this run "
            f"has {type(optimizer).__name__}; resume with the config the run was started with"
        )
    path = folder / folders.OPTIMIZER
    accumulators = translated_state(optimizer, read_pickle(path), model, saved["names"], path)
    load_weights(model, weights_file(folder))
    set_optimizer_state(optimizer, accumulators)  # that it fits has been checked
    return state


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, default=as_json, indent=1), encoding="utf-8")


def _read_json(folder: Path) -> dict[str, Any]:
    """Return the content of a checkpoint's state.json, after checking all its files."""
    if folders.is_paddlesegs(folder):
        raise UserError(f"cannot resume: {folders.use_paddlesegs(folder)}")
    if corruption := folders.find_corruption(folder):
        raise UserError(f"cannot resume from {folder}: {corruption}; {_ANOTHER}")
    content = read_json(folder / folders.STATE, SCHEMA, _ANOTHER, from_json)
    if content.get("format", 1) > FORMAT:
        raise UserError(f"cannot resume from {folder}: a later version saved it; update paddleseg_lite")
    return content


def _train_state(folder: Path, content: Mapping[str, Any]) -> TrainState:
    state = TrainState()
    try:
        state.load_state_dict(content)
    except ValueError as error:
        raise UserError(f"{folder / folders.STATE} is damaged: {error}; {_ANOTHER}") from error
    return state
