"""Pretraining as a user starts, kills and launches it: the engine of train, on images with one class each."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from paddleseg_lite.checkpoint import read_weights
from tests.commands import Command, run_command
from tests.conftest import write_config
from tests.paths import ENVIRONMENT, TOOLS

FLAGS = ("--device", "cpu", "--log_iters", "1", "--do_eval", "--save_interval", "2", "--use_ema")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Three classes, told apart by their color: four images of each to train on, two to validate."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 4), ("val", 2)):
        for label, name in enumerate(("blue", "green", "red")):
            (tmp_path / split / name).mkdir(parents=True)
            for number in range(count):
                image = rng.integers(0, 60, (40, 48, 3), np.uint8)
                image[..., label] += 150
                assert cv2.imwrite(str(tmp_path / split / name / f"{number}.png"), image)
    steps = "{type: RandomHorizontalFlip}, {type: Normalize}, {type: RandomErasing}"
    data = {
        f"{split}_dataset": f"{{type: ImageNetDataset, image_root: '{tmp_path / split}', num_classes: 3, "
        f"transforms: [{transforms}]}}"
        for split, transforms in (
            ("train", f"{{type: RandomResizedCrop, size: 32}}, {steps}"),
            ("val", "{type: ResizeByShort, short_size: 36}, {type: CenterCrop, size: 32}, {type: Normalize}"),
        )
    }
    path = write_config(
        tmp_path,
        tmp_path,
        **data,
        batch_size="3",
        model="{type: LPSNetClassifier, depths: [1, 1, 1], channels: [4, 8, 8], scale_ratios: [1, 0.5]}",
        lr_scheduler="{type: Piecewise, learning_rate: 0.1, decay_epochs: [1, 1.5]}",
        loss="{types: [{type: CELoss}], coef: [1]}",
    )
    path.write_text(path.read_text().replace("iters: 3\n", "epochs: 2\n"))
    return path


def metrics(run: Path) -> list[dict]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    times = ("time", "batch_cost", "reader_cost", "ips")
    return [{key: value for key, value in line.items() if key not in times} for line in lines]


def test_a_killed_pretraining_goes_on_bit_by_bit(tmp_path: Path, config: Path) -> None:
    """With mixup, erasing, crops and other workers: weights, their average, log and best weights."""
    text = config.read_text().replace("num_classes: 3, tr", "num_classes: 3, batch_transforms: MIX, tr", 1)
    config.write_text(
        text.replace("MIX", "[{type: MixupOperator, alpha: 0.5}]").replace("epochs: 2", "epochs: 10")
    )
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    done = run_command(tmp_path, "pretrain", *FLAGS, "--config", config, "--save_dir", whole)
    assert done.returncode == 0, done.stderr
    command = Command(tmp_path, "pretrain", *FLAGS, "--config", config, "--save_dir", killed)
    command.wait_for("iter: 5/40")
    command.process.kill()
    command.process.join()
    assert command.process.exitcode == -signal.SIGKILL
    flags = (*FLAGS, "--resume_model", "auto", "--num_workers", "2")
    done = run_command(tmp_path, "pretrain", *flags, "--config", config, "--save_dir", killed)
    assert done.returncode == 0, done.stderr
    assert "[TRAIN] resumed" in done.stdout
    assert metrics(killed) == metrics(whole)
    assert "scores" not in metrics(whole)[0], "of mixed images there is no top-k"
    for name in ("iter_40/model", "iter_40/ema", "best_model/model", "ema_best_model/model"):
        one, other = (read_weights(run / f"{name}.pdparams") for run in (whole, killed))
        for key, value in one.items():
            np.testing.assert_array_equal(value, other[key], err_msg=f"{name} {key}")


def test_what_a_pretraining_tells_and_leaves(tmp_path: Path, config: Path) -> None:
    """Two epochs of 4 iterations, a tenth of the rate at 4 and at 6; top-1 and top-5 in log and files."""
    done = run_command(tmp_path, "pretrain", *FLAGS, "--config", config, "--save_dir", "run")
    assert done.returncode == 0, done.stderr
    assert "ImageNetDataset train: 12 images, 3 classes (blue, green, red)" in done.stdout
    lines = metrics(tmp_path / "run")
    train = [line for line in lines if line["kind"] == "train"]
    assert [round(line["lr"], 6) for line in train] == [0.1] * 4 + [0.01] * 2 + [0.001] * 2
    assert [line["epoch"] for line in train] == [1] * 4 + [2] * 4
    assert all(line["scores"]["top5"] == 1 and 0 <= line["scores"]["top1"] <= 1 for line in train)
    assert f"top1: {train[-1]['scores']['top1']:.4f}, top5: 1.0000, lr: 0.001" in done.stdout
    scored = [line for line in lines if line["kind"] == "eval" and line["tag"] == "Evaluate"]
    assert [line["iteration"] for line in scored] == [2, 4, 6, 8]
    assert all(line["images"] == 6 and line["top5"] == 1 for line in scored)
    best = max(line["top1"] for line in scored)
    assert f"best top-1 {best:.4f} at iter" in done.stdout
    assert json.loads((tmp_path / "run/best_model/info.json").read_text())["top1"] == best
    written = {path.name for path in (tmp_path / "run").iterdir()}
    assert written >= {"iter_8", "best_model", "ema_best_model", "curves.png", "config.yml", "train.log"}
    assert "val_images.jpg" not in written


@pytest.mark.parametrize(
    ("name", "flags", "message"),
    [
        ("pretrain", ["--do_eval", "--report"], "--report shows segmentations"),
        (
            "pretrain",
            ["--opts", "loss.types.0.type=CrossEntropyLoss"],
            "CrossEntropyLoss is for labels of pixels",
        ),
        (
            "pretrain",
            ["--opts", "train_dataset.num_classes=2", "val_dataset.num_classes=2"],
            "num_classes is 2",
        ),
        ("val", ["--model_path", "zoo:x"], "ImageNetDataset has labels of whole images, which only"),
        ("check_dataset", [], "ImageNetDataset has labels of whole images, which only"),
    ],
)
def test_what_is_refused(tool, monkeypatch, config: Path, name: str, flags: list[str], message: str) -> None:
    """Exit code 2 and a sentence; segmentation's commands say that they are."""
    monkeypatch.chdir(config.parent)
    flags = flags + {"check_dataset": ["--save_dir", "checked"], "pretrain": ["--save_dir", "run"]}.get(
        name, []
    )
    code, _, err = tool(name, "--config", config, *flags)
    assert code == 2
    assert message in err


