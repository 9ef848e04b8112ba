"""Small data sets and networks that several tests use."""

from __future__ import annotations

import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import paddle
import pytest
from paddle import nn

from demo.streetscenes.files import claim_folder, write_scene
from paddleseg_lite.datasets.base import SegmentationDataset
from paddleseg_lite.datasets.info import checked_info
from paddleseg_lite.deploy import onnx_graph
from paddleseg_lite.transforms import Normalize, RandomHorizontalFlip, Resize
from tests.paths import REPOSITORY


class Squares(SegmentationDataset):
    """Images with a bright square on a dark ground, drawn on demand: class 1 is the square."""

    def __init__(
        self, mode: str, length: int = 6, sizes: tuple[int, ...] = (32,), resize: bool = False
    ) -> None:
        transforms = [Resize([24, 24])] if resize else []
        transforms += [RandomHorizontalFlip()] if mode == "train" else []
        pairs = [(f"{mode}_{index}.png", "label.png") for index in range(length)]
        info = checked_info(2, classes=("ground", "square"))
        super().__init__([*transforms, Normalize()], pairs, info, mode)
        self.sizes = sizes
        self.reader = self.draw

    def draw(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(index)
        size = self.sizes[index % len(self.sizes)]
        label = np.zeros((size, size), np.uint8)
        top, left = rng.integers(0, size // 2, 2)
        label[top : top + size // 2, left : left + size // 2] = 1
        image = np.where(label[..., None] == 1, 200, 60) + rng.integers(-20, 20, (size, size, 3))
        label[0] = 255
        return image.astype(np.uint8), label


class PixelNet(nn.Layer):
    """Two convolutions and batch normalisation: learns squares within a few iterations."""

    def __init__(self, num_classes: int = 2) -> None:
        super().__init__()
        self.conv = nn.Conv2D(3, 8, 3, padding=1)
        self.bn = nn.BatchNorm2D(8)
        self.head = nn.Conv2D(8, num_classes, 1)

    def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        return [self.head(nn.functional.relu(self.bn(self.conv(x))))]


@pytest.fixture(scope="session")
def street_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A StreetScenes folder of 4 scenes to train on and 3 to evaluate on, 128x64."""
    root = tmp_path_factory.mktemp("streets") / "streetscenes"
    claim_folder(root, seed=0, width=128, height=64)
    for split, count in (("train", 4), ("val", 3)):
        for number in range(count):
            write_scene(root, split, number, 0, 128, 64)
    return root


OWN_PROCESS = onnx_graph._run


@pytest.fixture
def converts_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Converts to ONNX in this process; in one of its own, importing paddle2onnx takes three seconds."""

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
