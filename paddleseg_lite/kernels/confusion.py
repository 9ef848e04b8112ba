"""Counts of predictions against labels, kept where the predictions are."""

from __future__ import annotations

import numpy as np
import paddle
from paddle import Tensor

from paddleseg_lite.kernels.upload import upload
from paddleseg_lite.metrics import check_ids, confusion_matrix

_IDS = 256  # of uint8


class ConfusionMatrix:
    """Pixels by (truth, prediction), summed over images.

    On a device the sum stays there, and nothing waits for an image's counts; `counts` downloads it.

    Args:
        num_classes: K.
        ignore_index: pixels with this label are not counted.
    """

    def __init__(self, num_classes: int, ignore_index: int = 255) -> None:
        self._num_classes, self._ignored = num_classes, ignore_index
        self._counts = np.zeros((num_classes, num_classes), np.int64)
        self._on_device: Tensor | None = None  # int64 [256 * 256]: ids of uint8 cannot miss it

    def update(self, prediction: np.ndarray | Tensor, label: np.ndarray) -> None:
        """Count an image.

        Args:
            prediction: class ids in [0, K), uint8, any shape: an array, or a tensor on Paddle's device.
            label: class ids, or `ignore_index`, uint8 of the same shape.

        Raises:
            ValueError: the shapes differ, or an id of arrays is outside [0, K).
        """
        if isinstance(prediction, np.ndarray):
            self._counts += confusion_matrix(prediction, label, self._num_classes, self._ignored)
            return
        if tuple(prediction.shape) != label.shape:
            raise ValueError(f"prediction {tuple(prediction.shape)} and label {label.shape} differ in shape")
        self._on_device = _added(self._on_device, prediction, upload(label))

    def counts(self) -> np.ndarray:
        """Return the counts of all images, [K, K] int64; rows are the truth, columns the prediction.

        Raises:
            ValueError: an id of tensors was outside [0, K).
        """
        if self._on_device is None:
            return self._counts
        table = self._on_device.numpy().reshape(_IDS, _IDS)
        if self._ignored in range(_IDS):
            table[self._ignored] = 0
        if table.any():
            for name, other_axis in (("label", 1), ("prediction", 0)):
                ids = np.flatnonzero(table.sum(axis=other_axis))
                check_ids(name, ids[0], ids[-1], self._num_classes, self._ignored)
        return self._counts + table[: self._num_classes, : self._num_classes]


def _added(total: Tensor | None, prediction: Tensor, label: Tensor) -> Tensor:
    """Return the counts [256 * 256] of all pairs of ids with those of one more image, uint8 tensors.

    Not by paddle.bincount, which on a GPU reads the least and the largest id back before it counts, nor by
    paddle.histogram, whose bins must fit into a block's shared memory: 110 classes.
    """
    cells = (label.astype("int32") * _IDS + prediction.astype("int32")).reshape([-1, 1])
    total = paddle.zeros([_IDS * _IDS], "int64") if total is None else total
    return paddle.scatter_nd_add(total, cells, paddle.ones([cells.shape[0]], "int64"))
