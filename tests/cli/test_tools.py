"""The commands as a user types them: the whole job end to end, and what each kind of bad input gets."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from paddleseg_lite.checkpoint import save_weights
from paddleseg_lite.config import load_config
from paddleseg_lite.config.build import Plan
from paddleseg_lite.inference import augment
from paddleseg_lite.inference.augment import InferenceOptions
from tests.commands import run_command
from tests.conftest import write_config
from tests.paths import REPOSITORY

NORMALIZE = {"type": "Normalize"}


def command(folder: Path, name: str, *args: object) -> str:
    """Run a tool as a process of its own, in `folder`, and return what it printed."""
    done = run_command(folder, name, *args)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_whole_job(tmp_path, street_root):
    """Train with evaluation, resume, evaluate with flips, predict, lay out: every file in its place."""
    config = write_config(tmp_path, street_root)
    train = ("train", "--config", config, "--save_dir", "run", "--device", "cpu", "--log_iters", "1")
    out = command(tmp_path, *train, "--do_eval", "--save_interval", "2", "--num_workers", "1", "--use_vdl")
    assert "[TRAIN] epoch: 1, iter: 1/3, loss: " in out, "whatever Paddle does to the root logger"
    assert re.search(r"3 iterations in \d+ s, in run\nbest mIoU 0\.\d{4} at iter", out)
    assert "pictures: run/curves.png, run/val_images.jpg\n" in out
    written = {path.name for path in (tmp_path / "run").iterdir()}
    assert written >= {"iter_2", "iter_3", "best_model", "curves.png", "val_images.jpg"}

    command(tmp_path, *train, "--resume_model", "run/iter_3", "--iters", "4")
    assert (tmp_path / "run" / "iter_4" / "model.pdparams").exists()

    weights = ("--config", config, "--model_path", "run/best_model/model.pdparams")
    out = command(tmp_path, "val", *weights, "--aug_eval", "--flip_horizontal")
    assert "traffic light" in out
    assert re.search(r"#Images: 3 mIoU: 0\.\d{4} Acc: 0\.\d{4} Kappa: -?0\.\d{4} Dice: 0\.\d{4}", out)

    images = street_root / "leftImg8bit" / "val"
    command(tmp_path, "predict", *weights, "--image_path", images, "--save_dir", "result")
    name = "streets/streets_000000_000000_leftImg8bit.png"
    ids = cv2.imread(str(tmp_path / "result" / "label_prediction" / name), cv2.IMREAD_UNCHANGED)
    assert ids.shape == (64, 128)
    assert ids.max() < 19

    command(
        tmp_path,
        "contact_sheet",
        "--config",
        config,
        "--prediction_dir",
        "result",
        "--save_path",
        "sheet.png",
    )
    assert cv2.imread(str(tmp_path / "sheet.png")).shape[1] > 4 * 480


def test_prediction_needs_no_data_set(tmp_path, tool, street_root):
    """The data set's folder may be far away when a trained network is used."""
    config = write_config(tmp_path, street_root)
    assert tool("train", "--config", config, "--save_dir", tmp_path / "run")[0] == 0
    config = write_config(tmp_path, tmp_path / "nowhere")
    picture = tmp_path / "photo.jpg"
    cv2.imwrite(str(picture), np.full((50, 70, 3), 99, np.uint8))
    weights = tmp_path / "run" / "iter_3" / "model.pdparams"
    arguments = (
        "--config",
        config,
        "--model_path",
        weights,
        "--save_dir",
        tmp_path / "result",
        "--image_path",
    )
    assert tool("predict", *arguments, picture)[0] == 0
    assert (tmp_path / "result" / "added_prediction" / "photo.png").exists()

    assert tool("predict", *arguments, picture, "--save", "json, confidence")[0] == 0
    content = json.loads((tmp_path / "result" / "json_prediction" / "photo.json").read_text())
    assert sum(content["shares"].values()) == pytest.approx(1)
    assert "vegetation" in content["shares"]
    assert (tmp_path / "result" / "confidence_prediction" / "photo.png").exists()

    (tmp_path / "photos").mkdir()
    shutil.copy(picture, tmp_path / "photos")
    (tmp_path / "photos" / "torn.jpg").write_bytes(picture.read_bytes()[:100])
    code, out, err = tool("predict", *arguments, tmp_path / "photos")
    assert code == 2
    assert "1 of 2 images failed" in err
    assert "torn.jpg" in err
    assert "1 image segmented" in out


