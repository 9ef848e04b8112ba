"""Evaluation, prediction and folding on a device that is not the CPU: the CPU's results, and few copies."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

import paddleseg_lite.models as zoo
from paddleseg_lite.deploy.folding import folded
from paddleseg_lite.inference.augment import PLAIN, InferenceOptions, infer_labels, infer_values
from paddleseg_lite.inference.evaluate import evaluate, predict_labels
from paddleseg_lite.metrics import METRICS, Metrics, make_metrics
from paddleseg_lite.transforms import Compose, LimitLong, Normalize, Padding, Resize, ScalePadding
from tests.device.fake import on_both, recorded
from tests.toys import PixelNet, Squares

AUGMENTATIONS = {
    "plain": {},
    "flip": {"flip_horizontal": True, "flip_vertical": True},
    "scales": {"scales": (0.5, 1.0, 1.25)},
    "slide": {"crop_size": (64, 48), "stride": (40, 30)},
}
GEOMETRY = {
    "plain": [],
    "padded": [Padding([40, 44])],
    "resized": [Resize([20, 28])],
    "padded, resized": [ScalePadding([36, 30])],
    "resized, padded": [LimitLong(max_long=24), Padding([32, 32])],
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
    return tuple(np.asarray(infer(net, images, options)) for infer in (infer_values, infer_labels))


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


def squares(geometry: str) -> Squares:
    """Three images 32x32, as many as a batch."""
    dataset = Squares("val", length=3)
    dataset.transforms = Compose([*GEOMETRY[geometry], Normalize()])
    return dataset


def evaluated(augmentation: str, geometry: str, batch_size: int) -> tuple[Metrics, list[int], list[int]]:
    """Return the scores, and the bytes of an evaluation's uploads and downloads."""
    paddle.seed(5)
    net, dataset, options = PixelNet(), squares(geometry), InferenceOptions(**AUGMENTATIONS[augmentation])
    evaluate(net, dataset, options)  # what is uploaded once in a process
    with recorded() as copies:
        found = evaluate(net, dataset, options, batch_size)
    return found, [copy.bytes for copy in copies.uploads()], [copy.bytes for copy in copies.downloads()]


@pytest.mark.parametrize(
    ("augmentation", "geometry", "batch_size"),
    [
        *((each, "plain", 1) for each in AUGMENTATIONS),
        ("flip", "plain", 3),
        *(("plain", g, 1) for g in GEOMETRY if g != "plain"),
    ],
)
def test_an_image_goes_up_once_and_only_counts_come_back(
    fake_device, augmentation: str, geometry: str, batch_size: int
) -> None:
    """With its label; one download for all images, of counts; the scores are the CPU's but for rounding."""
    (of_cpu, *_), (found, up, down) = fake_device(on_both, evaluated, augmentation, geometry, batch_size)
    np.testing.assert_array_equal(found.support, of_cpu.support)
    np.testing.assert_allclose(found.class_iou, of_cpu.class_iou, atol=2e-3)
    assert 0 < of_cpu.miou < 1
    image, label = squares(geometry)[0].image.nbytes, 32 * 32
    assert up == 3 // batch_size * [batch_size * image, *batch_size * [label]]
    assert down == [256 * 256 * 8]


def measured(geometry: str) -> tuple[dict[str, dict], list[int]]:
    """Return what all metrics say, and the bytes of downloads."""
    paddle.seed(5)
    net, dataset = PixelNet(), squares(geometry)
    chosen = make_metrics(list(METRICS), dataset.classes, dataset.ignore_index)
    with recorded() as copies:
        evaluate(net, dataset, metrics=chosen)
    return {metric.name: metric.result() for metric in chosen}, [copy.bytes for copy in copies.downloads()]


@pytest.mark.parametrize("geometry", ["plain", "resized"])
def test_metrics_get_ids_and_confidence_and_no_logits(fake_device, geometry: str) -> None:
    """A byte and a float for each pixel come down, whatever is measured; the numbers are the CPU's."""
    (of_cpu, _), (found, down) = fake_device(on_both, measured, geometry)
    assert sorted(down) == sorted([256 * 256 * 8, *3 * [32 * 32], *3 * [4 * 32 * 32]])
    assert found["calibration"]["ece"] == pytest.approx(of_cpu["calibration"]["ece"], abs=2e-3)
    for name in ("intervals", "boundary"):
        for key, value in of_cpu[name]["class_iou"].items():
            one, other = (
                (v["value"] if isinstance(v, dict) else v) for v in (value, found[name]["class_iou"][key])
            )
            assert other == pytest.approx(one, abs=5e-3)


def ids_of(geometry: str) -> tuple[np.ndarray, list[int], list[int]]:
    paddle.seed(5)
    net, sample = PixelNet(), squares(geometry)[0]
    net.eval()
    with recorded() as copies:
        ids = predict_labels(net, [sample], PLAIN)[0]
    return ids, [copy.bytes for copy in copies.uploads()], [copy.bytes for copy in copies.downloads()]


@pytest.mark.parametrize("geometry", GEOMETRY)
def test_a_prediction_comes_down_as_ids(fake_device, geometry: str) -> None:
    """A byte for a pixel of the source, in one copy."""
    (of_cpu, *_), (ids, up, down) = fake_device(on_both, ids_of, geometry)
    assert ids.dtype == np.uint8
    assert (ids != of_cpu).mean() <= 2e-3  # but for rounding
    assert up == [squares(geometry)[0].image.nbytes]
    assert down == [32 * 32]


def too_many_classes() -> None:
    evaluate(lambda images: [paddle.concat([images, images], axis=1)], squares("plain"))


def test_a_class_that_the_data_lack_is_refused(fake_device) -> None:
    """It would be counted in another class's place; the message is the CPU's."""
    with pytest.raises(ValueError, match=r"prediction ids are in \[0, 2\]; allowed are 0 to 1 and 255"):
        fake_device(too_many_classes)


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
