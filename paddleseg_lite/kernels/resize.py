"""Resizing of feature maps; on a CPU a bilinear one by matrix products."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor

from paddleseg_lite.errors import UserError
from paddleseg_lite.kernels.bilinear_grid import bilinear_neighbours
from paddleseg_lite.kernels.memory import computes_here

# Up to this height matrix products are faster on a CPU than Paddle's own resize (2.2 times, forward and
# backward, from 20x40 to 160x320).
_MATRIX_ROWS = 128

Line = tuple[float, float, int]


def resize(x: Tensor, size: Any, align_corners: bool, mode: Any = "bilinear") -> Tensor:
    """Return F.interpolate(x, size, mode=mode, align_corners=align_corners).

    Args:
        x: [N, C, H, W], any float type.
        size: (height, width); a slice of another tensor's shape keeps an exported network's sizes dynamic.
        align_corners: whether the corners' centres stay in place, or the corners themselves.
        mode: as F.interpolate knows them.

    Returns:
        [N, C, height, width].

    Raises:
        UserError: a side of the result is 0.
    """
    if paddle.in_dynamic_mode() and min(int(side) for side in size) < 1:
        raise UserError(
            f"an image is too small for this network, which resizes {x.shape[3]}x{x.shape[2]} to "
            f"{int(size[1])}x{int(size[0])} pixels (width x height); give a larger one"
        )
    if mode == "bilinear" and computes_here(x) and x.dtype == paddle.float32 and x.shape[2] <= _MATRIX_ROWS:
        rows = _bilinear_matrix(int(x.shape[2]), int(size[0]), align_corners)  # [height, H]
        columns = _bilinear_matrix(int(x.shape[3]), int(size[1]), align_corners)  # [width, W]
        return paddle.matmul(rows, paddle.matmul(x, columns, transpose_y=True))
    return F.interpolate(x, size=size, mode=mode, align_corners=align_corners)


def resample(x: Tensor, rows: Line, columns: Line) -> Tensor:
    """Return [N, C, height, width], looked up in x [N, C, H, W] bilinearly; beyond its border is the border.

    Args:
        x: float32.
        rows, columns: (scale, offset, length): the centre of pixel i of `length` pixels lies at
            scale * (i + 0.5) + offset in x, whose pixel j covers [j, j + 1).
    """
    places = [
        # On grid_sample's scale, from x's first edge at -1 to its last one at 1.
        ((paddle.arange(length, dtype="float32") + 0.5) * scale + offset) * (2 / side) - 1
        for (scale, offset, length), side in zip((rows, columns), x.shape[2:])
    ]
    y_grid, x_grid = paddle.meshgrid(*places)
    grid = paddle.stack([x_grid, y_grid], axis=-1).unsqueeze(0)
    return F.grid_sample(x, grid.expand([x.shape[0], -1, -1, -1]), padding_mode="border", align_corners=False)


@functools.lru_cache(maxsize=256)
def _bilinear_matrix(source: int, target: int, align_corners: bool) -> Tensor:
    """Return the weights [target, source] by which one axis is interpolated, two in each row."""
    before, after, part = bilinear_neighbours(source, target, align_corners)
    matrix = np.zeros((target, source), np.float32)
    np.add.at(matrix, (np.arange(target), before), 1 - part)
    np.add.at(matrix, (np.arange(target), after), part)
    return paddle.to_tensor(matrix, place=paddle.CPUPlace())
