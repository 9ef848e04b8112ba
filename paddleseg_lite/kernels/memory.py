"""NumPy and OpenCV as kernels inside a network on a CPU: memory that they share with Paddle."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.utils import dlpack


def computes_here(x: Tensor) -> bool:
    """Say whether NumPy may stand in for Paddle: x has values (nothing is being exported) in this memory."""
    return paddle.in_dynamic_mode() and x.place.is_cpu_place()


def lies_here(layer: nn.Layer) -> bool:
    """Say whether all parameters and buffers of a layer are in this memory."""
    return all(tensor.place.is_cpu_place() for tensor in (*layer.parameters(), *layer.buffers()))


def as_array(tensor: Tensor) -> np.ndarray:
    """Return a CPU tensor's values without copying them, unless it is a view; not to be written to."""
    # Contiguous: Paddle 2.6 exports a view, such as a transposed tensor, without its strides.
    return np.from_dlpack(_Exporter(tensor.detach().contiguous()))


def array_if_here(tensor: Tensor) -> np.ndarray | Tensor:
    """Return a CPU's tensor as an array in its memory, not to be written to; another device's as it is."""
    return as_array(tensor) if computes_here(tensor) else tensor


def as_tensor(array: np.ndarray) -> Tensor:
    """Return a CPU tensor in the memory of an array of `aligned.empty`, not to be written to afterwards."""
    return paddle.Tensor(array, place=paddle.CPUPlace(), zero_copy=True)  # paddle.to_tensor would copy


class _Exporter:
    """DLPack as NumPy asks for it; Paddle's own tensors cannot be asked before 3.0."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor

    def __dlpack__(self, **_: Any) -> Any:
        return dlpack.to_dlpack(self._tensor)

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0  # kDLCPU
