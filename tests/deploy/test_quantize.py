"""What protects quantization: it takes what pays, leaves the rest, and says honestly what came of it."""

from __future__ import annotations

import cv2
import numpy as np
import paddle
import pytest

import paddleseg_lite.models as zoo
from paddleseg_lite.deploy.export import ExportOptions, export
from paddleseg_lite.deploy.quantize import MAX_IMAGES, QuantizeReport, check_images, quantize
from paddleseg_lite.deploy.runtimes import OnnxRuntime
from paddleseg_lite.errors import UserError
from paddleseg_lite.predictor import Predictor
from tests.deploy.conftest import HAS_ONNX
from tests.toys import Squares

pytestmark = pytest.mark.skipif(not HAS_ONNX, reason="needs the extra 'deploy'")


@pytest.fixture
def photos(tmp_path):
    """Images to measure ranges on."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(3):
        cv2.imwrite(str(folder / f"{index}.png"), Squares("val").draw(index)[0])
    return folder


def test_a_report_of_before_and_after(card, tmp_path, photos):
    """The file is smaller, its labels mostly the same, and the lines say so."""
    paddle.seed(0)
    model = zoo.LPSNet((1, 2, 2), (8, 16, 16), (1, 0.5), num_classes=2)
    export(model, tmp_path / "out", card, ExportOptions(output_op="none", format="onnx"))
    report = quantize(tmp_path / "out", photos, Squares("val", length=2))
    assert report.path.exists()
    assert 0 < report.layers[0] < report.layers[1]
    assert report.megabytes[1] < report.megabytes[0]
    assert report.agreement > 0.5
    assert "over 2 labelled image(s)" in report.text()
    assert report.miou is not None
    assert abs(report.miou[0] - report.miou[1]) < 0.2
    kinds = [OnnxRuntime(path).precision for path in (tmp_path / "out" / "model.onnx", report.path)]
    assert kinds == ["float32", "int8 and float32"]
    image = Squares("val").draw(0)[0]
    assert Predictor.from_exported(tmp_path / "out", precision="int8")(image).mask.shape == image.shape[:2]
    (tmp_path / "out" / "model.onnx").replace(report.path)
    with pytest.raises(UserError, match="is not the file"):
        Predictor.from_exported(tmp_path / "out", precision="int8")


@pytest.mark.slow
def test_what_does_not_pay_stays_in_float(card, tmp_path, photos):
    """Depthwise and dilated convolutions, the first and the last one; the others have a scale per channel."""
    import onnx

    model = zoo.LRASPP(2, zoo.MobileNetV3_small_x1_0_os8())
    export(model, tmp_path / "out", card, ExportOptions(output_op="none", format="onnx"))
    report = quantize(tmp_path / "out", photos)
    graph = onnx.load(str(report.path)).graph
    makers = {name: node for node in graph.node for name in node.output}
    values = {value.name: onnx.numpy_helper.to_array(value) for value in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    quantized = [node for node in convolutions if node.input[1] in makers]
    assert (len(quantized), len(convolutions)) == report.layers
    for node in quantized:
        options = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        assert options.get("group", 1) == 1
        assert max(options.get("dilations", [1])) == 1
        weight = makers[node.input[1]]
        assert values[weight.input[0]].dtype == np.int8
        assert values[weight.input[1]].shape == values[weight.input[0]].shape[:1]
    assert convolutions[0] not in quantized
    assert convolutions[-1] not in quantized


@pytest.mark.parametrize(
    ("milliseconds", "miou", "said"),
    [
        ((100.0, 50.0), (0.7, 0.695), None),
        ((100.0, 95.0), (0.7, 0.7), "less than 1.1 times as fast"),
        ((100.0, 50.0), (0.7, 0.6), "more than 0.01 of mIoU lost"),
        ((100.0, 50.0), None, None),
    ],
)
def test_it_says_when_it_was_not_worth_it(tmp_path, milliseconds, miou, said):
    """For its speed, or for its answers."""
    text = QuantizeReport(tmp_path, (3, 9), (4.0, 2.0), milliseconds, miou, 0.99).text()
    assert ("not worth it" in text) == (said is not None)
    assert said is None or said in text
    shown = "mIoU  unknown" if miou is None else f"mIoU  {miou[0]:.4f} -> {miou[1]:.4f}"
    assert shown in text


def test_without_labels_changed_pixels_count(tmp_path):
    """They are all that tells of a loss; beside labels they do not matter."""
    for miou in (None, (0.7, 0.7)):
        text = QuantizeReport(tmp_path, (3, 9), (4.0, 2.0), (100.0, 50.0), miou, 0.9).text()
        assert ("% of the pixels have another class" in text) == (miou is None)


def test_missing_calibration_images_are_named(model, card, tmp_path):
    """Before anything is written."""
    export(model, tmp_path / "out", card, ExportOptions(format="onnx"))
    with pytest.raises(UserError, match="nowhere"):
        quantize(tmp_path / "out", tmp_path / "nowhere")
    assert not (tmp_path / "out" / "model_int8.onnx").exists()


def test_calibration_images_are_checked_as_the_network_takes_them(tmp_path):
    """Channels of the config, images from all of a folder, and messages that name the flag."""
    for index in range(3 * MAX_IMAGES):
        np.save(tmp_path / f"{index:03}.npy", np.zeros((4, 4, 6), np.uint8))
    check_images(tmp_path, 6)
    with pytest.raises(UserError, match=r"^--calibration: .*000\.npy: 6 channel"):
        check_images(tmp_path, 3)
    (tmp_path / f"{3 * MAX_IMAGES - 1:03}.npy").write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"^--calibration: cannot read .*191\.npy"):
        check_images(tmp_path, 6)
    with pytest.raises(UserError, match="check --calibration"):
        check_images(tmp_path / "nowhere", 6)


def test_an_export_of_one_size_takes_calibration_images_of_that_size_alone(model, card, tmp_path, photos):
    """The image is named, with its size and the export's."""
    shape = (1, 3, 24, 48)
    export(model, tmp_path / "out", card, ExportOptions(shape, format="onnx"))
    with pytest.raises(UserError, match=r"0\.png is 1 3 32 32 .* takes 1 3 24 48"):
        quantize(tmp_path / "out", photos)
