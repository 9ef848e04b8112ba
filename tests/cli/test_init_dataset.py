"""The command init: from a folder of annotated photos to a data set, and on."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from paddleseg_lite.config import load_config
from paddleseg_lite.config.data import DataPlan
from tests.commands import run_command
from tests.paths import ENVIRONMENT
from tests.prepare.stub import picture
from tests.prepare.test_dataset import digests

WITHOUT_PADDLE = """
import sys
from paddleseg_lite.cli.main import main
sys.argv = ["paddleseg-lite", "init", "photos", "--save_dir", "out", "--num_workers", "1"]
try:
    main()
finally:
    assert "paddle" not in sys.modules
"""


def write_masks(folder: Path, count: int = 6, size: tuple[int, int] = (96, 128)) -> Path:
    """Write photos and masks of ids as people have them; return the folder."""
    for number in range(count):
        mask = np.full(size, number % 2, np.uint8)
        mask[: size[0] // 2] = 2
        image = cv2.resize(picture(number), size[::-1], interpolation=cv2.INTER_NEAREST)
        for name, pixels in ((f"images/photo {number}.png", image), (f"masks/photo {number}.png", mask)):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    return folder


def write_labelme(folder: Path, count: int = 6) -> Path:
    """Write photos with labelme's JSON beside them; return the folder."""
    folder.mkdir(parents=True)
    for number in range(count):
        image = cv2.resize(picture(number), (160, 128), interpolation=cv2.INTER_CUBIC)
        (folder / f"leaf {number}.jpg").write_bytes(cv2.imencode(".jpg", image)[1].tobytes())
        low = 20 + 5 * number
        shape = {
            "label": "leaf",
            "shape_type": "polygon",
            "points": [[10, low], [150, low], [150, 120], [10, 120]],
            "group_id": None,
            "flags": {},
        }
        values = {
            "version": "5.4.1",
            "flags": {},
            "shapes": [shape],
            "imagePath": f"leaf {number}.jpg",
            "imageData": None,
            "imageHeight": 128,
            "imageWidth": 160,
        }
        (folder / f"leaf {number}.json").write_text(json.dumps(values))
    return folder


def test_masks_become_a_data_set(tmp_path, monkeypatch, tool):
    """It is told what was found and how to go on; the source is as it was; the check finds nothing wrong."""
    monkeypatch.chdir(tmp_path)
    before = digests(write_masks(tmp_path / "photos"))
    code, out, err = tool("init_dataset", "photos", "--save_dir", "data/mine", "--num_workers", 0)
    assert (code, err) == (0, "")
    assert "masks: 6 images" in out
    commands = [shlex.split(line) for line in out.splitlines() if line.startswith("  python")]
    assert [Path(command[1]).stem for command in commands] == ["train", "predict", "export"]
    assert all(command[2:4] == ["--config", "data/mine/config.yml"] for command in commands)
    config = load_config("data/mine/config.yml")
    assert config.section("train_dataset")["num_classes"] == 3
    assert digests(tmp_path / "photos") == before
    first = digests(tmp_path / "data")
    assert tool("init_dataset", "photos", "--save_dir", "data/mine", "--num_workers", 0)[0] == 0
    assert digests(tmp_path / "data") == first
    code, out, _ = tool("check_dataset", "--config", "data/mine/config.yml", "--num_workers", 0)
    assert (code, out.count("no problem found")) == (0, 2)


def test_commands_name_a_folder_that_train_takes(tmp_path, monkeypatch, tool):
    """After a run, and for another network; the data set stays as it is, byte by byte."""
    monkeypatch.chdir(tmp_path)
    write_masks(tmp_path / "photos")
    arguments = ("photos", "--save_dir", "data/mine", "--num_workers", 0)

    def folders(*more: str) -> set[str]:
        code, out, err = tool("init_dataset", *arguments, *more)
        assert (code, err) == (0, "")
        return set(re.findall(r"output/[^/ \n]+", out))

    assert folders() == {"output/mine"}
    before = digests(tmp_path / "data")
    for folder, checkpoint in (("mine", "iter_2"), ("mine_2", "best_model")):
        (tmp_path / "output" / folder / checkpoint).mkdir(parents=True)
    assert folders() == {"output/mine_3"}
    assert digests(tmp_path / "data") == before
    assert folders("--network", "lraspp_os32") == {"output/mine_lraspp_os32"}
    assert "output/mine_lraspp_os32/best_model" in (tmp_path / "data" / "mine" / "config.yml").read_text()


def test_classes_may_be_given_in_several_flags(tmp_path, monkeypatch, tool):
    """What a message says to give does not undo what was given before."""
    monkeypatch.chdir(tmp_path)
    write_masks(tmp_path / "photos")
    flags = ("--classes", "0=road", "--classes", "1=car", "2=sky")
    code, out, _ = tool("init_dataset", "photos", "--save_dir", "mine", "--num_workers", 0, *flags)
    assert code == 0
    assert "classes road, car, sky" in out


