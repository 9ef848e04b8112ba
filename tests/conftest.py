"""What several tests use; without Paddle, which tests that only read data do not import."""

from __future__ import annotations

import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from demo.streetscenes.files import claim_folder, write_scene
from tests.paths import REPOSITORY


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes by their argument: made archives hold the time, and each process would have other tests."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="session")
def street_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A StreetScenes folder of 4 scenes to train on and 3 to evaluate on, 128x64."""
    root = tmp_path_factory.mktemp("streets") / "streetscenes"
    claim_folder(root, seed=0, width=128, height=64)
    for split, count in (("train", 4), ("val", 3)):
        for number in range(count):
            write_scene(root, split, number, 0, 128, 64)
    return root


@pytest.fixture
def converts_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Converts to ONNX in this process; in one of its own, importing paddle2onnx takes three seconds."""
    from paddleseg_lite.deploy import onnx_graph  # Paddle: tests that only read data do without

    def run(program: str, arguments: list[str]) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["-c", *arguments])
        exec(program, {})
        return subprocess.CompletedProcess(arguments, 0, "")

    monkeypatch.setattr(onnx_graph, "_run", run)


def write_config(folder: Path, root: Path, **changes: str) -> Path:
    """Write a config for StreetScenes in `root`; `changes` replace whole top-level entries."""
    entries = {
        "batch_size": "2",
        "iters": "3",
        "model": "{type: LPSNet, depths: [1, 1, 1], channels: [4, 8, 8], scale_ratios: [1, 0.5]}",
        "train_dataset": f"{{type: Cityscapes, dataset_root: '{root}', mode: train, transforms: ["
        "{type: RandomPaddingCrop, crop_size: [96, 64]}, {type: Normalize}]}",
        "val_dataset": f"{{type: Cityscapes, dataset_root: '{root}', mode: val, "
        "transforms: [{type: Normalize}]}",
        "optimizer": "{type: SGD, momentum: 0.9, weight_decay: 5.0e-4}",
        "lr_scheduler": "{type: PolynomialDecay, learning_rate: 0.05, end_lr: 0, power: 0.9}",
        "loss": "{types: [{type: OhemCrossEntropyLoss, min_kept: 1000}], coef: [1]}",
        **changes,
    }
    path = folder / "config.yml"
    path.write_text("".join(f"{key}: {value}\n" for key, value in entries.items()), encoding="utf-8")
    return path


@pytest.fixture
def tool(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run a tool in this process, as `python tools/NAME.py ARGS`: (exit code, stdout, stderr)."""

    def run(name: str, *args: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", [f"tools/{name}.py", *map(str, args)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(REPOSITORY / "tools" / f"{name}.py"), run_name="__main__")
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run
