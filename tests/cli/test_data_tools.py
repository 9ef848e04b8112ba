"""Data in the tools: what is checked before training, what is shown, and images of many channels."""

from __future__ import annotations

import json
import os
import re
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from paddleseg_lite.config import load_config
from paddleseg_lite.config.data import DataPlan
from paddleseg_lite.errors import UserError
from tests.datasets.written_pairs import write_pairs
from tests.paths import TOOLS


@pytest.fixture
def tool(monkeypatch, capsys):
    """Run a tool in this process, as `python tools/NAME.py ARGS`: (exit code, stdout, stderr)."""

    def run(name: str, *args: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", [f"tools/{name}.py", *map(str, args)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(TOOLS / f"{name}.py"), run_name="__main__")
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


def write_config(folder: Path, data: str, model: str = "") -> Path:
    """Write a config whose train_dataset and val_dataset are `data`, MODE standing for the mode."""
    path = folder / "config.yml"
    path.write_text(
        f"""
batch_size: 2
iters: 1
model: {{type: LPSNet, depths: [1, 1], channels: [4, 8], scale_ratios: [1, 0.5]{model}}}
train_dataset: {{{data.replace("MODE", "train")}, transforms: [{{type: Normalize}}]}}
val_dataset: {{{data.replace("MODE", "val")}, transforms: [{{type: Normalize}}]}}
optimizer: {{type: SGD}}
lr_scheduler: {{type: PolynomialDecay, learning_rate: 0.01, power: 1}}
loss: {{types: [{{type: CrossEntropyLoss}}], coef: [1]}}
""",
        encoding="utf-8",
    )
    return path


def list_data(folder: Path, more: str = "") -> str:
    return f"type: Dataset, dataset_root: '{folder}', num_classes: 4, MODE_path: list.txt{more}"


def test_check_of_right_data(tmp_path, tool):
    """Exit code 0, four files, and a report that JSON readers understand."""
    config = write_config(tmp_path, list_data(write_pairs(tmp_path / "data")))
    save_dir = tmp_path / "check"
    code, out, _ = tool("check_dataset", "--config", config, "--save_dir", save_dir, "--num_workers", "2")
    assert code == 0
    assert out.count("no problem found") == 2
    assert {path.name for path in save_dir.iterdir()} == {
        "report.txt",
        "report.json",
        "classes.png",
        "samples.png",
    }
    assert json.loads((save_dir / "report.json").read_text(encoding="utf-8"))["usable"] is True
    assert (save_dir / "report.txt").read_text(encoding="utf-8") in out


def test_check_of_wrong_data(tmp_path, tool):
    """Exit code 2, the cause in the text; without --save_dir nothing is written."""
    folder = write_pairs(tmp_path / "data")
    for path in folder.glob("label*.png"):
        cv2.imwrite(str(path), np.tile(np.uint8([[255] * 9 + [0] * 23]), (24, 1)))
    config = write_config(tmp_path, list_data(folder).replace("num_classes: 4", "num_classes: 2"))
    before = sorted(tmp_path.rglob("*"))
    code, out, err = tool("check_dataset", "--config", config, "--num_workers", "0")
    assert code == 2
    assert out.count("label_map: {255: 1}") == 2
    assert "1 in train_dataset and 1 in val_dataset problem(s)" in err
    assert sorted(tmp_path.rglob("*")) == before
    for path in folder.glob("label*.png"):
        path.write_bytes(b"")
    save_dir = tmp_path / "check"
    save_dir.mkdir()
    (save_dir / "samples.png").write_bytes(b"of an earlier check")
    code, out, _ = tool("check_dataset", "--config", config, "--num_workers", "0", "--save_dir", save_dir)
    assert code == 2
    assert "there is no samples.png: no image" in out
    assert {path.name for path in save_dir.iterdir()} == {"report.txt", "report.json"}
    write_pairs(folder, classes=2)
    opts = [f"{section}_dataset.label_map.255=1" for section in ("train", "val")]
    assert tool("check_dataset", "--config", config, "--num_workers", "0", "--opts", *opts)[0] == 0


@pytest.mark.parametrize("command", ["check_dataset", "pack_dataset"])
def test_data_sets_that_contradict_each_other(tmp_path, tool, command):
    """What training refuses is no right data, nor worth packing."""
    config = write_config(tmp_path, list_data(write_pairs(tmp_path / "data")))
    opts = ["--save_dir", tmp_path / "new", "--num_workers", "0", "--opts", "val_dataset.num_classes=5"]
    code, _, err = tool(command, "--config", config, *opts)
    assert code != 0
    assert re.search(r"num_classes is 4 by .*train_dataset.*, but 5 by .*val_dataset.*; make them agree", err)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("image_0.png,label_0.png", "correct the line or set separator"),
        ("data/image_0.png data/label_0.png", "data/data/image_0.png; correct the line or the folder"),
        ("image_0.png", "expected 'image label'"),
        ("", "no images for mode 'train'"),
    ],
)
def test_check_of_a_list_without_a_usable_line(tmp_path, tool, line, cause):
    """The very mistakes for which people are sent here: a report, also in files, and exit code 2."""
    folder = write_pairs(tmp_path / "data")
    (folder / "list.txt").write_text(line)
    config = write_config(tmp_path, list_data(folder))
    code, out, err = tool(
        "check_dataset", "--config", config, "--save_dir", tmp_path / "c", "--num_workers", "0"
    )
    assert code == 2
    assert cause in out
    assert "training would be wrong" in err
    report = json.loads((tmp_path / "c" / "report.json").read_text(encoding="utf-8"))
    assert report["datasets"]["train_dataset"]["images"] == 0


