"""Training state on disk, written so that whatever happens, what was saved before is still there.

A checkpoint is a folder `iter_N`: `model.pdparams` (or `.safetensors`) and `model.pdopt` (which `paddle.load`
reads too), `state.json`, a moving average `ema.pdparams` (or `.safetensors`) if there is one, and
`SHA256SUMS`, which `sha256sum -c` checks. It is written under a hidden name, flushed to the disk and renamed.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Union

import paddle

from paddleseg_lite.checkpoint.folders import (
    MODEL,
    NEW,
    OLD,
    OPTIMIZER,
    STATE,
    SUMS,
    fault_of,
    latest_checkpoint,
    remove_oldest,
    tidy,
    weights_file,
)
from paddleseg_lite.checkpoint.optimizer import translated_state
from paddleseg_lite.checkpoint.plain_data import plain, restored
from paddleseg_lite.checkpoint.unpickle import PathLike, read_pickle
from paddleseg_lite.checkpoint.weights import (
    FORMATS,
    LoadReport,
    load_pretrained,
    load_weights,
    read_weights,
    write_weights,
)
from paddleseg_lite.errors import UserError
from paddleseg_lite.files import sha256, sync_to_disk
from paddleseg_lite.paddle_compat import optimizer_state, set_optimizer_state

__all__ = [
    "LoadReport",
    "TrainState",
    "latest_checkpoint",
    "load_checkpoint",
    "load_pretrained",
    "load_weights",
    "read_info",
    "read_weights",
    "save_checkpoint",
    "save_weights",
    "weights_file",
]

_AVERAGE = "ema"  # with a weights format as its ending

StateDict = Mapping[str, Any]
Model = Union[paddle.nn.Layer, StateDict]


@dataclass
class TrainState:
    """Where a run stands, besides weights and optimizer.

    Attributes:
        iteration: finished iterations.
        best_miou: the best mIoU so far, -1 before the first evaluation.
        best_iteration: its iteration.
        extra: whatever else must survive: numbers, strings, arrays, tensors, lists, and dicts of them with
            string keys, as in the state dict of a GradScaler. Tuples come back as lists, tensors as arrays.
    """

    iteration: int = 0
    best_miou: float = -1.0
    best_iteration: int = 0
    extra: dict[str, Any] = field(default_factory=dict)


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
    weights = model.state_dict()
    names = {key: value.name for key, value in weights.items()}
    described = {**asdict(state), "optimizer": type(optimizer).__name__, "names": names}
    try:
        save_dir.mkdir(parents=True, exist_ok=True)
        tidy(save_dir)
        with tempfile.TemporaryDirectory(prefix=NEW, dir=save_dir) as hidden:
            folder = Path(hidden) / target.name
            folder.mkdir()
            write_weights(weights, folder / f"{MODEL}.{weights_format}")
            paddle.save(optimizer_state(optimizer), str(folder / OPTIMIZER))
            (folder / STATE).write_text(json.dumps(described, default=plain, indent=1), encoding="utf-8")
            if average is not None:
                write_weights(average, folder / f"{_AVERAGE}.{weights_format}")
            sums = [f"{sha256(path)}  {path.name}\n" for path in sorted(folder.iterdir())]
            (folder / SUMS).write_text("".join(sums), encoding="utf-8")
            sync_to_disk(*folder.iterdir(), folder)
            if target.exists():  # it stays on the disk, under a name that tidy knows, until replaced
                os.rename(target, save_dir / (OLD + target.name))
            os.rename(folder, target)
            sync_to_disk(save_dir)
        tidy(save_dir)
    except OSError as error:
        raise UserError(
            f"cannot write the checkpoint {target} ({error.strerror or error}); earlier checkpoints are "
            "untouched: free some space or give another save_dir, then resume"
        ) from error
    if keep > 0:
        remove_oldest(save_dir, target, keep)
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
    folder, name = Path(folder), f"{MODEL}.{weights_format}"
    if isinstance(model_or_state_dict, paddle.nn.Layer):
        model_or_state_dict = model_or_state_dict.state_dict()
    weights = dict(model_or_state_dict)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(NEW + "*"):
            shutil.rmtree(leftover)
        with tempfile.TemporaryDirectory(prefix=NEW, dir=folder) as hidden:
            new_model, new_info = Path(hidden) / name, Path(hidden) / "info.json"
            write_weights(weights, new_model)
            # The sum tells whether an info.json belongs to these weights, should a crash part the two.
            described = {**info, "sha256": sha256(new_model)}
            new_info.write_text(json.dumps(described, default=plain, indent=1), encoding="utf-8")
            sync_to_disk(new_model, new_info)
            os.replace(new_model, folder / name)
            os.replace(new_info, folder / new_info.name)
        for ending in {*FORMATS} - {weights_format}:  # older weights, which would now be taken for these
            (folder / f"{MODEL}.{ending}").unlink(missing_ok=True)
        sync_to_disk(folder, folder.parent)
    except OSError as error:
        raise UserError(
            f"cannot write {folder / name} ({error.strerror or error}); what was there before is "
            "untouched: free some space or give another save_dir"
        ) from error
    return folder / name


def read_info(folder: PathLike) -> dict[str, Any]:
    """Return what `save_weights` noted beside the weights; {} if the two do not belong together."""
    folder = Path(folder)
    try:
        info = json.loads((folder / "info.json").read_text(encoding="utf-8"))
        return info if info.pop("sha256", None) == sha256(weights_file(folder)) else {}
    except (OSError, ValueError):
        return {}


def load_checkpoint(
    folder: PathLike, model: paddle.nn.Layer, optimizer: paddle.optimizer.Optimizer
) -> TrainState:
    """Load a checkpoint into a model and its optimizer, so that training goes on as it would have.

    Args:
        folder: an iter_N folder.
        model: a model like the one that was saved.
        optimizer: an optimizer like the one that was saved, over the model's parameters.

    Raises:
        UserError: the checkpoint is missing, damaged, or of another model or optimizer.
    """
    folder = Path(folder)
    if fault := fault_of(folder):
        raise UserError(f"cannot resume from {folder}: {fault}; give another iter_N folder")
    state = json.loads((folder / STATE).read_text(encoding="utf-8"), object_hook=restored)
    kind = state.pop("optimizer")
    if kind != type(optimizer).__name__:
        raise UserError(
            f"cannot resume from {folder}: it was saved with the optimizer {kind}, this run has "
            f"{type(optimizer).__name__}; resume with the config the run was started with"
        )
    names = state.pop("names")
    saved = read_pickle(folder / OPTIMIZER)
    accumulators = translated_state(optimizer, saved, model, names, folder / OPTIMIZER)
    load_weights(model, weights_file(folder, MODEL))
    set_optimizer_state(optimizer, accumulators)  # that they fit has been checked
    return TrainState(**state)
