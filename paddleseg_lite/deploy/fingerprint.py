"""What an export was made of: the weights' hash, the versions, and the key that it is kept under."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn

from paddleseg_lite.deploy.onnx_graph import OPSET
from paddleseg_lite.version import __version__

_PACKAGE = Path(__file__).resolve().parents[1]
# Of our files those that decide what an export computes.
_DECIDING = ("paddle_compat.py", "kernels/**/*.py", "models/**/*.py", "deploy/**/*.py")


def export_key(model: nn.Layer, kind: str, in_channels: int) -> str:
    """Return a hash of what tells exports apart: tensors, structure, versions and code.

    The code is ours and the files of the classes that the network is built of. It is no proof: a function
    that they call may change, or hold other values. A kept export is therefore compared with the live network
    when it is opened (`cache.kept_runtime`).

    Args:
        model: the network.
        kind: "onnx" or "paddle".
        in_channels: channels of its images.
    """
    tensors = {**model.state_dict(), **dict(model.named_buffers())}  # the latter are not all saved
    facts: list[object] = [kind, in_channels, repr(model), versions(kind), hash_tensors(tensors)]
    if kind == "onnx":  # both write the file that is kept
        facts += [import_module(name).__version__ for name in ("onnx", "onnxruntime")]
    digest = hashlib.sha256("\n".join(map(str, facts)).encode())
    own = {path for pattern in _DECIDING for path in _PACKAGE.glob(pattern)}
    for path in sorted(own | _class_files(model)):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


def _class_files(model: nn.Layer) -> set[Path]:
    """Return the files of the classes of a network's layers and of their bases, without Paddle's."""
    classes = {kind for layer in model.sublayers(include_self=True) for kind in type(layer).__mro__}
    modules = {kind.__module__ for kind in classes if kind.__module__.split(".")[0] != "paddle"}
    files = [getattr(sys.modules.get(module), "__file__", None) for module in modules]
    return {Path(file) for file in files if file and Path(file).is_file()}


def hash_tensors(tensors: Mapping[str, Any]) -> str:
    """Return a SHA-256 of tensors, by name, in the order of the names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        array = np.ascontiguousarray(tensor.numpy())
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.data)
    return digest.hexdigest()


def versions(formats: str) -> dict[str, str]:
    """Return the versions of what makes an export; `formats` is "paddle", "onnx" or "all"."""
    found = {"paddleseg_lite": __version__, "paddle": paddle.__version__}
    if formats != "paddle":
        found.update(paddle2onnx=metadata.version("paddle2onnx"), opset=str(OPSET))
    return found
