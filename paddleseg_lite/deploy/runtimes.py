"""Runtimes that run exported networks, and stand for them in evaluation and prediction."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from paddleseg_lite.deploy.export import program_in
from paddleseg_lite.deploy.onnx_graph import EXTRA
from paddleseg_lite.deploy.onnx_passes import LAST_RESIZE
from paddleseg_lite.deploy.onnx_sizes import ALIGNED, MULTIPLE
from paddleseg_lite.deploy.sidecar import check_files, check_side, known_files, min_side
from paddleseg_lite.errors import UserError, missing_modules, require_modules
from paddleseg_lite.inference.logits import Dense, LogitMap, Resized
from paddleseg_lite.kernels.threads import thread_count
from paddleseg_lite.paddle_compat import onednn_works

_log = logging.getLogger(__name__)

_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_ARENA = 512 << 20  # bytes, reserved; pages that nothing is written to take no memory
_shared_arena = threading.Event()


class OnnxRuntime:
    """ONNX Runtime on the device that Paddle is set to; a GPU needs onnxruntime-gpu. Thread-safe.

    Args:
        path: an ONNX model with one input and one output. In the cache a faster one for some sizes is beside
            it, see `onnx_sizes`; then this one is loaded with the first image of another size, and takes
            memory of its own.
        threads: to compute with; None: see `kernels.threads.thread_count`.

    Raises:
        UserError: onnxruntime is missing, or the file is no model it can run, or not what was exported.
    """

    name = "onnxruntime"

    def __init__(self, path: Path, threads: int | None = None) -> None:
        require_modules("onnxruntime", install=EXTRA)
        aligned = path.with_name(ALIGNED)
        has_aligned = (
            path.name == "model.onnx" and aligned.exists() and aligned.name in known_files(path.parent)
        )
        check_files(path.parent, [path.name, aligned.name] if has_aligned else [path.name])
        self._min_side = min_side(path.parent)
        self._load, self._path = _loader(threads), path
        self._aligned = self._load(aligned.read_bytes(), aligned) if has_aligned else None
        self._model = path.read_bytes()  # now: the cache may be gone when it is loaded
        # "DequantizeLinear" too; convolutions that do not gain by it stay in float32.
        self.precision = "int8 and float32" if b"uantizeLinear" in self._model else "float32"
        self._any_size: Any = None
        self._lock = threading.Lock()
        session = self._aligned or self._session(())
        self._input = session.get_inputs()[0].name
        facts = session.get_modelmeta().custom_metadata_map
        self._multiple = int(facts.get(MULTIPLE, 1))
        self._grid = facts.get(LAST_RESIZE)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return the model's output for images [N, C, H, W].

        Raises:
            UserError: they are too small, or the runtime fails on them.
        """
        check_side(self._min_side, images)
        session = self._session(images.shape[2:])
        try:
            return session.run(None, {self._input: images})[0]
        except Exception as error:  # onnxruntime has an exception class for each reason
            raise _failure(self.name, images, error) from error

    def _session(self, sides: Sequence[int]) -> Any:
        """Return the session for images of (height, width)."""
        if self._aligned is not None and not any(side % self._multiple for side in sides):
            return self._aligned
        with self._lock:
            if self._any_size is None:
                self._any_size = self._load(self._model, self._path)
                self._model = b""
            return self._any_size

    def maps(self, images: np.ndarray, axes: list[int]) -> list[LogitMap]:
        """See inference.augment.Runtime."""
        outputs = np.flip(self(images), tuple(axes))
        maps: list[LogitMap] = [Dense(output) for output in outputs]
        if self._grid is None:
            return maps
        size = (images.shape[2], images.shape[3])
        return [Resized(coarse, size, self._grid == "align_corners") for coarse in maps]


