"""Is an exported network the live one? Compared on images, logits for logits or class for class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import paddle
from paddle import nn

from paddleseg_lite.deploy.sidecar import ModelCard
from paddleseg_lite.errors import UserError
from paddleseg_lite.transforms import Normalize, Sample

TOLERANCE = 1e-3  # of the logits' standard deviation; of 1 for probabilities
# (height, width) of images to trace and verify with; the second list is for networks that need large ones.
PROBE_SIZES = ((64, 96), (97, 131), (160, 128))
_LARGE_PROBE_SIZES = ((416, 448), (449, 513), (480, 576))


def live_logits(model: nn.Layer, images: np.ndarray) -> np.ndarray:
    """Return the live network's logits, [N, num_classes, H, W]."""
    model.eval()
    with paddle.no_grad():
        return model(paddle.to_tensor(images))[0].numpy()


def difference(logits: np.ndarray, output: np.ndarray, output_op: str) -> float:
    """Return how far an exported network's output is from the live logits.

    Args:
        logits: live, [N, num_classes, H, W].
        output: what the exported network gave.
        output_op: "argmax", "softmax" or "none".

    Returns:
        For logits, the largest difference; for class ids, by how much the live network prefers another class
        where they differ (a tie may go either way); both in standard deviations of the logits. For
        probabilities, the largest difference.
    """
    scale = float(logits.std()) or 1.0
    if output_op == "none":
        return float(np.abs(output - logits).max()) / scale
    if output_op == "softmax":
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return float(np.abs(output - powers / powers.sum(axis=1, keepdims=True)).max())
    chosen = np.take_along_axis(logits, output[:, None].astype(np.int64), axis=1)
    return float((logits.max(axis=1, keepdims=True) - chosen).max()) / scale


def verify(
    model: nn.Layer,
    run: Callable[[np.ndarray], np.ndarray],
    images: Sequence[np.ndarray],
    output_op: str,
    what: str,
) -> float:
    """Compare an exported network with the live one.

    Args:
        model: the live network.
        run: the exported one.
        images: float32 [N, C, H, W] each.
        output_op: what the export returns.
        what: its name, for the message.

    Returns:
        The largest difference, see `difference`.

    Raises:
        UserError: it is above TOLERANCE, or the shapes differ.
    """
    worst = 0.0
    for image in images:
        logits, output = live_logits(model, image), run(image)
        size = logits.shape if output_op != "argmax" else (logits.shape[0], *logits.shape[2:])
        if output.shape != size:
            raise UserError(f"{what} gives {list(output.shape)} where the live network gives {list(size)}")
        found = difference(logits, output, output_op)
        if not found <= TOLERANCE:  # so that NaN fails too
            raise UserError(
                f"{what} differs from the live network by {found:.2g} (allowed: {TOLERANCE:g}) on an image "
                f"of {image.shape[3]}x{image.shape[2]}; do not use it: try another version of Paddle, or "
                "--no_verify if you know why"
            )
        worst = max(worst, found)
    return worst


def probe_images(model: nn.Layer, input_shape: Sequence[int | None], seed: int = 0) -> list[np.ndarray]:
    """Return random images, float32 normal [N, C, H, W], that a network of this input shape takes.

    Where N is free it is 1, 2 and 1; where H and W are, three sizes, odd ones among them.
    """
    rng = np.random.default_rng(seed)
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


def _takes(model: nn.Layer, images: list[np.ndarray]) -> bool:
    model.eval()
    try:
        with paddle.no_grad():
            for image in images:
                model(paddle.to_tensor(image[:1]))
    except UserError:  # the image is too small for it, it says
        return False
    return True


def as_input(pictures: Sequence[np.ndarray], shape: Sequence[int], card: ModelCard) -> np.ndarray:
    """Return pictures, RGB uint8 [H, W, 3], as a network gets them: float32 of `shape`, [N, 3, H, W]."""
    count, _, height, width = shape
    normalize = Normalize(**_normalization(card))
    images = []
    for index in range(count):
        image = cv2.resize(pictures[index % len(pictures)], (width, height))
        sample = normalize(Sample.from_source(image), np.random.default_rng(0))
        images.append(sample.image.transpose(2, 0, 1))
    return np.ascontiguousarray(np.stack(images), np.float32)


def _normalization(card: ModelCard) -> dict[str, Any]:
    for spec in card.transforms:
        if spec["type"] == "Normalize":
            return {name: value for name, value in spec.items() if name != "type"}
    return {}
