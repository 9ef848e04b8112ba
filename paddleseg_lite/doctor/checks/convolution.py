"""Convolutions of the device beside those of NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle
import paddle.nn.functional as F
from numpy.lib.stride_tricks import sliding_window_view

from paddleseg_lite.doctor.finding import Finding

# (channels, outputs, groups, kernel, stride, dilation)
_CASES = (
    (64, 64, 1, 3, 1, 1),
    (32, 64, 1, 3, 2, 1),
    (32, 32, 1, 3, 1, 2),
    (96, 19, 1, 1, 1, 1),
    (64, 64, 64, 5, 1, 1),
    (64, 64, 64, 3, 2, 1),
)
_SIZE = (30, 41)
_OF_FLOAT32, _OF_TF32 = 3e-5, 3e-3  # the largest errors; TF32 keeps ten bits of what is multiplied: 3e-4


def convolution(folder: Path) -> Finding:
    """Compare several kinds of convolution with NumPy's in float64."""
    errors = [_error(*case) for case in _CASES]
    place = int(np.argmax(errors))  # NaN counts as the largest
    worst, case = errors[place], _CASES[place]
    where = "channels {}, outputs {}, groups {}, kernel {}, stride {}, dilation {}".format(*case)
    is_tf32 = _OF_FLOAT32 < worst <= _OF_TF32
    is_right = worst <= _OF_TF32
    told = where if not is_right else "TF32 is on, see docs/gpu.md" if is_tf32 else "computed in float32"
    return Finding(is_right, f"off by at most {worst:.1e} of their size: {told}", {"tf32_seen": is_tf32})


def _error(channels: int, outputs: int, groups: int, kernel: int, stride: int, dilation: int) -> float:
    """Return the root mean square of the difference, in that of the result."""
    rng = np.random.default_rng(0)
    images = rng.standard_normal((2, channels, *_SIZE)).astype(np.float32)
    weights = rng.standard_normal((outputs, channels // groups, kernel, kernel)).astype(np.float32)
    padding = kernel // 2 * dilation
    tensors = (paddle.to_tensor(images), paddle.to_tensor(weights))
    found = F.conv2d(*tensors, stride=stride, padding=padding, dilation=dilation, groups=groups).numpy()
    right = _convolved(
        images.astype(np.float64), weights.astype(np.float64), groups, stride, dilation, padding
    )
    return float(np.sqrt(np.mean((found - right) ** 2) / np.mean(right**2)))


def _convolved(
    images: np.ndarray, weights: np.ndarray, groups: int, stride: int, dilation: int, padding: int
) -> np.ndarray:
    """Return a convolution by NumPy alone, [N, outputs, H, W]."""
    reach = (weights.shape[2] - 1) * dilation + 1
    padded = np.pad(images, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = sliding_window_view(padded, (reach, reach), axis=(2, 3))
    windows = windows[:, :, ::stride, ::stride, ::dilation, ::dilation]  # [N, C, H, W, kernel, kernel]
    parts = zip(np.split(windows, groups, axis=1), np.split(weights, groups))
    found = [np.tensordot(part, kernels, ([1, 4, 5], [1, 2, 3])) for part, kernels in parts]
    return np.concatenate(found, axis=3).transpose(0, 3, 1, 2)
