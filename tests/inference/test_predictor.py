"""What protects the few lines of Python that most users write."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import paddle
import pytest

from paddleseg_lite.checkpoint import save_weights
from paddleseg_lite.config import load_config
from paddleseg_lite.config.build import Plan
from paddleseg_lite.deploy.export import ExportOptions, export
from paddleseg_lite.errors import UserError
from paddleseg_lite.inference.augment import InferenceOptions
from paddleseg_lite.predictor import Predictor, export_metadata
from tests.conftest import write_config
from tests.deploy.conftest import HAS_ONNX, RUNTIMES

pytestmark = pytest.mark.usefixtures("converts_here")


@pytest.fixture
def job(tmp_path, monkeypatch):
    """A config whose data are not there, and weights for it."""
    monkeypatch.setenv("PADDLESEG_LITE_HOME", str(tmp_path / "cache"))
    path = write_config(tmp_path, tmp_path / "nowhere")
    paddle.seed(0)
    model = Plan(load_config(path)).model()
    return path, save_weights(model, tmp_path / "weights"), model


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)


def test_arrays_lists_and_paths(job, image, tmp_path):
    """An array and the file of the same pixels give the same labels; a list gives a list."""
    predictor = Predictor.from_config(*job[:2], backend="paddle")
    cv2.imwrite(str(tmp_path / "a.png"), image[:, :, ::-1])
    found = predictor(image)
    assert found.mask.shape == (40, 56)
    assert found.mask.dtype == np.uint8
    assert found.labels is found.mask  # its first name
    assert found.probabilities is None
    assert found.classes[0] == "road"
    several = predictor([image, tmp_path / "a.png", str(tmp_path / "a.png")])
    assert len(several) == 3
    for other in several:
        np.testing.assert_array_equal(other.mask, found.mask)
    np.testing.assert_array_equal(found.color(), predictor.palette[found.mask])
    assert found.overlay().shape == image.shape
    np.testing.assert_array_equal(found.overlay(alpha=1.0), image)


def test_the_configs_window_counts_and_its_scales_do_not(job, image):
    """The same labels as of predict.py; `inference` replaces what the config says."""
    window = {"crop_size": (24, 24), "stride": (16, 16)}
    opts = [
        "test_config={aug_eval: true, scales: [0.5], is_slide: true, crop_size: [24, 24], stride: [16, 16]}"
    ]

    def mask(**options):
        return Predictor.from_config(*job[:2], backend="paddle", **options)(image).mask

    plain = mask()
    slid = mask(inference=InferenceOptions(**window))
    assert (plain != slid).any()
    np.testing.assert_array_equal(mask(opts=opts), slid)
    np.testing.assert_array_equal(mask(opts=opts, inference=InferenceOptions()), plain)


@pytest.mark.parametrize("backend", ["paddle", "auto"])
def test_probabilities_are_a_softmax(job, image, backend):
    """They sum to one, their best class is the label, and the augmentation counts."""
    inference = InferenceOptions(flip_horizontal=True)
    predictor = Predictor.from_config(*job[:2], backend=backend, inference=inference)
    found = predictor(image, probabilities=True)
    assert found.probabilities.shape == (19, 40, 56)
    np.testing.assert_allclose(found.probabilities.sum(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(found.mask, predictor(image).mask)
    mirrored = predictor(image[:, ::-1], probabilities=True).probabilities[:, :, ::-1]
    np.testing.assert_allclose(mirrored, found.probabilities, atol=1e-5)


@pytest.mark.parametrize("output_op", ["argmax", "softmax", "none"])
def test_an_exported_folder_gives_the_same(job, image, tmp_path, output_op):
    """Whatever its output is; with class ids alone there are no probabilities, and that is said."""
    path, weights, model = job
    export(
        model, tmp_path / "out", export_metadata(Plan(load_config(path))), ExportOptions(output_op=output_op)
    )
    live, exported = Predictor.from_config(path, weights, "paddle"), Predictor.from_exported(tmp_path / "out")
    assert exported.classes == live.classes
    for found in exported([image, image], batch_size=2):
        assert (found.mask != live(image).mask).mean() < 1e-3
    if output_op == "argmax":
        for wanted in ({"probabilities": True}, {"confidence": True}):
            with pytest.raises(UserError, match="--output_op"):
                exported([image], **wanted)
    else:
        expected = live(image, probabilities=True).probabilities
        np.testing.assert_allclose(exported(image, probabilities=True).probabilities, expected, atol=1e-4)


@pytest.mark.skipif(not HAS_ONNX, reason="needs the extra 'deploy'")
def test_an_export_runs_what_its_sidecar_lists(job, image, tmp_path):
    """An older ONNX file in the folder is not taken; a size or precision that was not exported is refused."""
    path, _, model = job
    card = export_metadata(Plan(load_config(path)))
    export(model, tmp_path / "out", card, ExportOptions(format="onnx"))
    model.head.weight.set_value(model.head.weight * -1)
    export(model, tmp_path / "out", card, ExportOptions((1, 3, 40, 56), format="paddle"))
    predictor = Predictor.from_exported(tmp_path / "out")
    with paddle.no_grad():
        logits = model(paddle.to_tensor((image.transpose(2, 0, 1)[None] / 255 - 0.5).astype("float32") / 0.5))
    assert (predictor(image).mask != logits[0].numpy()[0].argmax(axis=0)).mean() < 1e-3
    assert len(predictor([image, image], batch_size=2)) == 2  # one by one: the export takes one at a time
    with pytest.raises(UserError, match=r"an image is 1 3 39 56 .* takes 1 3 40 56"):
        predictor(image[1:])
    with pytest.raises(UserError, match="no ONNX model"):
        Predictor.from_exported(tmp_path / "out", "onnxruntime")
    export(model, tmp_path / "onnx", card, ExportOptions(format="onnx"))
    with pytest.raises(UserError, match="no Paddle program"):
        Predictor.from_exported(tmp_path / "onnx", "paddle_inference")
    with pytest.raises(UserError, match="--quantize int8"):
        Predictor.from_exported(tmp_path / "out", "onnxruntime", precision="int8")
    with pytest.raises(UserError, match="float32 or int8"):
        Predictor.from_exported(tmp_path / "out", precision="int4")


@pytest.mark.parametrize("backend", RUNTIMES)
def test_threads_may_share_a_predictor(job, backend):
    """Eight images of different sizes by four threads: each gets its own labels."""
    predictor = Predictor.from_config(*job[:2], backend=backend)
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (32 + 8 * i, 48, 3), dtype=np.uint8) for i in range(8)]
    alone = [predictor(image).mask for image in images]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            for found, expected in zip(pool.map(predictor, images), alone):
                np.testing.assert_array_equal(found.mask, expected)


def test_confidence_is_the_best_probability(job, image):
    """On request, without all the probabilities, and in batches as alone; the labels are the same."""
    predictor = Predictor.from_config(*job[:2], backend="paddle")
    found = predictor(image, confidence=True)
    whole = predictor(image, probabilities=True)
    assert found.probabilities is whole.confidence is None
    assert (found.confidence.dtype, found.confidence.shape) == (np.float32, (40, 56))
    np.testing.assert_allclose(found.confidence, whole.probabilities.max(axis=0), atol=1e-6)
    np.testing.assert_array_equal(found.mask, predictor(image).mask)
    for other in predictor([image, image, image], confidence=True, batch_size=3):
        np.testing.assert_allclose(other.confidence, found.confidence, atol=1e-5)


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8), "none.png"],
)
def test_a_wrong_image_is_refused(job, wrong):
    """Floats in [0, 1] would be taken for black otherwise."""
    predictor = Predictor.from_config(*job[:2], backend="paddle")
    with pytest.raises(UserError):
        predictor(wrong)


def test_an_export_that_is_not_there(tmp_path):
    """The message says what to give."""
    with pytest.raises(UserError, match=r"inference\.yml.*the command export"):
        Predictor.from_exported(tmp_path)
