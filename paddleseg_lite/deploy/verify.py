"""Is an exported network the live one? Compared on images, logits for logits or class for class."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import paddle
from paddle import nn

from paddleseg_lite.deploy.sidecar import ExportMetadata
from paddleseg_lite.errors import UserError
from paddleseg_lite.inference.evaluate import network_input
from paddleseg_lite.transforms import Normalize, Sample

TOLERANCE = 1e-3  # of the logits' standard deviation; of 1 for probabilities; for both on the CPU
# For a device, which may compute in TF32: imitated, LR-ASPP's logits were off by 8e-3 (root mean square).
DEVICE_TOLERANCE = 0.05
# A runtime that works out a resize's weights in float32 is off by some 1e-5 of a pixel. Noise, whose
# neighbouring pixels have nothing in common, makes much of that in a few places: of noise it is the root mean
# square that must be within the tolerance, and no value beyond so many tolerances.
_OUTLIERS = 30.0
_ADVICE = "do not use it: try another version of Paddle, or --no_verify if you know why"
# (height, width) of images to trace and verify with; the second list is for networks that need large ones.
PROBE_SIZES = ((64, 96), (97, 131), (160, 128))
_LARGE_PROBE_SIZES = ((416, 448), (449, 513), (480, 576))
# How a network, or Paddle, refuses an image that is too small for it.
_TOO_SMALL = (UserError, ValueError, RuntimeError, OSError, AssertionError)


def live_logits(model: nn.Layer, images: np.ndarray) -> np.ndarray:
    """Return the live network's logits, [N, num_classes, H, W]."""
    model.eval()
    with paddle.no_grad():
        return model(paddle.to_tensor(images))[0].numpy()


def difference(logits: np.ndarray, output: np.ndarray, output_op: str, of_noise: bool = False) -> float:
    """Return how far an exported network's output is from the live logits.

    Args:
        logits: live, [N, num_classes, H, W].
        output: what the exported network gave.
        output_op: "argmax", "softmax" or "none".
        of_noise: the image is noise: return the root mean square instead of the largest difference, or
            1/30 of the largest if that is more.

    Returns:
        For logits, the largest difference; for class ids, by how much the live network prefers another class
        where they differ (a tie may go either way); both in standard deviations of the logits. For
        probabilities, the largest difference.
    """
    scale = float(logits.std()) or 1.0
    if output_op == "none":
        return _worst(np.abs(output - logits), of_noise) / scale
    if output_op == "softmax":
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return _worst(np.abs(output - powers / powers.sum(axis=1, keepdims=True)), of_noise)
    chosen = np.take_along_axis(logits, output[:, None].astype(np.int64), axis=1)
    return _worst(logits.max(axis=1, keepdims=True) - chosen, of_noise) / scale


def _worst(distances: np.ndarray, of_noise: bool) -> float:
    largest = float(distances.max())
    if not of_noise:
        return largest
    return max(float(np.sqrt(np.square(distances, dtype=np.float64).mean())), largest / _OUTLIERS)


def verify(
    model: nn.Layer,
    run: Callable[[np.ndarray], np.ndarray],
    images: Sequence[np.ndarray],
    output_op: str,
    what: str,
    of_noise: bool = False,
    advice: str = _ADVICE,
    tolerance: float = TOLERANCE,
) -> float:
    """Compare an exported network, named `what`, with the live one on images, float32 [N, C, H, W] each.

    Returns:
        The largest difference, see `difference`.

    Raises:
        UserError: it is above `tolerance`, or the shapes differ.
    """
    worst = 0.0
    for image in images:
        logits, output = live_logits(model, image), run(image)
        size = logits.shape if output_op != "argmax" else (logits.shape[0], *logits.shape[2:])
        if output.shape != size:
            raise UserError(f"{what} gives {list(output.shape)} where the live network gives {list(size)}")
        found = difference(logits, output, output_op, of_noise)
        if not found <= tolerance:  # so that NaN fails too
            raise UserError(
                f"{what} differs from the live network, both on {paddle.device.get_device()}, by {found:.2g} "
                f"(allowed: {tolerance:g}) on an image of {image.shape[3]}x{image.shape[2]}; {advice}"
            )
        worst = max(worst, found)
    return worst


