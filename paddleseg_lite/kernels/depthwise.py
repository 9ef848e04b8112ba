"""Depthwise convolution on a CPU by OpenCV: Paddle's kernel copies the image k x k times for each channel."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from paddle import Tensor
from paddle.autograd import PyLayer

from paddleseg_lite.kernels.aligned import empty
from paddleseg_lite.kernels.memory import as_array, as_tensor
from paddleseg_lite.kernels.threads import in_threads

_BLOCK = 1 << 16  # values of a block of channels, 256 KB: all k x k products read it from the cache


class DepthwiseFilter(PyLayer):
    """The convolution as one filter for each channel; at stride 2 every other value is thrown away.

    That wastes three quarters of the products and is faster all the same.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int, dilation: int) -> Tensor:
        """Map x [N, C, H, W] and weight [C, 1, k, k] to [N, C, ceil(H / stride), ceil(W / stride)].

        Both are float32 or both float64; k is odd; beyond the border are zeros.
        """
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.dilation = stride, dilation
        ctx.wants_images, ctx.wants_kernels = not x.stop_gradient, not weight.stop_gradient
        images, kernels = as_array(x), _spread(as_array(weight)[:, 0], dilation)
        result = empty(images[:, :, ::stride, ::stride].shape, images.dtype)

        def compute(channels: slice) -> None:
            full = np.empty(images.shape[2:], images.dtype)
            for image, targets in zip(images[:, channels], result[:, channels]):
                for channel, kernel, target in zip(image, kernels[channels], targets):
                    out = target if stride == 1 else full
                    _filter(channel, kernel, dilation, out)
                    if stride > 1:
                        target[:] = full[::stride, ::stride]

        in_threads(compute, _blocks(images))
        return as_tensor(result)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        """Return the gradients by the images and the kernels, None for what is frozen."""
        x, weight = ctx.saved_tensor()
        images, kernels, gradients = as_array(x), as_array(weight)[:, 0], as_array(gradient)
        by_images, by_kernels = empty(images.shape, images.dtype), empty(kernels.shape, kernels.dtype)
        by_kernels[:] = 0
        flipped, size = _spread(kernels[:, ::-1, ::-1], ctx.dilation), kernels.shape[-1]

        def compute(channels: slice) -> None:
            for image, arriving, by_image in zip(images, gradients, by_images):
                padded, full = _bordered(image[channels], arriving[channels], size, ctx.stride, ctx.dilation)
                if ctx.wants_images:
                    sources = full[:, :, : image.shape[2]]
                    for source, kernel, target in zip(sources, flipped[channels], by_image[channels]):
                        _filter(source, kernel, ctx.dilation, target)
                if ctx.wants_kernels:
                    by_kernels[channels] += _products(padded, full, size, ctx.dilation)

        in_threads(compute, _blocks(images))
        return (
            as_tensor(by_images) if ctx.wants_images else None,
            as_tensor(by_kernels[:, None]) if ctx.wants_kernels else None,
        )


def _bordered(
    image: np.ndarray, gradient: np.ndarray, size: int, stride: int, dilation: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return an image [C, H, W] with zeros around it, and the gradient spread to its size, in equal rows."""
    channels, height, width = image.shape
    border = dilation * (size - 1) // 2
    row = width + 2 * border
    padded = np.zeros((channels, height + 2 * border + 1, row), image.dtype)
    padded[:, border : border + height, border : border + width] = image
    full = np.zeros((channels, height, row), image.dtype)
    full[:, ::stride, :width:stride] = gradient
    return padded, full


def _products(padded: np.ndarray, full: np.ndarray, size: int, dilation: int) -> np.ndarray:
    """Return the gradient by the kernels, [C, k, k], from what `_bordered` made.

    Rows follow each other without a gap and both have the same length; so for each of the kernel's places the
    products are those of two contiguous vectors.
    """
    channels, _, row = full.shape
    values, weights = padded.reshape(channels, -1, 1), full.reshape(channels, 1, -1)
    places = [dilation * (y * row + x) for y in range(size) for x in range(size)]
    sums = [weights @ values[:, at : at + weights.shape[-1]] for at in places]
    return np.concatenate(sums, axis=-1).reshape(channels, size, size)


def _blocks(images: np.ndarray) -> list[slice]:
    """Cut the channels of [N, C, H, W]."""
    _, channels, height, width = images.shape
    count = max(1, _BLOCK // max(1, height * width))
    return [slice(at, at + count) for at in range(0, channels, count)]


def _spread(kernels: np.ndarray, dilation: int) -> np.ndarray:
    """Put zeros between the columns of kernels [C, k, k]."""
    channels, size, _ = kernels.shape
    spread = np.zeros((channels, size, (size - 1) * dilation + 1), kernels.dtype)
    spread[:, :, ::dilation] = kernels
    return spread


def _filter(channel: np.ndarray, kernel: np.ndarray, dilation: int, out: np.ndarray) -> None:
    """Correlate [H, W] with a kernel of `_spread` into `out` [H, W]; beyond the border are zeros.

    The rows that the dilation lets meet are filtered together: a kernel spread both ways would be so large
    that OpenCV takes the way over the Fourier transform.
    """
    for first in range(min(dilation, len(channel))):
        target = out[first::dilation]
        cv2.filter2D(channel[first::dilation], -1, kernel, dst=target, borderType=cv2.BORDER_CONSTANT)