def test_training_and_evaluation_show_what_they_read(tmp_path, tool):
    """Protects from a label_map that was forgotten, or of which nobody knows."""
    data = list_data(write_pairs(tmp_path / "data"), ", classes: [road, sky, car, tree], label_map: {255: 1}")
    config = write_config(tmp_path, data)
    code, out, _ = tool("train", "--config", config, "--save_dir", tmp_path / "run", "--do_eval")
    assert code == 0
    facts = (
        r"Dataset {}: 5 images with 3 channels, 4 classes \(road, sky, car, tree\), 255 ignored, label_map "
        r"\{{255: 1\}}; the first image is 32x24 \(width x height\), 32x24 after the transforms"
    )
    assert re.search(facts.format("train"), out)
    assert re.search(facts.format("val"), out)
    weights = tmp_path / "run" / "iter_1" / "model.pdparams"
    assert re.search(facts.format("val"), tool("val", "--config", config, "--model_path", weights)[1])


@pytest.mark.parametrize("kind", ["Dataset", "Cityscapes", "CamVid"])
def test_label_map_on_every_data_set(tmp_path, street_root, kind):
    """Protects `label_map` in YAML for all types; a wrong one is refused when the data set is built."""
    root = street_root if kind == "Cityscapes" else write_pairs(tmp_path / "data")
    if kind == "CamVid":
        (root / "train.txt").write_text((root / "list.txt").read_text())
    data = {
        "Dataset": list_data(root),
        "Cityscapes": f"type: Cityscapes, dataset_root: '{root}'",
        "CamVid": f"type: CamVid, dataset_root: '{root}'",
    }[kind]
    config = write_config(tmp_path, data)
    plain = DataPlan(load_config(config)).dataset("train_dataset").sample(0).label
    opts = ["train_dataset.label_map={0: 2, 2: 255}"]
    mapped = DataPlan(load_config(config, opts)).dataset("train_dataset")
    assert set(np.unique(plain)) >= {0, 2}
    expected = np.where(plain == 0, 2, np.where(plain == 2, 255, plain))
    assert (mapped.sample(0).label == expected).all()
    assert "label_map {0: 2, 2: 255}" in mapped.describe()
    with pytest.raises(UserError, match="maps 0 to 99"):
        DataPlan(load_config(config, ["train_dataset.label_map={0: 99}"])).dataset("train_dataset")


@pytest.mark.parametrize(("channels", "dtype"), [(1, np.uint8), (4, np.uint16), (7, np.uint16)])
def test_images_of_many_channels_reach_the_model(tmp_path, tool, channels, dtype):
    """Protects multispectral and 16-bit data, from the list to the weights; and every kind of mismatch."""
    folder = write_pairs(tmp_path / "data")
    rng = np.random.default_rng(0)
    for index in range(5):
        np.save(folder / f"image{index}.npy", rng.integers(0, np.iinfo(dtype).max, (24, 32, channels), dtype))
    (folder / "list.txt").write_text("".join(f"image{i}.npy label{i}.png\n" for i in range(5)))
    data = list_data(folder, f", img_channels: {channels}")
    config = write_config(tmp_path, data)
    assert tool("train", "--config", config, "--save_dir", tmp_path / "run", "--do_eval")[0] == 0

    config = write_config(tmp_path, data, ", in_channels: 9")
    code, _, err = tool("train", "--config", config, "--save_dir", tmp_path / "other")
    assert code == 2
    assert re.search(rf"in_channels is 9 by .*model\.in_channels, but {channels} by .*train_dataset", err)

    config = write_config(tmp_path, list_data(folder, ", img_channels: 2"))
    code, _, err = tool("train", "--config", config, "--save_dir", tmp_path / "other")
    assert code == 2
    assert re.search(rf"image\d\.npy: {channels} channel\(s\), but img_channels is 2", err)


