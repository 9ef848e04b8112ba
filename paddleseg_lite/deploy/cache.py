"""Exports made on the way to a faster runtime, kept under the network's weights, structure and code."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import logging
import os
import tempfile
from pathlib import Path

import numpy as np
import paddle
from paddle import nn

from paddleseg_lite.deploy.export import ExportOptions, export, versions, weights_sha256
from paddleseg_lite.deploy.onnx_graph import cut_last_resize, require
from paddleseg_lite.deploy.sidecar import ModelCard
from paddleseg_lite.deploy.verify import probe_images
from paddleseg_lite.download import cache_dir
from paddleseg_lite.durable import sync_folder
from paddleseg_lite.errors import UserError

_log = logging.getLogger(__name__)

_LAYOUT = "1"  # of what is kept; another one does not read it


def cached_export(model: nn.Layer, kind: str, in_channels: int = 3) -> Path:
    """Return a folder with the export of a network that gives logits for images of any size and number.

    Args:
        model: the network.
        kind: "onnx" (model.onnx, without the last resize if it has one) or "paddle".
        in_channels: channels of its images.

    Raises:
        UserError: the network cannot be exported, or the cache cannot be written.
    """
    if kind == "onnx":
        require("paddle2onnx", "onnx")
    folder = cache_dir() / "exports" / f"{structure_key(model, kind, in_channels)}-{kind}"
    if folder.exists():
        return folder
    _log.info("exporting the network for its runtime, once: %s", folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=folder.parent) as hidden:
            new = Path(hidden) / "export"
            options = ExportOptions((None, in_channels, None, None), "none", kind)
            export(model, new, _card(model, in_channels), options)
            if kind == "onnx" and cut_last_resize(new / "model.onnx", new / "cut.onnx"):
                (new / "cut.onnx").replace(new / "model.onnx")
            with contextlib.suppress(OSError):  # another process was faster
                os.rename(new, folder)
        sync_folder(folder.parent)
    except OSError as error:
        raise UserError(
            f"cannot write the cache {folder.parent} ({error.strerror or error}); set PADDLESEG_LITE_HOME to "
            "a folder with space, or use --backend paddle"
        ) from error
    return folder


def structure_key(model: nn.Layer, kind: str, in_channels: int) -> str:
    """Return a hash of all that decides what an export computes.

    Networks may share their weights and differ in strides or scales (LRASPP at two output strides, LPSNet-S
    and -M), so the layers' settings count too, and the code of those that are not Paddle's own.
    """
    digest = hashlib.sha256()
    facts = [_LAYOUT, kind, in_channels, "dynamic", versions(kind), repr(model), weights_sha256(model)]
    digest.update("\n".join(map(str, facts)).encode())
    for module in sorted({type(layer).__module__ for layer in model.sublayers(include_self=True)}):
        if module.split(".")[0] != "paddle":
            digest.update(_source(module))
    for name, layer in model.named_sublayers(include_self=True):
        digest.update(f"{name} {type(layer).__qualname__} {_settings(layer)}\n".encode())
    return digest.hexdigest()[:32]


def _settings(layer: nn.Layer) -> list[tuple[str, object]]:
    """Return a layer's own plain attributes; Paddle's private ones differ from process to process."""
    inherited = vars(nn.Layer())
    return sorted(
        (name, value) for name, value in vars(layer).items() if name not in inherited and _is_plain(value)
    )


def _is_plain(value: object) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, (bool, int, float, str))


def _source(module: str) -> bytes:
    import sys

    try:
        return inspect.getsource(sys.modules[module]).encode()
    except (OSError, TypeError, KeyError):  # typed in at a prompt
        return module.encode()


def _card(model: nn.Layer, in_channels: int) -> ModelCard:
    image = probe_images(model, (1, in_channels, None, None))[0]
    with paddle.no_grad():
        count = model(paddle.to_tensor(image))[0].shape[1]
    return ModelCard(
        tuple(f"class {index}" for index in range(count)),
        np.zeros((count, 3), np.uint8),
        in_channels=in_channels,
        name=type(model).__name__,
    )