LARGE_KERNEL = "{type: LRASPP, use_gap: false, backbone: {type: MobileNetV3_small_x1_0_os8}}"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"iterz": "10"}, "config.yml: unknown key 'iterz'.*'iters'"),
        ({"model": "{type: LPSnet}"}, "config.yml: model.type.*did you mean 'LPSNet'"),
        (
            {"optimizer": "{type: SGD, momentun: 0.9}"},
            "config.yml: unknown key 'optimizer.momentun'.*'momentum'",
        ),
        ({"model": LARGE_KERNEL}, "96x64.*385x385.*use_gap: True"),
        ({"model": "{type: LPSNet, depths: [1], channels: [4], scale_ratios: [1], num_classes: 7}"}, "7.*19"),
        (
            {"model": "{type: LPSNet, depths: 5, channels: [4], scale_ratios: [1]}"},
            "model.depths is 5; .*list of",
        ),
        (
            {"model": "{type: LPSNet, depths: [1], channels: [x], scale_ratios: [1]}"},
            "model.channels .*list of",
        ),
        ({"batch_size": "null"}, "batch_size"),
    ],
)
def test_a_wrong_config(tmp_path, tool, street_root, changes, named):
    """One sentence with the place and the remedy, exit code 2, and no folder of a run that never was."""
    config = write_config(tmp_path, street_root, **changes)
    code, _, err = tool("train", "--config", config, "--save_dir", tmp_path / "run")
    assert code == 2
    assert re.search(named, err), err
    assert len([line for line in err.splitlines() if line.startswith("error: ")]) == 1
    assert "Traceback" not in err
    assert not (tmp_path / "run").exists()


def spoil_missing(image: Path, label: Path) -> str:
    shutil.rmtree(image.parents[3])
    return "there is no folder"


def spoil_empty(image: Path, label: Path) -> str:
    for path in image.parent.iterdir():
        path.unlink()
    return "no images"


def spoil_label_gone(image: Path, label: Path) -> str:
    label.unlink()
    return f"{image.name}.*label"


def spoil_image(image: Path, label: Path) -> str:
    image.write_bytes(b"no picture at all")
    return image.name


def spoil_ids(image: Path, label: Path) -> str:
    ids = cv2.imread(str(label), cv2.IMREAD_UNCHANGED)
    ids[:, :] = 77
    cv2.imwrite(str(label), ids)
    return f"{label.name}.*77"


def spoil_size(image: Path, label: Path) -> str:
    cv2.imwrite(str(label), cv2.imread(str(label), cv2.IMREAD_UNCHANGED)[:, :-1])
    return f"{label.name}.*127x64.*128x64"


@pytest.mark.parametrize(
    "spoil", [spoil_missing, spoil_empty, spoil_label_gone, spoil_image, spoil_ids, spoil_size]
)
@pytest.mark.parametrize("num_workers", [0, 1])
def test_wrong_data(tmp_path, tool, street_root, spoil, num_workers):
    """The file is named, in this process and from a worker; an earlier run in the folder stays as it was."""
    root = tmp_path / "data"
    shutil.copytree(street_root, root)
    images = sorted((root / "leftImg8bit" / "train").rglob("*.png"))
    label = root / "gtFine/train/streets" / images[0].name.replace("_leftImg8bit", "_gtFine_labelIds")
    named = spoil(images[0], label)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("precious")
    config = write_config(tmp_path, root)
    code, _, err = tool(
        *("train", "--config", config, "--save_dir", tmp_path / "run", "--num_workers", num_workers)
    )
    assert code == 2
    assert re.search(named, err), err
    assert "Traceback" not in err
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["notes.txt"]


def test_weights_that_do_not_fit(tmp_path, tool, street_root):
    """The keys are listed."""
    config = write_config(tmp_path, street_root)
    assert tool("train", "--config", config, "--save_dir", tmp_path / "run")[0] == 0
    other = "{type: LPSNet, depths: [1, 2, 1], channels: [4, 8, 12], scale_ratios: [1]}"
    config = write_config(tmp_path, street_root, model=other)
    weights = tmp_path / "run" / "iter_3" / "model.pdparams"
    code, _, err = tool("val", "--config", config, "--model_path", weights)
    assert code == 2
    assert "nets.0.1.1._conv.weight" in err
    assert re.search(r"\d+ of another shape", err)