def write_label_ids(root: Path, count: int = 6) -> list[Path]:
    """Write labelIds of two splits; return their files."""
    paths = []
    for index in range(count):
        folder = root / "gtFine" / ("train" if index % 2 else "val") / "ulm"
        folder.mkdir(parents=True, exist_ok=True)
        paths.append(folder / f"ulm_{index}_0_gtFine_labelIds.png")
        ids = np.tile(np.arange(36, dtype=np.uint8), (8, 1))
        ids[:, 34:] = 255
        ids[0, 0] = index
        cv2.imwrite(str(paths[-1]), ids)
    return sorted(paths)


def train_ids(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in root.rglob("*_labelTrainIds.png")}


@pytest.mark.parametrize("num_workers", [0, 2])
def test_train_ids_are_written(tmp_path, tool, num_workers):
    """Protects the mapping on disk: the same as in memory."""
    write_label_ids(tmp_path)
    code, out, _ = tool("prepare_cityscapes", "--dataset_root", tmp_path, "--num_workers", num_workers)
    assert code == 0
    assert "6 files written, 0 were there already" in out
    assert len(train_ids(tmp_path)) == 6
    label = cv2.imread(str(next(tmp_path.rglob("ulm_3_0_gtFine_labelTrainIds.png"))), cv2.IMREAD_UNCHANGED)
    assert label.shape == (8, 36)
    assert label[1, [0, 6, 7, 8, 11, 33, 34]].tolist() == [255, 255, 0, 1, 2, 18, 255]


def test_interrupted_and_resumed(tmp_path, tool, monkeypatch):
    """Protects from half files: what is there is whole, and the next run goes on with the rest."""
    write_label_ids(tmp_path)
    tool("prepare_cityscapes", "--dataset_root", tmp_path, "--num_workers", "0")
    expected = train_ids(tmp_path)
    for path in tmp_path.rglob("*_labelTrainIds.png"):
        path.unlink()
    real, calls = os.replace, []

    def replace(source, target):
        calls.append(target)
        if len(calls) == 3:
            raise KeyboardInterrupt
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", replace)
        assert tool("prepare_cityscapes", "--dataset_root", tmp_path, "--num_workers", "0")[0] == 130
    done = train_ids(tmp_path)
    assert len(done) == 2
    assert done.items() <= expected.items()
    times = {name: next(tmp_path.rglob(name)).stat().st_mtime_ns for name in done}

    code, out, _ = tool("prepare_cityscapes", "--dataset_root", tmp_path, "--num_workers", "2")
    assert code == 0
    assert "4 files written, 2 were there already" in out
    assert train_ids(tmp_path) == expected
    assert times == {name: next(tmp_path.rglob(name)).stat().st_mtime_ns for name in done}
    assert not list(tmp_path.rglob(".*")), "nothing of the interrupted run is left"
    assert "0 files written, 6 were" in tool("prepare_cityscapes", "--dataset_root", tmp_path)[1]
    assert "6 files written" in tool("prepare_cityscapes", "--dataset_root", tmp_path, "--overwrite")[1]


def test_broken_label_ids_are_named_after_the_rest_is_done(tmp_path, tool):
    """Protects a run over thousands of files from ending at the first bad one."""
    paths = write_label_ids(tmp_path)
    paths[0].write_bytes(b"no picture")
    cv2.imwrite(str(paths[4]), np.full((8, 36), 77, np.uint8))
    code, out, err = tool("prepare_cityscapes", "--dataset_root", tmp_path, "--num_workers", "0")
    assert code == 2
    assert "4 files written" in out
    assert "2 labels could not be converted" in err
    assert paths[0].name in err
    assert re.search(rf"{paths[4].name}: label id\(s\) 77", err)


def test_no_label_ids_at_all(tmp_path, tool):
    """Protects from success on the wrong folder."""
    code, _, err = tool("prepare_cityscapes", "--dataset_root", tmp_path)
    assert code == 2
    assert "gtFine" in err
