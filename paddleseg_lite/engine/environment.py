"""What a run ran on."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import paddle

from paddleseg_lite import parallel
from paddleseg_lite.kernels.threads import cpu_count, cpu_facts
from paddleseg_lite.paddle_compat import tf32_setting
from paddleseg_lite.version import __version__

_CHECKOUT = Path(__file__).resolve().parents[2]


def versions() -> dict[str, str]:
    """Return the versions that numbers may depend on."""
    return {
        "paddleseg_lite": __version__,
        "paddle": paddle.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
    }


def environment() -> dict[str, Any]:
    """Return versions, device, TF32, threads, ranks, git revision (None outside a checkout) and command."""
    return {
        "versions": versions(),
        "platform": platform.platform(),
        "device": paddle.get_device(),
        "device_name": _device_name(),
        "capability": _capability(),
        "tf32": tf32_setting(),
        "cpus": cpu_count(),
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
        "ranks": parallel.world_size(),
        "git": git_revision(_CHECKOUT),
        "command": sys.argv,
    }


def git_revision(folder: Path) -> str | None:
    """Return the commit checked out in `folder`, with "-dirty" if files differ; None if there is none.

    Only a repository that begins at `folder` counts: an installed copy may lie in somebody else's.
    """
    if not (folder / ".git").exists():
        return None
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def _device_name() -> str:
    device = paddle.get_device()
    if device.startswith("gpu"):
        return str(paddle.device.cuda.get_device_name())
    return cpu_name() if device == "cpu" else device  # of others, Paddle knows no name


def _capability() -> str | None:
    """Return a GPU's compute capability, such as "8.6": from 8.0 on it has TF32."""
    if not paddle.get_device().startswith("gpu"):
        return None
    return ".".join(map(str, paddle.device.cuda.get_device_capability()))


def cpu_name() -> str:
    """Return the processor's name, such as "AMD EPYC"."""
    for line in cpu_facts().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
