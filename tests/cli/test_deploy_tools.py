"""The commands that export, measure and segment videos, as a user types them."""

from __future__ import annotations

import json
import re

import cv2
import numpy as np
import pytest

from tests.conftest import write_config


def test_export_evaluate_and_resume(tmp_path, tool, street_root, monkeypatch):
    """Exported files, the same score by every runtime, results that are not made twice, a benchmark."""
    monkeypatch.setenv("PADDLESEG_LITE_HOME", str(tmp_path / "cache"))
    config = write_config(tmp_path, street_root)
    assert tool("train", "--config", config, "--save_dir", tmp_path / "run")[0] == 0
    weights = ("--config", config, "--model_path", tmp_path / "run" / "iter_3" / "model.pdparams")
    code, out, _ = tool("export", *weights, "--save_dir", tmp_path / "export", "--output_op", "none")
    assert code == 0
    assert "differs from the live network by at most" in out
    assert (tmp_path / "export" / "inference.yml").exists()
    scores = [tool("val", *weights, "--backend", name)[1] for name in ("paddle", "paddle_inference")]
    values = [float(re.search(r"mIoU: (\d\.\d+)", score)[1]) for score in scores]
    assert abs(values[0] - values[1]) < 2e-4

    predict = ("predict", *weights, "--image_path", street_root / "leftImg8bit" / "val")
    predict += ("--save_dir", tmp_path / "result", "--backend", "paddle", "--save", "raw", "--resume")
    assert "3 images segmented, 0 were there before" in tool(*predict)[1]
    assert "0 images segmented, 3 were there before" in tool(*predict)[1]

    figures = tmp_path / "times.json"
    flags = ("--size", "128", "64", "--runs", "2", "--warmup", "1", "--backend", "paddle", "--json", figures)
    code, out, _ = tool("benchmark", *weights, *flags)
    assert code == 0
    assert "GMACs" in out
    assert json.loads(figures.read_text())[0]["input_size"] == [128, 64]
    resized = ("--opts", "val_dataset.transforms=[{type: Resize, target_size: [64, 32]}, {type: Normalize}]")
    assert "128x64, which the config resizes to 64x32" in tool("benchmark", *weights, *flags, *resized)[1]


def test_a_video_by_the_tool(tmp_path, tool, street_root):
    """It prints frames/s; flags that would do nothing are refused."""
    config = write_config(tmp_path, street_root)
    assert tool("train", "--config", config, "--save_dir", tmp_path / "run")[0] == 0
    writer = cv2.VideoWriter(str(tmp_path / "drive.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for value in range(0, 250, 50):
        writer.write(np.full((48, 64, 3), value, np.uint8))
    writer.release()
    work = ("predict", "--config", config, "--model_path", tmp_path / "run" / "iter_3" / "model.pdparams")
    work += ("--image_path", tmp_path / "drive.avi", "--save_dir", tmp_path / "out", "--backend", "paddle")
    code, out, _ = tool(*work)
    assert code == 0
    assert re.search(r"5 frames, \d+\.\d frames/s, in .*drive\.avi\.mp4", out)
    for flags in (["--resume"], ["--save", "raw"], ["--save", "raw,overlay"]):
        code, _, err = tool(*work, *flags)
        assert code == 2
        assert "leave out --save and --resume" in err


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--quantize", "int8"], "--calibration"),
        (["--quantize", "int8", "--calibration", "."], "--format onnx"),
        (["--calibration", "."], "--quantize int8"),
        (["--format", "onnx", "--quantize", "int8", "--calibration", "nowhere"], "nowhere"),
        (["--format", "tflite"], "paddle, onnx, all"),
        (["--output_op", "max"], "argmax, softmax, none"),
        (["--input_shape", "1", "3"], "N C H W"),
        (["--input_shape", "1", "4", "32", "32"], "takes 3"),
    ],
)
def test_export_flags_are_checked_before_anything_slow(tmp_path, tool, monkeypatch, flags, named):
    """No data and no weights are needed to be told; nothing is written."""
    monkeypatch.chdir(tmp_path)
    config = write_config(tmp_path, tmp_path / "no data")
    code, _, err = tool("export", "--config", config, "--model_path", config, *flags)
    assert code == 2
    assert named in err
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("export", ["--save_dir", "file/out"]),
        ("predict", ["--image_path", "photo.png", "--save_dir", "file/out"]),
        ("benchmark", ["--json", "file/times.json"]),
    ],
)
def test_an_unwritable_folder_is_told_before_the_work(tmp_path, tool, monkeypatch, name, flags):
    """In one sentence; the weights are not even looked for."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    config = write_config(tmp_path, tmp_path / "no data")
    code, _, err = tool(name, "--config", config, "--model_path", "none.pdparams", *flags)
    assert code == 2
    assert "nothing can be written" in err
