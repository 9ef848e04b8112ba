"""The commands with --device: how one comes by a device, and the whole job on one that is not the CPU."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import paddle
import pytest

from paddleseg_lite.cli.main import main
from paddleseg_lite.cli.run import set_device
from paddleseg_lite.errors import UserError
from paddleseg_lite.predictor import Predictor
from tests.conftest import write_config
from tests.device.fake import NAME


def chosen(flag: str) -> str:
    """Return the device that --device leads to, or what is said instead."""
    try:
        set_device(flag)
    except UserError as error:
        return str(error)
    return paddle.get_device()


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("auto", "fake:0"),
        ("fake", "fake:0"),
        ("fake:0", "fake:0"),
        ("cpu", "cpu"),
        ("fake:1", "--device is 'fake:1', but here Paddle finds fake:0, cpu; give one, or auto"),
        ("cpu:0", "--device is 'cpu:0', but here Paddle finds fake:0, cpu; give one, or auto"),
        ("gpu:0", "--device gpu:0: this Paddle is built for CPUs; use --device cpu, or install "),
    ],
)
def test_every_device_that_paddle_finds_can_be_chosen(fake_device, flag: str, expected: str) -> None:
    """PaddleSeg has users on other accelerators than GPUs; others are refused, with those there are."""
    if flag == "gpu:0" and paddle.is_compiled_with_cuda():
        pytest.skip("of a Paddle for GPUs something else is said")
    assert fake_device(chosen, flag).startswith(expected)


def command(name: str, *args: object) -> None:
    """Run a command in this process."""
    sys.argv = [f"tools/{name}.py", *map(str, args)]
    with contextlib.redirect_stderr(io.StringIO()) as errors, pytest.raises(SystemExit) as ended:
        main(name)
    assert not ended.value.code, errors.getvalue()


def whole_job(folder: Path, device: str, root: Path, images: Path, video: Path) -> dict:
    """Train, evaluate, predict images and a video, export, and use the export; return what came of each."""
    config = ("--config", write_config(folder, root))
    on = ("--device", device)
    run = folder / "run"
    command(
        "train",
        *config,
        *on,
        "--save_dir",
        run,
        "--log_iters",
        1,
        "--num_workers",
        2,
        "--use_ema",
        "--do_eval",
    )
    trained = (*config, "--model_path", run / "iter_3" / "model.pdparams")
    command("val", *trained, *on, "--backend", "paddle", "--aug_eval", "--flip_horizontal")
    for source in (images, video):
        command(
            "predict",
            *trained,
            *on,
            "--backend",
            "paddle",
            "--image_path",
            source,
            "--save_dir",
            folder / "out",
        )
    command("export", *trained, *on, "--save_dir", folder / "export")
    paddle.set_device(device)  # which the export leaves as it was
    picture = cv2.imread(str(next(images.iterdir())))[..., ::-1]
    live = Predictor.from_config(config[1], trained[-1], backend="paddle")
    exported = Predictor.from_exported(folder / "export")
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {
        "device": json.loads((run / "environment.json").read_text())["device"],
        "losses": [line["loss"] for line in lines if "loss" in line],
        "labels": cv2.imread(
            str(next((folder / "out" / "label_prediction").iterdir())), cv2.IMREAD_UNCHANGED
        ),
        "frames": int(cv2.VideoCapture(str(folder / "out" / "added_prediction" / "drive.avi.mp4")).get(7)),
        "live": live(picture).mask,
        "exported": exported(picture).mask,
    }


@pytest.mark.slow
def test_the_whole_job(fake_device, tmp_path: Path, street_root: Path) -> None:
    """The commands give on the device what they give on the CPU."""
    video = tmp_path / "drive.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for _ in range(3):
        writer.write(np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8))
    writer.release()
    images = street_root / "leftImg8bit" / "val" / "streets"
    results = []
    for device in ("cpu", NAME):
        folder = tmp_path / device
        folder.mkdir()
        results.append(fake_device(whole_job, folder, device, street_root, images, video))
    of_cpu, found = results
    assert (of_cpu["device"], found["device"]) == ("cpu", "fake:0")
    assert len(of_cpu["losses"]) == 3
    assert found["losses"] == pytest.approx(of_cpu["losses"], abs=1e-5)
    assert found["frames"] == of_cpu["frames"] == 3
    for name in ("labels", "live", "exported"):
        assert (found[name] != of_cpu[name]).mean() < 0.005, name  # where two classes are as good as equal
    assert (found["exported"] != found["live"]).mean() < 0.005
