"""What protects an exported network: the live one at any size, used by inference.yml alone."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import paddle
import pytest
import yaml

import paddleseg_lite.models as zoo
from paddleseg_lite.deploy import onnx_graph
from paddleseg_lite.deploy.export import (
    PROGRAMS,
    ExportOptions,
    export,
    input_shape,
    program_in,
)
from paddleseg_lite.deploy.runtimes import OnnxRuntime, PaddleInference
from paddleseg_lite.deploy.verified_export import export_verified
from paddleseg_lite.deploy.verify import difference, live_logits
from paddleseg_lite.errors import UserError
from paddleseg_lite.predictor import Predictor
from tests.deploy.conftest import HAS_ONNX
from tests.paths import REPOSITORY

OWN_PROCESS = onnx_graph._run  # before a fixture takes its place

needs_onnx = pytest.mark.skipif(not HAS_ONNX, reason="needs the extra 'deploy'")
FORMAT = "all" if HAS_ONNX else "paddle"

# What a user without this library would write; it cannot be imported, and neither can Paddle.
STANDALONE = """
import sys
sys.modules["paddleseg_lite"] = sys.modules["paddle"] = None
import cv2, numpy as np, onnxruntime, yaml
folder, picture, target = sys.argv[1:]
facts = yaml.safe_load(open(folder + "/inference.yml", encoding="utf-8"))
image = cv2.imread(picture)
if facts["input"]["colour_order"] == "RGB":
    image = image[:, :, ::-1]
size = image.shape[1::-1]
for step in facts["input"]["resize"]:  # "Resize" alone, here
    image = cv2.resize(image, step["target_size"], interpolation=getattr(cv2, "INTER_" + step["interp"]))
image = (image.astype(np.float32) / 255 - facts["input"]["mean"]) / facts["input"]["std"]
path = folder + "/" + facts["model"]["onnx"]
session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
batch = image.transpose(2, 0, 1)[None].astype(np.float32)
labels = session.run(None, {session.get_inputs()[0].name: batch})[0][0]
if facts["output"]["op"] == "none":
    labels = np.stack([cv2.resize(plane, size) for plane in labels]).argmax(axis=0)
elif labels.shape[::-1] != size:
    labels = cv2.resize(labels.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT)
np.save(target, labels.astype(np.uint8))
"""

# With this flag Paddle 3 writes what Paddle 2.6 wrote.
OLD_FORMAT = """
import pathlib, sys
import paddle
from paddleseg_lite.datasets.info import checked_info
from paddleseg_lite.deploy.export import ExportOptions, export
from paddleseg_lite.deploy.sidecar import ExportMetadata
from tests.toys import PixelNet
model = PixelNet()
model.set_state_dict(paddle.load(sys.argv[1]))
card = ExportMetadata(checked_info(2, classes=("ground", "square"), palette=[[0, 0, 0], [255, 0, 0]]))
export(model, pathlib.Path(sys.argv[2]), card, ExportOptions(output_op="none"))
"""


@pytest.mark.parametrize("output_op", ["argmax", "softmax", "none"])
def test_every_output_equals_the_live_network(model, card, tmp_path, output_op):
    """At three sizes and batches of one and two; all files are there, and no others."""
    files, findings = export_verified(
        model, tmp_path / "out", card, ExportOptions(output_op=output_op, format=FORMAT)
    )
    assert len(findings) == (2 if HAS_ONNX else 1)
    assert sorted(files) == sorted((tmp_path / "out").iterdir())
    runs = [
        PaddleInference(tmp_path / "out"),
        *([OnnxRuntime(tmp_path / "out" / "model.onnx")] if HAS_ONNX else []),
    ]
    images = np.random.default_rng(1).standard_normal((2, 3, 31, 45)).astype(np.float32)
    logits = live_logits(model, images)
    for run in runs:
        output = run(images)
        assert difference(logits, output, output_op) < 1e-3
        assert output.dtype == (np.int32 if output_op == "argmax" else np.float32)


@needs_onnx
@pytest.mark.parametrize("use_gap", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_pooling_and_resizes_survive_dynamic_shapes(card, tmp_path, use_gap):
    """Global pooling, the large kernel and resizes to another tensor's size: three sizes are verified."""
    paddle.seed(0)
    backbone = zoo.MobileNetV3_small_x0_35 if use_gap else zoo.MobileNetV3_small_x1_0_os8
    model = zoo.LRASPP(2, backbone(), use_gap=use_gap)
    _, findings = export_verified(
        model, tmp_path / "out", card, ExportOptions(output_op="none", format="onnx")
    )
    assert "on 3 images" in findings[0]
    assert "on 3 of noise" in findings[0]
    side = yaml.safe_load((tmp_path / "out" / "inference.yml").read_text())["input"]["min_side"]
    assert side == (1 if use_gap else 385)
    if not use_gap:  # onnxruntime's pooling would end the process
        with pytest.raises(UserError, match=r"64x64 .* at least 385x385"):
            OnnxRuntime(tmp_path / "out" / "model.onnx")(np.zeros((1, 3, 64, 64), np.float32))


