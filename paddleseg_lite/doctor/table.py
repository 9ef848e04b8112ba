"""The checks of the command doctor: what each expects, and what to do where it is wrong.

Without Paddle: one that cannot be imported must not keep the rest from being told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Needs = Callable[[Mapping[str, Any]], str]


def _not_the_cpu(device: Mapping[str, Any]) -> str:
    return "the device is the CPU" if device.get("device") == "cpu" else ""


def _a_gpu(device: Mapping[str, Any]) -> str:
    if "device" not in device:  # the check that looks has crashed
        return "it is not known which device this is"
    return "" if device["device"].startswith("gpu") else "the device is no GPU"


def _two_gpus(device: Mapping[str, Any]) -> str:
    return _a_gpu(device) or ("" if device["gpus"] > 1 else "it takes two GPUs, and there is one")


def _a_cpu_or_two_gpus(device: Mapping[str, Any]) -> str:
    return "" if device.get("device") == "cpu" else _two_gpus(device)


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: of the check, and of its function.
        module: where that is, below `doctor.checks`.
        expected: what is right.
        remedy: what to do where it is wrong.
        needs: facts of the device -> why the check does not apply to it, or "".
        environment: of its process, besides what there is.
    """

    name: str
    module: str
    expected: str
    remedy: str
    needs: Needs = lambda device: ""
    environment: Mapping[str, str] = field(default_factory=dict)


# Where results are compared, rounding to TF32 would hide what is wrong; the check "convolution" tells of it.
_IN_FLOAT32 = {"NVIDIA_TF32_OVERRIDE": "0"}
INSTALL = "install a paddlepaddle-gpu that is built for this GPU's capability and its driver's CUDA"
SHOW_GPU = (
    "see that nvidia-smi lists the GPU: install NVIDIA's driver, give a container its GPUs (docker run "
    "--gpus all), look at CUDA_VISIBLE_DEVICES; or say --device cpu"
)
_DO_NOT_TRAIN = f"do not train on this device: {INSTALL}, or use --device cpu"
_USE_FP32 = "train with --precision fp32, and report it with doctor.json"
_REPORT = "report it with doctor.json, and use --device cpu meanwhile"


def _step(network: str) -> Check:
    return Check(
        f"step_{network}",
        "step",
        "an iteration gives the CPU's loss, gradients and logits",
        _DO_NOT_TRAIN,
        _not_the_cpu,
        _IN_FLOAT32,
    )


def _train(precision: str, level: str = "") -> Check:
    is_full = precision == "fp32"
    return Check(
        f"train_{precision}{level}",
        "training",
        "30 iterations have finite losses, and those after the 15th come again from its checkpoint",
        _DO_NOT_TRAIN if is_full else _USE_FP32,
        lambda device: device.get("refused", {}).get(precision, ""),
    )


CHECKS = (
    Check("device", "device", "Paddle finds a device and computes on it", INSTALL),
    Check(
        "convolution", "convolution", "convolutions are NumPy's in float64, but for rounding", _DO_NOT_TRAIN
    ),
    _step("lpsnet"),
    _step("lraspp"),
    Check(
        "selection",
        "selection",
        "OHEM keeps the pixels that NumPy would keep",
        _REPORT,
        environment=_IN_FLOAT32,
    ),
    _train("fp32"),
    _train("fp16", "_o1"),
    _train("fp16", "_o2"),
    _train("bf16", "_o1"),
    _train("bf16", "_o2"),
    Check(
        "upload",
        "upload",
        "a batch arrives whole, and the program goes on while the GPU computes",
        _REPORT,
        _a_gpu,
    ),
    Check(
        "evaluation",
        "evaluation",
        "scores are the CPU's: plain, augmented and by windows",
        _REPORT,
        _not_the_cpu,
        _IN_FLOAT32,
    ),
    Check(
        "export",
        "export",
        "exported files give the live network's answers",
        "read what it says, and report it with doctor.json",
    ),
    Check(
        "two_processes",
        "ranks",
        "two processes train as one that takes two passes (--accumulate 2)",
        "train in one process",
        _a_cpu_or_two_gpus,
        _IN_FLOAT32,
    ),
    Check(
        "sync_batch_norm",
        "ranks",
        "two processes train as one with their whole batch (SyncBatchNorm)",
        "train in one process",
        _two_gpus,
        _IN_FLOAT32,
    ),
)
