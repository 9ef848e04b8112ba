"""Training as a user starts, stops and launches it: whole processes, their exit codes and last words."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from paddleseg_lite.checkpoint import latest_checkpoint, read_weights
from paddleseg_lite.cli.train import add_flags, resume_command, train_options
from paddleseg_lite.errors import UserError
from tests.commands import Command, run_command
from tests.conftest import write_config
from tests.paths import ENVIRONMENT, TOOLS

FLAGS = ("--device", "cpu", "--log_iters", "1")
TRAIN = [str(TOOLS / "train.py"), *FLAGS]


def finished(folder: Path, command: list[object], **options) -> subprocess.CompletedProcess:
    """Run a command in a folder to its end, whatever that is."""
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, **options)


def test_the_printed_command_goes_on(tmp_path, street_root):
    """SIGTERM: exit code 0, and the last line, pasted into a shell, finishes the run in the same folder."""
    config = write_config(tmp_path, street_root, iters="40")
    flags = (*FLAGS, "--config", config, "--save_dir", "my run", "--num_workers", "1")
    command = Command(tmp_path, "train", *flags)
    command.wait_for("iter: 2/40")
    command.process.terminate()  # SIGTERM
    done = command.result()
    assert done.returncode == 0
    iteration = int(re.search(r"stopped by SIGTERM after iteration (\d+); go on with:", done.stdout).group(1))
    assert latest_checkpoint(tmp_path / "my run").name == f"iter_{iteration}"
    python, *printed = shlex.split(done.stdout.splitlines()[-1])
    assert python == "python"
    done = finished(tmp_path, [sys.executable, *printed])
    assert done.returncode == 0, done.stderr
    assert f"iter: {iteration + 1}/40" in done.stdout, "not from the beginning"
    assert latest_checkpoint(tmp_path / "my run").name == "iter_40"


def test_a_disk_that_is_full_is_told_in_one_sentence(tmp_path, street_root):
    """Exit code 2 and no trace; a limit on file size stands for the disk, so that no root is needed."""
    config = write_config(tmp_path, street_root)
    done = run_command(tmp_path, "train", *FLAGS, "--config", config, "--save_dir", "run", file_bytes=8000)
    assert done.returncode == 2
    assert re.fullmatch(r"error: cannot write .* \(File too large\); .*\n", done.stderr.splitlines(True)[-1])
    assert "Traceback" not in done.stderr
    assert latest_checkpoint(tmp_path / "run") is None


@pytest.mark.slow
def test_two_processes_train_and_evaluate(tmp_path, street_root):
    """By Paddle's launcher, on CPUs: one run folder, and the very counts of a single process."""
    config = write_config(tmp_path, street_root)
    launch = [sys.executable, "-m", "paddle.distributed.launch", "--nproc_per_node", "2", "--log_dir", "log"]
    done = finished(
        tmp_path, [*launch, *TRAIN, "--config", config, "--save_dir", "run", "--do_eval"], timeout=120
    )
    logs = [path.read_text() for path in sorted((tmp_path / "log").glob("workerlog.*"))]
    assert done.returncode == 0, logs
    assert [log.count("[TRAIN] epoch") for log in logs] == [3, 0], "one of them talks"
    environment = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert environment["ranks"] == 2
    scored = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in scored] == ["train", "train", "train", "eval"]

    val = [str(TOOLS / "val.py"), "--device", "cpu", "--config", config]
    val += ["--model_path", "run/best_model/model.pdparams"]
    alone = run_command(tmp_path, "val", *val[1:])
    assert alone.returncode == 0, alone.stderr
    assert f"mIoU: {scored[-1]['miou']:.4f}" in alone.stdout
    assert finished(tmp_path, [*launch, *val], timeout=120).returncode == 0
    together, other = ((tmp_path / "log" / f"workerlog.{rank}").read_text() for rank in (0, 1))
    assert alone.stdout.partition("class ")[2] in together
    assert "mIoU" not in other


def test_fine_tuning_a_new_head(tmp_path, street_root):
    """--pretrained takes what fits; what does not is named, and starts anew only where it is allowed to."""
    config = write_config(tmp_path, street_root)
    assert run_command(tmp_path, "train", *FLAGS, "--config", config, "--save_dir", "old").returncode == 0
    weights = tmp_path / "old" / "iter_3" / "model.pdparams"
    other = tmp_path / "other"
    other.mkdir()
    model = "{type: LPSNet, depths: [1, 1, 1], channels: [4, 8, 12], scale_ratios: [1, 0.5]}"
    config = write_config(other, street_root, model=model)
    command = ("train", *FLAGS, "--config", config, "--pretrained", weights, "--iters", "1")
    done = run_command(other, *command)
    assert done.returncode == 2
    assert "of another shape" in done.stderr
    done = run_command(other, *command, "--allow_missing", "head.", "nets.0.2.", "nets.1.2.")
    assert done.returncode == 0, done.stderr
    assert re.search(r"\d+ tensors loaded, 0 missing, 0 unexpected, [1-9]\d* mismatched \(", done.stdout)
    read_weights(other / "output" / "iter_1" / "model.pdparams")


def parsed(*flags: str):
    """Parse training flags."""
    parser = argparse.ArgumentParser()
    add_flags(parser)
    return parser.parse_args(["--config", "c.yml", *flags])


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--allow_missing", "head."], "--pretrained"),
        (["--pretrained", "a.pdparams", "--resume_model", "run/iter_3"], "--resume_model run/iter_3"),
    ],
)
def test_flags_without_effect_are_refused(flags, named):
    """A flag that changes nothing is a mistake of its user."""
    with pytest.raises(UserError, match=re.escape(named)):
        train_options(parsed(*flags))


@pytest.mark.parametrize(
    ("flags", "folder"),
    [
        ([], "output"),
        (["--save_dir", "a"], "a"),
        (["--resume_model", "a/iter_3"], "a"),
        (["--resume_model", "auto"], "output"),
    ],
)
def test_the_folder_of_a_run(flags, folder):
    """Where nothing is said, a resumed run stays where it was."""
    assert train_options(parsed(*flags))["save_dir"] == Path(folder)


def test_resume_command(monkeypatch):
    """It names the folder even if the command line did not, and starts from nothing but its checkpoints."""
    flags = [
        "--resume_model=old/iter_2",
        "--opts",
        "a=1",
        "b=x y",
        "--pretrained",
        "p",
        "--allow_missing",
        "h",
        "i",
    ]
    monkeypatch.setattr(sys, "argv", ["tools/train.py", "--config", "c.yml", *flags, "--do_eval"])
    expected = "tools/train.py --config c.yml --opts a=1 'b=x y' --do_eval --save_dir old --resume_model auto"
    assert resume_command(Path("old")) == f"python {expected}"
    launcher = "python -m paddle.distributed.launch --nproc_per_node 2"
    assert resume_command(Path("old"), world_size=2) == f"{launcher} {expected}"
    monkeypatch.setattr(
        sys, "argv", ["/env/bin/paddleseg-lite", "train", "--config", "c.yml", "--resume_model", "x"]
    )
    expected = "/env/bin/paddleseg-lite train --config c.yml --save_dir old --resume_model auto"
    assert resume_command(Path("old")) == expected
    assert resume_command(Path("old"), world_size=2) == f"{launcher} {expected}"
