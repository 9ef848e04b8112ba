"""Reduced precision: which operations compute in it, and which devices can."""

from __future__ import annotations

from typing import Any

import paddle

from paddleseg_lite.errors import UserError

# What computes in half precision besides convolutions and matrix products, Paddle's own choice: PaddleSeg's
# three, and depthwise convolutions. Where nothing is said, one float32 argument (a bias, a batch norm's
# scale, the weights of a convolution) makes the result float32, and so all that follows. Bilinear resizes
# stay float32, as Paddle has it for the speed of their gradients; the sum or convolution behind one rounds.
_IN_HALF = ("elementwise_add", "batch_norm", "sync_batch_norm", "depthwise_conv2d")
_DTYPES = {"fp16": "float16", "bf16": "bfloat16"}
_CAPABILITY = {"fp16": (7, 0), "bf16": (8, 0)}  # of a GPU; below, paddle.amp.auto_cast does nothing


def casting(precision: str, level: str) -> dict[str, Any]:
    """Return the arguments of `paddle.amp.auto_cast`.

    Args:
        precision: "fp32", "fp16" or "bf16".
        level: "O1" or "O2", for the reduced ones.

    Raises:
        UserError: the device does not compute in this precision, and Paddle would do it in float32.
    """
    if precision == "fp32":
        return {"enable": False}
    _check_device(precision)
    return {"enable": True, "custom_white_list": {*_IN_HALF}, "level": level, "dtype": _DTYPES[precision]}


def _check_device(precision: str) -> None:
    device = paddle.get_device()
    if device == "cpu":
        raise UserError(
            f"--precision {precision} has no effect on a CPU, where Paddle computes in float32 anyway; "
            "use --precision fp32 or a GPU"
        )
    asked = paddle.amp.is_float16_supported if precision == "fp16" else paddle.amp.is_bfloat16_supported
    is_able, name = asked(), device
    if device.startswith("gpu"):
        capability = paddle.device.cuda.get_device_capability()
        is_able = is_able and capability >= _CAPABILITY[precision]
        name = f"{paddle.device.cuda.get_device_name()} (compute capability {'.'.join(map(str, capability))})"
    if not is_able:
        least = ".".join(map(str, _CAPABILITY[precision]))
        instead = "fp32" if precision == "fp16" else "fp16 or fp32"
        raise UserError(
            f"--precision {precision} has no effect on {name}, where Paddle computes in float32 instead; "
            f"it needs a GPU of compute capability {least} or more: use --precision {instead}"
        )
