"""The device that Paddle computes on, and what Paddle says about it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import paddle

from paddleseg_lite.doctor.finding import Finding
from paddleseg_lite.engine.environment import environment
from paddleseg_lite.engine.precision import casting
from paddleseg_lite.errors import UserError

_FLAGS = (  # those that decide what is computed, and how fast; Paddle gives away some of them only
    "FLAGS_allocator_strategy",
    "FLAGS_benchmark",
    "FLAGS_check_nan_inf",
    "FLAGS_conv_workspace_size_limit",
    "FLAGS_cudnn_deterministic",
    "FLAGS_cudnn_exhaustive_search",
    "FLAGS_fraction_of_gpu_memory_to_use",
    "FLAGS_use_autotune",
    "FLAGS_use_stride_kernel",
)


_ELSEWHERE = ("platform", "cpus", "omp_num_threads", "ranks", "command")  # told without Paddle


def device(folder: Path) -> Finding:
    """Add some numbers on the device, and tell all that Paddle knows about it."""
    facts = {name: value for name, value in environment().items() if name not in _ELSEWHERE}
    facts.update(
        cuda=paddle.version.cuda(),  # of the build, as cudnn; "False" is none
        cudnn=paddle.version.cudnn(),
        cudnn_found=paddle.device.get_cudnn_version(),
        flags=_flags(),
        refused=_refused(),
        gpus=paddle.device.cuda.device_count() if paddle.device.is_compiled_with_cuda() else 0,
    )
    if paddle.get_device().startswith("gpu"):
        facts.update(_gpu())
    total = float(paddle.arange(1001, dtype="float32").sum())
    return Finding(total == 500_500, f"{_described(facts)}; 1 + 2 + ... + 1000 is {total:.0f}", facts)


def _gpu() -> dict[str, Any]:
    found = paddle.device.cuda.get_device_properties()
    return {
        "gpu_gb": round(found.total_memory / 2**30, 1),
        "multi_processors": found.multi_processor_count,
    }


def _refused() -> dict[str, str]:
    """Return the reduced precisions that training refuses here, with its words."""
    found = {}
    for precision in ("fp16", "bf16"):
        try:
            casting(precision, "O1")
        except UserError as error:
            found[precision] = str(error)
    return found


def _flags() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in _FLAGS:
        with contextlib.suppress(ValueError):
            found.update(paddle.get_flags([name]))
    return found


def _described(facts: dict[str, Any]) -> str:
    text = f"{facts['device']}, {facts['device_name']}"
    return f"{text}, capability {facts['capability']}, {facts['gpu_gb']} GB" if "gpu_gb" in facts else text
