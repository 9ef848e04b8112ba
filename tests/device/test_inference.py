"""Evaluation, prediction and folding on a device that is not the CPU: the CPU's results, and few copies."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import paddle
import pytest

import paddleseg_lite.models as zoo
from paddleseg_lite.deploy.folding import folded
from paddleseg_lite.inference.augment import InferenceOptions, infer_array, infer_labels
from paddleseg_lite.inference.evaluate import evaluate
from tests.device.fake import on_both, recorded
from tests.toys import PixelNet, Squares

AUGMENTATIONS = {
    "plain": {},
    "flip": {"flip_horizontal": True, "flip_vertical": True},
    "scales": {"scales": (0.5, 1.0, 1.25)},
    "slide": {"crop_size": (64, 48), "stride": (40, 30)},
}
MARGIN = 1e-3  # of the logits' spread: where two classes are nearer to each other, rounding decides


def network(name: str) -> paddle.nn.Layer:
    """Return a network with batch statistics that have seen images."""
    paddle.seed(3)
    net = (
        zoo.LPSNet((1, 1, 1, 1, 1), (8, 8, 16, 16, 16), (1, 0.5), num_classes=5)
        if name == "LPSNet"
        else zoo.LRASPP(5, zoo.MobileNetV3_small_x0_5())
    )
    images = np.random.default_rng(0).normal(size=(4, 3, 64, 96)).astype(np.float32)
    net(paddle.to_tensor(images))
    net.eval()
    return net


def predicted(name: str, options: InferenceOptions) -> tuple[np.ndarray, np.ndarray]:
    """Return logits [2, 5, 72, 104] and labels [2, 72, 104] of two images."""
    net = network(name)
    images = np.random.default_rng(1).normal(size=(2, 3, 72, 104)).astype(np.float32)
    return infer_array(net, images, options), infer_labels(net, images, options)


@pytest.mark.parametrize(
    ("name", "augmentation"), [*(("LPSNet", each) for each in AUGMENTATIONS), ("LRASPP", "plain")]
)
def test_labels_are_the_cpus(fake_device, name: str, augmentation: str) -> None:
    """Paddle's kernels there, this project's own on the CPU: the same function, but for rounding."""
    options = InferenceOptions(**AUGMENTATIONS[augmentation])
    (logits, labels), (found, found_labels) = fake_device(on_both, predicted, name, options)
    spread = float(logits.std())
    np.testing.assert_allclose(found, logits, atol=1e-4 * spread)
    best = np.sort(logits, axis=1)
    is_clear = best[:, -1] - best[:, -2] > MARGIN * spread
    assert is_clear.mean() > 0.9
    np.testing.assert_array_equal(found_labels[is_clear], labels[is_clear])


def evaluated(resize: bool, **options: Any) -> dict:
    paddle.seed(5)
    return evaluate(PixelNet(), Squares("val", 5, resize=resize), InferenceOptions(**options), 2).as_dict()


@pytest.mark.parametrize("resize", [False, True])
def test_an_evaluation_is_the_cpus(fake_device, resize: bool) -> None:
    """Also where `val_dataset` resizes, and the logits are brought to the labels' size."""
    of_cpu, found = fake_device(on_both, evaluated, resize, flip_horizontal=True)
    assert 0 < of_cpu["miou"] < 1
    assert found["miou"] == pytest.approx(of_cpu["miou"], abs=2e-3)


def copies_of_an_image(resize: bool = False, **options: Any) -> tuple[dict[str, int], dict[str, int]]:
    """Return the bytes of an evaluated image's uploads and downloads, by who asks; of images 32x32."""
    counts = []
    for length in (2, 3):
        with recorded() as copies:
            evaluate(PixelNet(), Squares("val", length, resize=resize), InferenceOptions(**options))
        counts.append(Counter([*copies.uploads(), *copies.downloads()]))
    of_one = (counts[1] - counts[0]).elements()
    up: dict[str, int] = {}
    down: dict[str, int] = {}
    for copy in of_one:
        found = up if copy.direction == "up" else down
        found[copy.where] = found.get(copy.where, 0) + copy.bytes
    return up, down


@pytest.mark.parametrize("augmentation", ["plain", "flip", "scales"])
def test_copies_of_an_evaluated_image(fake_device, augmentation: str) -> None:
    """The image goes up once, however often it is computed, and its class ids come down."""
    up, down = fake_device(copies_of_an_image, **AUGMENTATIONS[augmentation])
    assert list(up.values()) == [3 * 32 * 32 * 4], up
    assert list(down.values()) == [32 * 32], down


def folded_and_plain() -> tuple[np.ndarray, np.ndarray, int]:
    net = network("LRASPP")
    image = paddle.to_tensor(np.random.default_rng(1).normal(size=(1, 3, 64, 64)).astype(np.float32))
    other = folded(net, image)
    norms = sum(isinstance(layer, paddle.nn.BatchNorm2D) for layer in other.sublayers())
    with paddle.no_grad():
        return net(image)[0].numpy(), other(image)[0].numpy(), norms


def test_folding(fake_device) -> None:
    """Batch normalisation becomes part of the convolutions before it, there as well."""
    plain, result, norms = fake_device(folded_and_plain)
    np.testing.assert_allclose(result, plain, atol=1e-4 * plain.std())
    assert norms == 0