def _loader(threads: int | None) -> Callable[[bytes, Path], Any]:
    """Return a function of a model's bytes and its path that makes an onnxruntime.InferenceSession."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or thread_count()
    options.log_severity_level = 3  # errors
    # The first run's plan of the memory costs a second copy of all activations and saves no time.
    options.enable_mem_pattern = False
    if _shared_arena.is_set():
        options.add_session_config_entry("session.use_env_allocators", "1")
    # Activations that fade out below 1e-38 cost a hundred times as much as zeros.
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    device, available = paddle.device.get_device(), onnxruntime.get_available_providers()
    providers = _providers(available, device)

    def load(model: bytes, path: Path) -> Any:
        try:
            session = onnxruntime.InferenceSession(model, options, providers=providers)
        except Exception as error:  # onnxruntime has an exception class for each reason
            raise UserError(
                f"onnxruntime cannot load {path}: {' '.join(str(error).split())[:300]}"
            ) from error
        if device != "cpu" and session.get_providers()[0] == _CPU:
            _tell_of_cpu(device, _CUDA in available)
        return session

    return load


@functools.lru_cache
def _tell_of_cpu(device: str, has_cuda: bool) -> None:
    """Warn, once, that a session does not compute where it was to: onnxruntime says nothing of it."""
    if has_cuda:
        why = (
            "its CUDA provider cannot be loaded; install the CUDA and cuDNN that onnxruntime-gpu is built for"
        )
    else:
        why = "it has no CUDA provider; for an NVIDIA GPU install onnxruntime-gpu in place of onnxruntime"
    _log.warning("onnxruntime computes on the CPU and not on %s: %s, or use --backend paddle", device, why)


class PaddleInference:
    """Paddle's own inference engine for exported programs. Thread-safe: one call at a time runs.

    Args:
        folder: has model.json or model.pdmodel, and model.pdiparams.
        threads: to compute with; None: see `kernels.threads.thread_count`.

    Raises:
        UserError: the files are missing or cannot be run by this Paddle.
    """

    name, precision = "paddle_inference", "float32"

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        from paddle import inference

        program, weights = program_in(folder), folder / "model.pdiparams"
        check_files(folder, (program.name, weights.name))
        self._min_side = min_side(folder)
        config = inference.Config(str(program), str(weights))
        config.disable_glog_info()
        kind, _, number = paddle.device.get_device().partition(":")
        if kind == "gpu":
            config.enable_use_gpu(256, int(number))
        elif kind != "cpu":
            config.enable_custom_device(kind, int(number))
        else:
            config.disable_gpu()
            config.set_cpu_math_library_num_threads(threads or thread_count())
            if onednn_works():
                config.enable_mkldnn()
            elif hasattr(config, "disable_mkldnn"):
                config.disable_mkldnn()
        try:
            self._predictor = inference.create_predictor(config)
        except (RuntimeError, ValueError, OSError) as error:
            raise UserError(
                f"Paddle {paddle.__version__} cannot load {folder}: {' '.join(str(error).split())[-200:]}; "
                "export the network again with this Paddle or an older one"
            ) from error
        self._lock = threading.Lock()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return the model's output for images [N, C, H, W].

        Raises:
            UserError: they are too small, or the runtime fails on them.
        """
        check_side(self._min_side, images)
        with self._lock:
            try:
                handle = self._predictor.get_input_handle(self._predictor.get_input_names()[0])
                handle.reshape(list(images.shape))
                handle.copy_from_cpu(np.ascontiguousarray(images))
                self._predictor.run()
                return self._predictor.get_output_handle(self._predictor.get_output_names()[0]).copy_to_cpu()
            except (RuntimeError, ValueError, OSError) as error:
                raise _failure(self.name, images, error) from error

    def maps(self, images: np.ndarray, axes: list[int]) -> list[LogitMap]:
        """See inference.augment.Runtime."""
        outputs = np.flip(self(images), tuple(axes))
        return [Dense(output) for output in outputs]


def share_arena() -> None:
    """Let the later ONNX Runtime sessions of this process share one arena that starts large.

    By default an arena grows by regions of 1, 2, 4 ... MB, and what is freed in one cannot join what is free
    in another: a tenth more at the peak of LRASPP. The shared one is never given back: for tools, which end.
    """
    if missing_modules("onnxruntime"):
        return
    import onnxruntime

    kind = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    cpu = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, onnxruntime.OrtMemType.DEFAULT)
    sizes = {"max_mem": 0, "arena_extend_strategy": 0, "initial_chunk_size_bytes": _ARENA}
    onnxruntime.create_and_register_allocator(cpu, onnxruntime.OrtArenaCfg(sizes))
    _shared_arena.set()


def _providers(available: Sequence[str], device: str) -> list[Any]:
    """Return what onnxruntime is to run by on Paddle's device, "cpu" or "gpu:N"."""
    providers: list[Any] = [_CPU]
    if device.startswith("gpu") and _CUDA in available:
        providers.insert(0, (_CUDA, {"device_id": int(device.split(":")[1])}))
    return providers


def _failure(runtime: str, images: np.ndarray, error: Exception) -> UserError:
    size = f"{images.shape[3]}x{images.shape[2]} (width x height)"
    return UserError(
        f"{runtime} fails on {len(images)} of {size}: {' '.join(str(error).split())[-300:]}; give images of "
        "another size, or use --backend paddle"
    )
