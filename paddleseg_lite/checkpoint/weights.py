"""Fitting weights into a model, with a report of every key, and writing them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import paddle
import safetensors.numpy

from paddleseg_lite.checkpoint.download import fetch
from paddleseg_lite.checkpoint.formats import read_weights, widened
from paddleseg_lite.checkpoint.unpickle import PathLike
from paddleseg_lite.errors import UserError
from paddleseg_lite.printable import printable, some

_log = logging.getLogger(__name__)

_SHOWN = 5  # keys listed in a message before "and N more"


def write_weights(state: Mapping[str, paddle.Tensor], path: PathLike) -> None:
    """Write tensors as .pdparams or .safetensors, by the path's ending; half precision becomes float32.

    Raises:
        OSError: the disk is full or not writable.
    """
    tensors = {key: _as_float32(value) for key, value in state.items()}
    if Path(path).suffix != ".safetensors":
        paddle.save(tensors, str(path))
        return
    Path(path).write_bytes(safetensors.numpy.save({key: value.numpy() for key, value in tensors.items()}))


def _as_float32(tensor: paddle.Tensor) -> paddle.Tensor:
    if tensor.dtype not in (paddle.float16, paddle.bfloat16):
        return tensor
    wide = tensor.astype("float32")
    wide.name = tensor.name  # Paddle writes it beside the weights, for its own tools
    return wide


@dataclass(frozen=True)
class LoadReport:
    """What became of each key when weights were loaded; in the order of the model or the file."""

    loaded: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)  # the model's, not in the file
    unexpected: list[str] = field(default_factory=list)  # the file's, not in the model
    mismatched: list[str] = field(default_factory=list)  # "KEY: [shape in the file], the model has [shape]"

    def __str__(self) -> str:
        """Return a line for the log: how many of each kind, and the first of those that were not loaded."""
        rest = {"missing": self.missing, "unexpected": self.unexpected, "mismatched": self.mismatched}
        listed = [
            f"{len(keys)} {kind}" + (f" ({_some(keys)})" if keys else "") for kind, keys in rest.items()
        ]
        return ", ".join([f"{len(self.loaded)} tensors loaded", *listed])


def load_weights(
    model: paddle.nn.Layer, path: PathLike, strict: bool = True, allow_missing: Iterable[str] = ()
) -> LoadReport:
    """Load weights from a path or URL into a model.

    Args:
        model: any layer.
        path: path or URL of a .pdparams or .safetensors file, or of an archive with a .pdparams; or zoo:NAME.
        strict: whether every key must be in both and agree in shape; otherwise whatever fits is loaded.
        allow_missing: prefixes of the model's keys that may be missing or differ in shape all the same, as
            "head." when a network is fine-tuned to other classes.

    Raises:
        UserError: the file cannot be had or read, or does not fit (keys are listed); the model is unchanged.
    """
    return _load(model, fetch(path), tuple(allow_missing), strict=strict, leftovers_ok=not strict)


def load_pretrained(model: paddle.nn.Layer, source: str, allow_missing: Iterable[str] = ()) -> LoadReport:
    """Load pretrained weights, as `load_weights` does, but what else the file has (a classifier) is ignored.

    Args:
        model: any layer.
        source: path or URL, or zoo:NAME.
        allow_missing: prefixes of the model's keys that may be missing or differ in shape.

    Raises:
        UserError: the file cannot be had or read, or lacks some of the model's weights; nothing is loaded.
    """
    try:
        report = _load(model, fetch(source), tuple(allow_missing), strict=True, leftovers_ok=True)
    except UserError as error:
        error.argument = "pretrained"  # of the networks' own; a config may set it in a file of its own
        raise
    _log.info("%s: %s", source, report)
    return report


def _load(
    model: paddle.nn.Layer, path: PathLike, allowed: tuple[str, ...], strict: bool, leftovers_ok: bool
) -> LoadReport:
    arrays, own = read_weights(path), model.state_dict()
    report = LoadReport(unexpected=[key for key in arrays if key not in own])
    for key, tensor in own.items():
        if key not in arrays:
            report.missing.append(key)
        elif list(arrays[key].shape) != list(tensor.shape):
            report.mismatched.append(f"{key}: {list(arrays[key].shape)}, the model has {list(tensor.shape)}")
        else:
            report.loaded.append(key)
    problems = {
        "not in the file": [key for key in report.missing if not key.startswith(allowed)],
        "of another shape": [key for key in report.mismatched if not key.startswith(allowed)],
        "not in the model": [] if leftovers_ok else report.unexpected,
    }
    if (strict and any(problems.values())) or not report.loaded:
        listed = "; ".join(f"{len(keys)} {what} ({_some(keys)})" for what, keys in problems.items() if keys)
        raise UserError(
            f"{path} does not fit {type(model).__name__} and was not loaded: {listed or 'no key in common'}; "
            "use the weights of this very network, or the config they were trained with; for a new "
            "head, name its keys in allow_missing"
        )
    values = {key: _as_float(arrays[key]) for key in report.loaded}
    if broken := [key for key, value in values.items() if not np.isfinite(value).all()]:
        count, keys = len(broken), _some(broken)
        _log.warning(
            "%s holds NaN or infinity in %d tensors (%s); use an earlier checkpoint", path, count, keys
        )
    for key, value in values.items():
        own[key].set_value(paddle.to_tensor(value, dtype=own[key].dtype))
    return report


def _as_float(array: np.ndarray) -> np.ndarray:
    """Widen bfloat16, which Paddle writes as the upper half of a float32 in a uint16."""
    return widened(array) if array.dtype == np.uint16 else array


def _some(keys: Sequence[str]) -> str:
    return printable(some(keys, _SHOWN))