@pytest.mark.parametrize("shape", [(1, 3, 1, 1), (None, 3, None, 3), (1, 3, 3, 64)])
def test_a_fixed_shape_that_is_too_small_is_told_with_the_smallest(card, tmp_path, shape):
    """Before anything is traced, where Paddle would end in a trace."""
    model = zoo.LPSNet([1, 1], [4, 8], [1.0, 0.25], 2)
    with pytest.raises(UserError, match=r"input_shape is .* too small .* height and a width of at least 4"):
        export(model, tmp_path / "out", card, ExportOptions(shape))
    assert not (tmp_path / "out").exists()
    export(model, tmp_path / "out", card, ExportOptions((1, 3, 4, 4)))


def test_a_fixed_shape_is_verified_at_that_shape(model, card, tmp_path):
    """And the sidecar says so."""
    options = ExportOptions(input_shape([1, 3, 32, 48], 3), "none", "paddle")
    export_verified(model, tmp_path / "out", card, options)
    facts = yaml.safe_load((tmp_path / "out" / "inference.yml").read_text())
    assert facts["input"]["shape"] == [1, 3, 32, 48]
    assert PaddleInference(tmp_path / "out")(np.zeros((1, 3, 32, 48), np.float32)).shape == (1, 2, 32, 48)


@needs_onnx
@pytest.mark.parametrize(("op", "resizes"), [("argmax", False), ("argmax", True), ("none", True)])
def test_the_sidecar_is_enough(model, card, tmp_path, caplog, op, resizes):
    """onnxruntime, cv2, NumPy and YAML give the labels that Predictor gives, also of images that are resized.

    Class ids of resized images are coarser, and that is told.
    """
    if resizes:
        card = replace(card, transforms=({"type": "Resize", "target_size": [24, 20]}, *card.transforms))
    export(model, tmp_path / "out", card, ExportOptions(format="onnx", output_op=op))
    assert ("coarser" in caplog.text) == (resizes and op == "argmax")
    image = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "photo.png"), image[:, :, ::-1])
    arguments = [tmp_path / "out", tmp_path / "photo.png", tmp_path / "labels.npy"]
    subprocess.run([sys.executable, "-c", STANDALONE, *map(str, arguments)], check=True, cwd=tmp_path)
    labels = np.load(tmp_path / "labels.npy")
    found = Predictor.from_exported(tmp_path / "out")(image)
    np.testing.assert_array_equal(found.mask, labels)
    assert 0 < labels.mean() < 1, "both classes occur"
    assert found.palette.tolist() == card.data.palette.tolist()


@pytest.mark.slow
def test_programs_of_both_formats_load(model, card, tmp_path):
    """model.pdmodel, as Paddle 2.6 writes it, and model.json of Paddle 3; a new export replaces either."""
    out = tmp_path / "out"
    paddle.save(model.state_dict(), str(tmp_path / "w.pdparams"))
    subprocess.run(
        [sys.executable, "-c", OLD_FORMAT, str(tmp_path / "w.pdparams"), str(out)],
        check=True,
        env={**os.environ, "FLAGS_enable_pir_api": "0"},
        cwd=REPOSITORY,
    )
    assert (out / "model.pdmodel").exists()
    images = np.random.default_rng(1).standard_normal((1, 3, 31, 45)).astype(np.float32)
    expected = live_logits(model, images)
    np.testing.assert_allclose(PaddleInference(out)(images), expected, atol=1e-4)
    export(model, out, card, ExportOptions(output_op="none"))
    assert len([name for name in PROGRAMS if (out / name).exists()]) == 1
    np.testing.assert_allclose(PaddleInference(out)(images), expected, atol=1e-4)


@pytest.mark.parametrize("name", ["model.onnx", "program", "model.pdiparams", "inference.yml"])
def test_a_damaged_export_is_named(model, card, tmp_path, name):
    """The file or folder, in one sentence."""
    if name == "model.onnx" and not HAS_ONNX:
        pytest.skip("needs the extra 'deploy'")
    export(model, tmp_path / "out", card, ExportOptions(format=FORMAT))
    path = program_in(tmp_path / "out") if name == "program" else tmp_path / "out" / name
    path.write_bytes(b"\xff{no model: [")
    backend = "onnxruntime" if name == "model.onnx" else "paddle_inference"
    with pytest.raises(UserError, match=str(tmp_path / "out")):
        Predictor.from_exported(tmp_path / "out", backend)