def probe_images(model: nn.Layer, input_shape: Sequence[int | None]) -> list[np.ndarray]:
    """Return random images, float32 normal [N, C, H, W], that a network of this input shape takes.

    Where N is free it is 1, 2 and 1; where H and W are, three sizes, odd ones among them.
    """
    rng = np.random.default_rng(0)
    count, channels, height, width = input_shape
    for sizes in (PROBE_SIZES, _LARGE_PROBE_SIZES):
        shapes = [
            (count or 1 + index % 2, channels or 3, height or size[0], width or size[1])
            for index, size in enumerate(sizes)
        ]
        images = [rng.standard_normal(shape).astype(np.float32) for shape in dict.fromkeys(shapes)]
        if sizes is _LARGE_PROBE_SIZES or _takes(model, images):
            break
    return images


def small_image(min_side: int, in_channels: int) -> np.ndarray:
    """Return a random image, float32 [1, C, H, W], of the smaller probe size that is large enough."""
    sizes = (PROBE_SIZES[0], _LARGE_PROBE_SIZES[0])
    size = next((size for size in sizes if min(size) >= min_side), sizes[-1])
    return np.random.default_rng(0).standard_normal((1, in_channels, *size), np.float32)


def smallest_side(model: nn.Layer, in_channels: int) -> int:
    """Return how many pixels high and wide an image must at least be; 1 if no size that is tried is taken.

    A runtime cannot tell: ONNX Runtime ends the process where a pooling window does not fit.
    """

    def takes(side: int) -> bool:
        return _takes(model, [np.zeros((1, in_channels, side, side), np.float32)])

    low = 0
    for sizes in (PROBE_SIZES, _LARGE_PROBE_SIZES):
        high = min(sizes[0])
        if takes(high):
            return _smallest(takes, low, high)
        low = high
    return 1


def check_input_shape(model: nn.Layer, input_shape: Sequence[int | None]) -> None:
    """Refuse a fixed height or width that is too small for a network.

    Raises:
        UserError: it is; the message has the smallest size.
    """
    _, channels, *given = input_shape
    free, large = min(_LARGE_PROBE_SIZES[0]), max(_LARGE_PROBE_SIZES[0])

    def takes(height: int, width: int) -> bool:
        return _takes(model, [np.zeros((1, channels or 3, height, width), np.float32)])

    if given == [None, None] or takes(*(side or free for side in given)) or not takes(large, large):
        return
    shown = " ".join(str(-1 if side is None else side) for side in input_shape)
    least = _smallest(lambda side: takes(side, side), 0, large)
    raise UserError(
        f"input_shape is {shown}, too small for this network; give a height and a width of at least {least}"
    )


def _smallest(takes: Callable[[int], bool], low: int, high: int) -> int:
    """Return the smallest side that is taken, above `low`, which is not, up to `high`, which is."""
    while high - low > 1:
        side = (low + high) // 2
        low, high = (low, side) if takes(side) else (side, high)
    return high


def _takes(model: nn.Layer, images: list[np.ndarray]) -> bool:
    model.eval()
    try:
        with paddle.no_grad():
            for image in images:
                model(paddle.to_tensor(image[:1]))
    except _TOO_SMALL:
        return False
    return True


def drawn_picture(seed: int, width: int, height: int) -> np.ndarray:
    """Return something like a photograph, uint8 [height, width, 3] RGB: soft ground, shapes, noise."""
    rng = np.random.default_rng(seed)
    soft = rng.integers(0, 256, (6, 10, 3)).astype(np.uint8)
    picture = cv2.resize(soft, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(24):
        centre, axes = rng.integers(0, (width, height)).tolist(), rng.integers(2, (width // 8, height // 4))
        color = rng.integers(0, 256, 3).tolist()
        cv2.ellipse(picture, centre, axes.tolist(), float(rng.integers(180)), 0, 360, color, -1, cv2.LINE_AA)
    return np.maximum(picture, rng.integers(0, 12, picture.shape).astype(np.uint8))


def as_input(pictures: Sequence[np.ndarray], shape: Sequence[int], metadata: ExportMetadata) -> np.ndarray:
    """Return pictures, RGB uint8 [H, W, 3], as a network gets them: float32 of `shape`, [N, 3, H, W]."""
    count, _, height, width = shape
    spec = next((spec for spec in metadata.transforms if spec["type"] == "Normalize"), {})
    normalize = Normalize(**{name: value for name, value in spec.items() if name != "type"})
    resized = [cv2.resize(pictures[index % len(pictures)], (width, height)) for index in range(count)]
    rng = np.random.default_rng(0)
    return network_input([normalize(Sample.from_source(image), rng) for image in resized])
