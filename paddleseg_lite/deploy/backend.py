"""The choice of what runs a network: the live one, or a runtime with its export."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import paddle
from paddle import nn

from paddleseg_lite.deploy.cache import kept_runtime
from paddleseg_lite.deploy.onnx_graph import EXTRA
from paddleseg_lite.deploy.runtimes import OnnxRuntime, PaddleInference
from paddleseg_lite.errors import UserError, missing_modules
from paddleseg_lite.inference.augment import Network, Runtime
from paddleseg_lite.paddle_compat import onednn_works

_log = logging.getLogger(__name__)

BACKENDS = ("auto", "paddle", "paddle_inference", "onnxruntime")


def choose(backend: str) -> tuple[str, str]:
    """Return which runtime to use, and why.

    Args:
        backend: one of BACKENDS; "auto" is the live network on a GPU, else the fastest that is installed.

    Raises:
        UserError: there is no such backend.
    """
    if backend not in BACKENDS:
        raise UserError(f"--backend is '{backend}'; give one of {', '.join(BACKENDS)}")
    if backend != "auto":
        return backend, "as asked for"
    if paddle.get_device() != "cpu":
        return "paddle", "on a GPU the live network needs no export"
    missing = missing_modules("onnxruntime", "paddle2onnx")
    if not missing:
        return "onnxruntime", "the fastest one installed for a CPU"
    hint = f"{' and '.join(missing)} not installed: {EXTRA} for a faster one"
    return ("paddle_inference", f"with oneDNN; {hint}") if onednn_works() else ("paddle", hint)


def build_runtime(
    model: nn.Layer, backend: str = "auto", in_channels: int = 3, threads: int | None = None
) -> Network | Runtime:
    """Return what runs a network fastest, or as asked for; logged with the reason.

    Exports needed on the way are kept in the cache, see `cache.kept_runtime`.

    Args:
        model: the network with its weights; put into eval mode.
        backend: one of BACKENDS.
        in_channels: channels of its images.
        threads: of a runtime other than the live network; None: see `kernels.threads.thread_count`.

    Raises:
        UserError: the backend is unknown or not installed, or the network cannot be exported for it, or its
            export gives other answers. With "auto" such a network runs live instead.
    """
    chosen, reason = choose(backend)
    if chosen == "paddle":
        _log.info("runtime: paddle (%s)", reason)
        model.eval()
        return model
    try:
        makers: dict[str, tuple[str, Callable[[Path], Runtime]]] = {
            "onnxruntime": ("onnx", lambda folder: OnnxRuntime(folder / "model.onnx", threads)),
            "paddle_inference": ("paddle", lambda folder: PaddleInference(folder, threads)),
        }
        kind, open_runtime = makers[chosen]
        runtime = kept_runtime(model, kind, in_channels, open_runtime)
    except UserError as error:
        if backend != "auto":
            raise
        _log.warning("runtime: paddle, since %s does not run this network: %s", chosen, error)
        model.eval()
        return model
    _log.info("runtime: %s (%s)", chosen, reason)
    return runtime


def exported_runtime(
    folder: Path, files: Mapping[str, str], backend: str, precision: str, threads: int | None
) -> Runtime:
    """Return what runs the files of an export, as its inference.yml lists them.

    Args:
        folder: the export.
        files: its files by kind.
        backend: "onnxruntime", "paddle_inference" or "auto".
        precision: "float32" or "int8".
        threads: see `build_runtime`.

    Raises:
        UserError: a file is missing, or the runtime is not installed.
    """
    if precision not in ("float32", "int8"):
        raise UserError(f"precision is '{precision}'; give float32 or int8")
    kind = "onnx" if precision == "float32" else "onnx_int8"
    if backend == "auto":
        has_onnx = kind in files and not missing_modules("onnxruntime")
        backend = "onnxruntime" if has_onnx or "paddle" not in files else "paddle_inference"
    if precision == "int8" and kind not in files:
        raise UserError(f"{folder} has no int8 ONNX model; export with --format onnx --quantize int8")
    if choose(backend)[0] == "paddle":
        raise UserError(
            "an exported network runs by onnxruntime or paddle_inference; give one of them as backend"
        )
    if backend == "onnxruntime":
        if kind not in files:
            raise UserError(f"{folder} has no ONNX model; export with --format onnx or all")
        return OnnxRuntime(folder / files[kind], threads)
    if precision != "float32":
        raise UserError("only onnxruntime runs int8 models; give it as backend, or precision float32")
    if "paddle" not in files:
        raise UserError(f"{folder} has no Paddle program; export with --format paddle or all")
    return PaddleInference(folder, threads)