def test_folders_of_other_classes_are_refused(tool, config: Path) -> None:
    """As many classes, but not the same: the scores would be of something else."""
    (config.parent / "val" / "red").rename(config.parent / "val" / "ruby")
    code, _, err = tool("pretrain", "--config", config, "--save_dir", config.parent / "run", "--do_eval")
    assert code == 2
    assert "other classes, such as 'red' and 'ruby'" in err


@pytest.mark.slow
def test_two_processes_pretrain_and_evaluate(tmp_path: Path, config: Path) -> None:
    """By Paddle's launcher: half as many iterations in the same epochs, and each image evaluated once."""
    launch = [sys.executable, "-m", "paddle.distributed.launch", "--nproc_per_node", "2", "--log_dir", "log"]
    command = [*launch, str(TOOLS / "pretrain.py"), *FLAGS, "--config", str(config), "--save_dir", "run"]
    done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=240)
    logs = [path.read_text() for path in sorted((tmp_path / "log").glob("workerlog.*"))]
    assert done.returncode == 0, logs
    lines = metrics(tmp_path / "run")
    assert [line["iteration"] for line in lines if line["kind"] == "train"] == [1, 2, 3, 4]
    assert {line["images"] for line in lines if line["kind"] == "eval"} == {6}
    assert [log.count("[TRAIN] epoch") for log in logs] == [4, 0], "one of them talks"