@pytest.mark.parametrize("name", ["model.onnx", "model.pdiparams"])
def test_an_altered_export_is_refused(model, card, tmp_path, name):
    """A file of another export loads, and would give other answers."""
    if name == "model.onnx" and not HAS_ONNX:
        pytest.skip("needs the extra 'deploy'")
    export(model, tmp_path / "out", card, ExportOptions(format=FORMAT))
    model.head.weight.set_value(model.head.weight * -1)
    export(model, tmp_path / "other", card, ExportOptions(format=FORMAT))
    (tmp_path / "other" / name).replace(tmp_path / "out" / name)
    backend = "onnxruntime" if name == "model.onnx" else "paddle_inference"
    with pytest.raises(UserError, match=f"{name} is not the file"):
        Predictor.from_exported(tmp_path / "out", backend)


@needs_onnx
def test_a_new_export_leaves_no_file_of_the_last_one(model, card, tmp_path):
    """Whoever lists the folder finds what inference.yml lists."""
    export(model, tmp_path / "out", card, ExportOptions(format="all"))
    (tmp_path / "out" / "model_int8.onnx").touch()
    files = export(model, tmp_path / "out", card, ExportOptions(format="onnx"))
    assert sorted(files) == sorted((tmp_path / "out").iterdir())


@needs_onnx
def test_a_converter_that_dies_is_an_error(model, card, tmp_path, monkeypatch):
    """paddle2onnx aborts on some operators: one sentence, and this process lives on."""
    monkeypatch.setattr("paddleseg_lite.deploy.onnx_graph._run", OWN_PROCESS)
    monkeypatch.setattr("paddleseg_lite.deploy.onnx_graph._CONVERT", "import os; os.abort()")
    with pytest.raises(UserError, match="paddle2onnx cannot convert"):
        export(model, tmp_path / "out", card, ExportOptions(format="onnx"))


def test_an_unwritable_folder_is_told(model, card, tmp_path):
    """With the folder's name, before the export."""
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file"):
        export_verified(model, tmp_path / "file" / "out", card, ExportOptions())


def test_the_sidecar_spells_defaults_out(model, card, tmp_path):
    """A reader needs no code to know them."""
    export(model, tmp_path, card, ExportOptions())
    facts = yaml.safe_load((tmp_path / "inference.yml").read_text())
    assert facts["input"]["mean"] == [0.485, 0.456, 0.406]
    assert facts["classes"] == ["ground", "square"]
    assert facts["ignore_index"] == 255
    assert len(facts["model"]["weights_sha256"]) == 64
    assert facts["versions"]["paddle"] == paddle.__version__


def test_an_export_without_normalize_says_so(model, card, tmp_path):
    """The network was trained on 0 to 255: nothing is to be divided by 255."""
    export(model, tmp_path, replace(card, transforms=()), ExportOptions())
    facts = yaml.safe_load((tmp_path / "inference.yml").read_text())
    assert (facts["input"]["scale"], facts["input"]["mean"], facts["input"]["std"]) == (
        "1",
        [0.0] * 3,
        [1.0] * 3,
    )


@needs_onnx
def test_a_sound_export_of_lpsnet_is_not_refused(card, tmp_path):
    """ONNX Runtime works a resize's weights out in float32, which shows at larger sizes."""
    paddle.seed(0)
    model = zoo.LPSNet((1, 1, 1, 1), (4, 8, 8, 8), (1, 0.25), num_classes=2)
    options = ExportOptions((1, 3, 512, 1024), "none", "onnx")
    assert export_verified(model, tmp_path / "out", card, options)[0]


@needs_onnx
def test_what_is_not_compared_is_not_changed(model, card, tmp_path, monkeypatch):
    """Changes to the ONNX model are right because each export is compared."""
    monkeypatch.setattr("paddleseg_lite.deploy.export.optimise", lambda *_: pytest.fail("changed"))
    options = ExportOptions(format="onnx")
    files, findings = export_verified(model, tmp_path / "out", card, options, check=False)
    assert tmp_path / "out" / "model.onnx" in files
    assert not findings


def test_a_failed_export_leaves_the_folder_alone(model, card, tmp_path, monkeypatch):
    """What was exported before is still there, and nothing new."""
    export(model, tmp_path / "out", card, ExportOptions())
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    model.head.weight.set_value(model.head.weight * 3)
    monkeypatch.setattr(
        "paddleseg_lite.deploy.verified_export.verify", lambda *_: (_ for _ in ()).throw(UserError("no"))
    )
    with pytest.raises(UserError):
        export_verified(model, tmp_path / "out", card, ExportOptions())
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == ["out"]


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: ExportOptions(output_op="max"), "output_op.*argmax"),
        (lambda: ExportOptions(format="trt"), "format.*onnx"),
        (lambda: ExportOptions((1, None, 2, 2)), "input_shape"),
        (lambda: ExportOptions((0, 3, 2, 2)), "input_shape"),
        (lambda: input_shape([1, 3], 3), "four"),
    ],
)
def test_options_that_make_no_sense_are_refused(make, named):
    """The message says what is allowed."""
    with pytest.raises(UserError, match=named):
        make()