def test_debug_shows_the_trace(tmp_path, street_root):
    """--debug is for those who want to know where an error comes from."""
    config = write_config(tmp_path, street_root, iterz="1")
    done = subprocess.run(
        [sys.executable, "tools/train.py", "--config", str(config), "--debug"],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "Traceback" in done.stderr
    assert "iterz" in done.stderr


@pytest.mark.parametrize("name", ["val", "train", "predict"])
def test_what_each_command_makes_of_test_config(tmp_path, tool, street_root, monkeypatch, name):
    """The table in docs/configs.md: scales count for scores, a window for predictions too."""
    options = "{aug_eval: true, scales: [0.5, 1], is_slide: true, crop_size: [64, 64], stride: [32, 32]}"
    config = write_config(tmp_path, street_root, test_config=options, iters="1")
    weights = save_weights(Plan(load_config(config)).model(), tmp_path / "weights")
    found, mean_logits = set(), augment._mean_logits

    def spy(model: object, images: object, inference: InferenceOptions) -> object:
        found.add(inference)
        return mean_logits(model, images, inference)

    monkeypatch.setattr(augment, "_mean_logits", spy)
    trained = ("--model_path", weights, "--backend", "paddle")
    flags = {
        "val": trained,
        "train": ("--do_eval", "--save_dir", tmp_path / "run"),
        "predict": (*trained, "--image_path", street_root / "leftImg8bit", "--save_dir", tmp_path / "result"),
    }
    code, _, err = tool(name, "--config", config, *flags[name])
    assert code == 0, err
    scales = (1.0,) if name == "predict" else (0.5, 1)
    assert found == {InferenceOptions(scales, crop_size=(64, 64), stride=(32, 32))}


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--flip_horizontal"], "--aug_eval"),
        (["--is_slide"], "--crop_size"),
        (["--crop_size", "8", "8"], "--is_slide"),
        (["--aug_eval", "--scales", "0"], "scales"),
        (["--device", "tpu"], "--device"),
        (["--device", "gpu:0"], "use --device cpu"),
        (["--device", "cpu:0"], "--device"),
        (["--aug_eval", "--scales", "nan"], "scales"),
    ],
)
def test_flags_that_would_be_ignored_are_refused(tmp_path, tool, street_root, flags, named):
    """A flag that changes nothing is a mistake of its user."""
    config = write_config(tmp_path, street_root)
    code, _, err = tool("val", "--config", config, "--model_path", config, *flags)
    assert code == 2
    assert named in err


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--seed", "-1"], "seed"),
        (["--num_workers", "-1"], "num_workers"),
        (["--early_stop_intervals", "2"], "--do_eval"),
        (["--early_stop_intervals", "0"], "early_stop_intervals"),
        (["--save_dir", "config.yml"], "nothing can be written"),
    ],
)
def test_training_flags_are_checked_before_anything_slow(
    tmp_path, tool, street_root, monkeypatch, flags, named
):
    """Before a night is lost."""
    monkeypatch.chdir(tmp_path)
    config = write_config(tmp_path, street_root)
    code, _, err = tool("train", "--config", config, "--save_dir", "run", *flags)
    assert code == 2
    assert named in err
    assert not (tmp_path / "run").exists()


def test_the_readmes_config_for_ones_own_images(tmp_path, tool):
    """The YAML that the README shows, with three classes, trains and evaluates on such a folder."""
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    text = next(block for block in re.findall(r"```yaml\n(.*?)```", readme, re.S) if "data/mine" in block)
    text = text.replace("data/mine", str(tmp_path / "mine")).replace(
        "_base_: ", f"_base_: {REPOSITORY}/configs/"
    )
    config = tmp_path / "mine.yml"
    config.write_text(text, encoding="utf-8")
    (tmp_path / "mine").mkdir()
    for split in ("train", "val"):
        cv2.imwrite(str(tmp_path / "mine" / f"{split}.jpg"), np.full((60, 80, 3), 120, np.uint8))
        cv2.imwrite(str(tmp_path / "mine" / f"{split}.png"), np.full((60, 80), 2, np.uint8))
        (tmp_path / "mine" / f"{split}.txt").write_text(f"{split}.jpg {split}.png\n")
    code, _, err = tool(
        *("train", "--config", config, "--save_dir", tmp_path / "run", "--do_eval", "--iters", "1"),
        *(
            "--batch_size",
            "1",
            "--opts",
            "model.pretrained=null",
            "train_dataset.transforms.1.crop_size=[64, 64]",
        ),
    )
    assert code == 0, err


CLOSED = """
import argparse, logging, os
from paddleseg_lite.cli.run import run

def work(args):
    if args.other:
        reader, writer = os.pipe()
        os.close(reader)
        os.write(writer, b"x")
    for _ in range(LINES):
        logging.getLogger("paddleseg_lite").info("a line")
        print("x" * 1000)

run(work, argparse.Namespace(debug=False, other=bool(OTHER)))
"""


@pytest.mark.parametrize(("other", "lines", "code"), [(0, 1000, 141), (0, 1, 141), (1, 1000, 1)])
def test_a_closed_pipe_ends_a_tool_quietly(other, lines, code):
    """As in `val.py | head -1`: no trace, and the exit code of SIGPIPE. Another pipe is a defect."""
    process = subprocess.Popen(
        [sys.executable, "-c", CLOSED.replace("OTHER", str(other)).replace("LINES", str(lines))],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    if lines > 1:
        process.stdout.readline()
    process.stdout.close()
    assert (process.stderr.read() == b"") == (not other)
    assert process.wait(60) == code
