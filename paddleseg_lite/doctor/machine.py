"""What a machine is, as far as that is told without Paddle."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import subprocess
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from paddleseg_lite.files import temporary_beside
from paddleseg_lite.kernels.threads import cpu_count
from paddleseg_lite.prepare.memory import total_memory
from paddleseg_lite.version import __version__

_PACKAGES = (  # of OpenCV and Paddle each that may be there beside another
    *("paddlepaddle", "paddlepaddle-gpu", "numpy"),
    *("opencv-python", "opencv-python-headless", "opencv-contrib-python"),
    *("onnx", "onnxruntime", "onnxruntime-gpu", "paddle2onnx", "visualdl"),
)
# Of the environment no others: some hold keys and names.
_VARIABLES = (
    *("CUDA_VISIBLE_DEVICES", "CUDA_LAUNCH_BLOCKING", "NVIDIA_TF32_OVERRIDE"),
    *("OMP_NUM_THREADS", "MKL_DEBUG_CPU_TYPE", "FLAGS_cudnn_deterministic", "FLAGS_cudnn_exhaustive_search"),
    *("FLAGS_allocator_strategy", "FLAGS_conv_workspace_size_limit", "FLAGS_use_stride_kernel"),
)
_SMI = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
_CHUNK, _MOST, _SECONDS = 4 << 20, 16, 3.0  # bytes written at once; how often at most; for how long at most


def machine(folder: Path) -> dict[str, Any]:
    """Return versions, driver, cores, memory, and the disk that a folder is on; plain data."""
    return {
        "paddleseg_lite": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": _packages(),
        "nvidia_smi": _nvidia_smi(),
        "cores": cpu_count(),
        **_memory(),
        "disk": _disk(folder),
        "variables": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
    }


def _packages() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _nvidia_smi() -> list[str]:
    """Return "name, driver, memory" of each GPU, or what is wrong with them; [] without a driver."""
    try:
        done = subprocess.run(_SMI, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.splitlines() if done.returncode == 0 else [done.stdout.strip()[:200]]


def _memory() -> dict[str, float]:
    """Return gigabytes of memory, and of the shared memory through which workers hand on batches."""
    total = total_memory()
    found = {} if total is None else {"memory_gb": round(total / 2**30, 1)}
    with contextlib.suppress(OSError, ValueError):  # another system than Linux
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        sizes = {line.split(":")[0]: int(line.split()[1]) / 2**20 for line in lines if line.endswith(" kB")}
        found["memory_free_gb"] = round(sizes["MemAvailable"], 1)
        found["shared_memory_free_gb"] = round(shutil.disk_usage("/dev/shm").free / 2**30, 1)
    return found


def _disk(folder: Path) -> dict[str, float]:
    """Return the free gigabytes, and the megabytes that are written and read in a second.

    What was written is read from the disk only where the system lets go of its copy in memory.
    """
    with temporary_beside(folder / "disk") as path:
        written, started = 0, time.perf_counter()
        with path.open("wb", buffering=0) as file:
            data = os.urandom(_CHUNK)
            while written < _MOST * _CHUNK and time.perf_counter() - started < _SECONDS:
                written += file.write(data)
                os.fsync(file.fileno())
            write_seconds = time.perf_counter() - started
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        started = time.perf_counter()
        with path.open("rb", buffering=0) as file:
            while file.read(_CHUNK):
                pass
        read_seconds = time.perf_counter() - started
    return {
        "free_gb": round(shutil.disk_usage(folder).free / 2**30, 1),
        "write_mb_s": round(written / 2**20 / write_seconds),
        "read_mb_s": round(written / 2**20 / read_seconds),
    }
