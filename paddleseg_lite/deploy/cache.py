"""Exports made on the way to a faster runtime, kept from one run to the next."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import paddle
from paddle import nn

from paddleseg_lite.checkpoint.download import cache_dir
from paddleseg_lite.datasets.info import DatasetInfo
from paddleseg_lite.deploy.export import ExportOptions, export
from paddleseg_lite.deploy.fingerprint import export_key
from paddleseg_lite.deploy.onnx_graph import EXTRA
from paddleseg_lite.deploy.onnx_passes import PASSES, Pass, cut_last_resize
from paddleseg_lite.deploy.onnx_sizes import ALIGNED, write_aligned
from paddleseg_lite.deploy.reference import on_cpu
from paddleseg_lite.deploy.sidecar import ExportMetadata, hash_files, min_side
from paddleseg_lite.deploy.verify import (
    DEVICE_TOLERANCE,
    TOLERANCE,
    live_logits,
    probe_images,
    small_image,
    verify,
)
from paddleseg_lite.errors import require_modules, writing
from paddleseg_lite.files import temporary_beside
from paddleseg_lite.inference.augment import PLAIN, Runtime, infer

_log = logging.getLogger(__name__)

_REMEDY = "set PADDLESEG_LITE_HOME to a folder with space, or use --backend paddle"
_ABANDONED = 24 * 3600.0  # seconds after which a hidden folder is what a killed process left
_UNUSED = 30 * 24 * 3600.0  # seconds; every evaluated checkpoint leaves an export
# What is tried in turn: changes to the ONNX model, and whether it is cut and aligned for `inference.logits`.
_ATTEMPTS: dict[str, list[tuple[tuple[Pass, ...], bool]]] = {
    "onnx": [(PASSES, True), (PASSES, False), ((), False)],
    "paddle": [((), False)],
}


def kept_runtime(
    model: nn.Layer, kind: str, in_channels: int, open_runtime: Callable[[Path], Runtime]
) -> Runtime:
    """Return a runtime of a network's export, which is taken from the cache or made and kept there.

    One that was kept is compared with the live network on a small image, one that is new on several: an
    export that gives other answers is never used. That is done on the CPU, exactly; a runtime for a device is
    then compared with the live network there, as closely as TF32 permits.

    Args:
        model: the network; put into eval mode.
        kind: "onnx" (without its last resize if it can be, with a second model of `onnx_sizes`) or "paddle".
        in_channels: channels of its images.
        open_runtime: makes a runtime of a folder, which it does not need afterwards, on Paddle's device.

    Raises:
        UserError: the network cannot be exported, its export gives other answers, or the cache cannot be
            written.
    """
    if kind == "onnx":
        require_modules("paddle2onnx", "onnx", "onnxruntime", install=EXTRA)
    with on_cpu(model) as reference:
        folder = cache_dir() / "exports" / f"{export_key(reference, kind, in_channels)}-{kind}"
        runtime = _opened(reference, folder, in_channels, open_runtime) if folder.exists() else None
        if runtime is None:
            runtime = _made(reference, folder, kind, in_channels, open_runtime)
    if paddle.device.get_device() == "cpu":
        return runtime
    image = small_image(min_side(folder), in_channels)
    runtime = open_runtime(folder)
    _compare(model, runtime, [image], f"the {kind} export", DEVICE_TOLERANCE)
    return runtime


def _opened(
    model: nn.Layer, folder: Path, in_channels: int, open_runtime: Callable[[Path], Runtime]
) -> Runtime | None:
    """Return a runtime of a kept export, or None: one that is damaged or gives other answers is removed."""
    try:
        runtime = open_runtime(folder)
        _compare(model, runtime, [small_image(min_side(folder), in_channels)], "the kept export")
        with contextlib.suppress(OSError):  # somebody else's cache
            os.utime(folder)
        return runtime
    except Exception as error:  # damaged in whatever way, or of other code under the same key
        _log.warning("exporting the network again: %s", error)
        shutil.rmtree(folder, ignore_errors=True)
        return None


def _made(
    model: nn.Layer, folder: Path, kind: str, in_channels: int, open_runtime: Callable[[Path], Runtime]
) -> Runtime:
    """Return a runtime of a new export, which is put at `folder`."""
    _log.info("exporting the network for its runtime, once: %s", folder)
    with writing(f"the cache {folder.parent}", _REMEDY):
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep(folder.parent)
        with temporary_beside(folder) as new:
            _write(model, new, kind, in_channels, open_runtime)
            runtime = open_runtime(new)
            try:
                os.rename(new, folder)
            except OSError:
                if not folder.exists():  # else another process was faster
                    raise
    return runtime


def _write(
    model: nn.Layer, folder: Path, kind: str, in_channels: int, open_runtime: Callable[[Path], Runtime]
) -> None:
    """Export a network into a folder, changed as far as its answers stay the live network's."""
    images = probe_images(model, (None, in_channels, None, None))
    count = live_logits(model, images[0]).shape[1]
    classes = tuple(f"class {index}" for index in range(count))
    data = DatasetInfo(count, in_channels, classes, np.zeros((count, 3), np.uint8))
    described = ExportMetadata(data, name=type(model).__name__)
    options = ExportOptions((None, in_channels, None, None), "none", kind)
    for passes, fits_maps in _ATTEMPTS[kind]:
        export(model, folder, described, options, passes)
        try:
            if fits_maps:
                _fit_to_maps(folder)
            _compare(model, open_runtime(folder), images, f"the {kind} export")
            return
        except Exception as error:  # onnx and onnxruntime have many classes
            if not passes:
                raise
            what = "all changes" if fits_maps else "changes to it"
            _log.info("the ONNX model cannot have %s: %s", what, " ".join(str(error).split())[:300])
            shutil.rmtree(folder)


def _fit_to_maps(folder: Path) -> None:
    """Cut a folder's ONNX model for `inference.logits`, and write the one for aligned sizes beside it."""
    model, aligned = folder / "model.onnx", folder / ALIGNED
    cut_last_resize(model)
    has_aligned = write_aligned(model, aligned, min_side(folder))
    hash_files(folder, [model.name, aligned.name] if has_aligned else [model.name])


def _compare(
    model: nn.Layer,
    runtime: Runtime,
    images: Sequence[np.ndarray],
    what: str,
    tolerance: float = TOLERANCE,
) -> None:
    # The runtime's maps, for an ONNX model has lost its last resize.
    run = partial(infer, runtime, options=PLAIN)
    verify(model, run, images, "none", what, True, "use --backend paddle", tolerance)


def _sweep(exports: Path) -> None:
    """Remove what killed processes left behind, and what was not used for long."""
    for folder in exports.iterdir():
        limit = _ABANDONED if folder.name.startswith(".") else _UNUSED
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > limit:
                shutil.rmtree(folder, ignore_errors=True)
