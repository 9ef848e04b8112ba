"""Exports made on the way to a faster runtime, kept under the network's weights, structure and code."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import paddle
from paddle import nn

from paddleseg_lite.checkpoint.download import cache_dir
from paddleseg_lite.deploy.export import ExportOptions, export
from paddleseg_lite.deploy.fingerprint import structure_key
from paddleseg_lite.deploy.onnx_graph import EXTRA
from paddleseg_lite.deploy.onnx_passes import optimise
from paddleseg_lite.deploy.onnx_sizes import ALIGNED, write_aligned
from paddleseg_lite.deploy.sidecar import ExportMetadata, hash_files, min_side
from paddleseg_lite.deploy.verify import probe_images
from paddleseg_lite.errors import UserError, require_modules
from paddleseg_lite.files import sync_to_disk, temporary_beside

_log = logging.getLogger(__name__)

_ONCE = ".new-once-"  # the export of a network that no key tells from others
_ABANDONED = 24 * 3600.0  # seconds after which a hidden folder is what a killed process left
_UNUSED = 30 * 24 * 3600.0  # seconds; every evaluated checkpoint leaves an export


def cached_export(
    model: nn.Layer, kind: str, in_channels: int = 3, check: Callable[[Path], object] = lambda folder: None
) -> Path:
    """Return a folder with the export of a network that gives logits for images of any size and number.

    Args:
        model: the network.
        kind: "onnx" (model.onnx, of `onnx_passes.optimise`, and that of `onnx_sizes.write_aligned`) or
            "paddle".
        in_channels: channels of its images.
        check: called with a new export before it is kept; what it raises is raised, and nothing is kept.

    Returns:
        A folder of the cache, for `release` once the runtime has read it.

    Raises:
        UserError: the network cannot be exported, or the cache cannot be written.
    """
    if kind == "onnx":
        require_modules("paddle2onnx", "onnx", "onnxruntime", install=EXTRA)
    key = structure_key(model, kind, in_channels)
    name = f"{_ONCE}{secrets.token_hex(8)}" if key is None else f"{key}-{kind}"
    folder = cache_dir() / "exports" / name
    if folder.exists():
        with contextlib.suppress(OSError):  # somebody else's cache
            os.utime(folder)
        return folder
    _log.info("exporting the network for its runtime, once: %s", folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep(folder.parent)
        with temporary_beside(folder) as new:
            options = ExportOptions((None, in_channels, None, None), "none", kind)
            export(model, new, _card(model, in_channels), options)
            if kind != "onnx" or not _optimised(new, check):
                check(new)
            try:
                os.rename(new, folder)
            except OSError:
                if not folder.exists():  # else another process was faster
                    raise
        sync_to_disk(folder.parent)
    except OSError as error:
        raise UserError(
            f"cannot write the cache {folder.parent} ({error.strerror or error}); set PADDLESEG_LITE_HOME to "
            "a folder with space, or use --backend paddle"
        ) from error
    return folder


def _optimised(folder: Path, check: Callable[[Path], object]) -> bool:
    """Replace a folder's ONNX model by optimised ones that pass the check; return whether they did."""
    model, aligned, plain = folder / "model.onnx", folder / ALIGNED, folder / "plain.onnx"
    model.replace(plain)
    for wants_aligned in (True, False):
        try:
            optimise(plain, model)
            has_aligned = wants_aligned and write_aligned(model, aligned, min_side(folder))
            hash_files(folder, [model.name, aligned.name] if has_aligned else [model.name])
            check(folder)
        except Exception as error:  # onnx and onnxruntime have many classes
            aligned.unlink(missing_ok=True)
            what = "has no model for aligned sizes" if wants_aligned else "is used as it was converted"
            _log.info("the export %s: %s", what, " ".join(str(error).split())[:300])
        else:
            plain.unlink()
            return True
    plain.replace(model)
    hash_files(folder, [model.name])
    return False


def release(folder: Path) -> None:
    """Remove an export that no other process can use; others stay."""
    if folder.name.startswith(_ONCE):
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(exports: Path) -> None:
    """Remove what killed processes left behind, and what was not used for long."""
    for folder in exports.iterdir():
        limit = _ABANDONED if folder.name.startswith(".") else _UNUSED
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > limit:
                shutil.rmtree(folder, ignore_errors=True)


def _card(model: nn.Layer, in_channels: int) -> ExportMetadata:
    image = probe_images(model, (1, in_channels, None, None))[0]
    with paddle.no_grad():
        count = model(paddle.to_tensor(image))[0].shape[1]
    return ExportMetadata(
        tuple(f"class {index}" for index in range(count)),
        np.zeros((count, 3), np.uint8),
        in_channels=in_channels,
        name=type(model).__name__,
    )