def test_images_of_other_channels(tmp_path, monkeypatch, tool):
    """Four channels of 16 bits, as of an infrared camera: normalised by their own mean and spread."""
    monkeypatch.chdir(tmp_path)
    write_masks(tmp_path / "photos", 4)
    rng = np.random.default_rng(0)
    for path in (tmp_path / "photos" / "images").glob("*.png"):
        np.save(path.with_suffix(".npy"), rng.integers(0, 4000, (96, 128, 4), np.uint16))
        path.unlink()
    arguments = ("photos", "--save_dir", "mine", "--num_workers", 0)
    code, _, err = tool("init_dataset", *arguments)
    assert code == 2
    assert "4 channel(s), but img_channels is 3" in err
    code, _, err = tool("init_dataset", *arguments, "--img_channels", 4)
    assert (code, err) == (0, "")
    plan = DataPlan(load_config("mine/config.yml"))
    sample = plan.dataset("train_dataset").sample(0)
    assert sample.image.shape[2] == 4
    assert np.abs(sample.image.mean(axis=(0, 1))).max() < 3
    assert "mean" in plan.config.section("val_dataset")["transforms"][-1]


def test_a_bad_file_is_told_at_the_end(tmp_path, monkeypatch, tool):
    """The others are ready, and the exit code is that of predict with a bad image."""
    monkeypatch.chdir(tmp_path)
    write_masks(tmp_path / "photos")
    (tmp_path / "photos" / "images" / "photo 3.png").write_bytes(b"no image")
    code, out, err = tool("init_dataset", "photos", "--save_dir", "mine", "--num_workers", 0)
    assert code == 2
    assert "photo 3.png" in re.findall(r"left out: (.*)", out)[0]
    assert "1 file left out, as told above; 5 images ready" in err
    assert tool("check_dataset", "--config", "mine/config.yml", "--num_workers", 0)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["none", "--save_dir", "mine"], "there is no folder none; check SOURCE"),
        (["photos", "--save_dir", "photos/mine"], "is in photos, where nothing is written"),
        (["photos", "--save_dir", "photos"], "is in photos, where nothing is written"),
        (["mine/images", "--save_dir", "mine"], "is in mine/images, which is written to"),
        (["photos", "--save_dir", "mine", "--seed", "-1"], "--seed is -1"),
        (["photos", "--save_dir", "mine", "--val_share", "1.5"], "--val_share is 1.5"),
        (["photos", "--save_dir", "mine", "--network", "lpsnet"], "did you mean 'lpsnet_"),
        (["photos", "--save_dir", "mine", "--format", "labelmee"], "did you mean 'labelme'?"),
        (["photos", "--save_dir", "mine", "--group", "("], "no regular expression"),
        (["photos", "--save_dir", "mine", "--classes", "leaf"], "give NAME=CLASS"),
        (["photos", "--save_dir", "mine", "--colors", "none.txt"], "no file none.txt; check --colors"),
    ],
)
def test_mistakes_are_told_in_a_sentence(tmp_path, monkeypatch, tool, arguments, told):
    """With exit code 2, and nothing is written for most."""
    monkeypatch.chdir(tmp_path)
    write_masks(tmp_path / "photos")
    if arguments[0] == "mine/images":
        shutil.move(tmp_path / "photos", tmp_path / "mine")
    code, _, err = tool("init_dataset", *arguments, "--num_workers", 0)
    assert code == 2
    assert told in err


def test_a_file_that_the_source_could_not_open_counts_as_well(tmp_path, monkeypatch, tool):
    """It never was an item, but the data set lacks it all the same."""
    monkeypatch.chdir(tmp_path)
    write_labelme(tmp_path / "photos")
    (tmp_path / "photos" / "leaf 2.json").write_text('{"shapes": [')
    (tmp_path / "photos" / "leaf 2.jpg").unlink()
    code, out, err = tool("init_dataset", "photos", "--save_dir", "mine", "--num_workers", 0)
    assert code == 2
    assert "leaf 2.json" in re.findall(r"found: (.*)", out)[0]
    assert "1 file left out, as told above; 5 images ready" in err


def test_it_does_without_paddle(tmp_path):
    """Which takes seconds to import; called as people do."""
    write_masks(tmp_path / "photos", 2)
    command = [sys.executable, "-c", WITHOUT_PADDLE]
    done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "\n  paddleseg-lite train --config out/config.yml" in done.stdout


@pytest.mark.slow
def test_the_commands_work_as_they_are_printed(tmp_path):
    """From photos with labelme's JSON to a verified export; fewer iterations alone are added."""
    write_labelme(tmp_path / "photos")
    done = run_command(tmp_path, "init_dataset", "photos", "--save_dir", "data/my leaves")
    assert done.returncode == 0, done.stderr
    commands = [shlex.split(line) for line in done.stdout.splitlines() if line.startswith("  python")]
    assert len(commands) == 3
    for command in commands:
        more = ["--iters", "3", "--device", "cpu"] if command[1].endswith("train.py") else []
        done = run_command(tmp_path, Path(command[1]).stem, *command[2:], *more)
        assert done.returncode == 0, done.stderr
    run = tmp_path / "output" / "my leaves"
    assert (run / "best_model" / "model.pdparams").is_file()
    assert len(list((run / "result" / "added_prediction").rglob("*.png"))) == 1
    assert (run / "export" / "inference.yml").is_file()
    assert "differs from the live network" in done.stdout
