"""The command doctor, from its command line to doctor.json."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from paddleseg_lite.doctor.machine import machine
from paddleseg_lite.doctor.report import FILE, LEFT_OUT, RIGHT, WRONG
from paddleseg_lite.doctor.table import CHECKS
from tests.device.fake import NAME, compile_plug_in
from tests.doctor.written import written
from tests.paths import ENVIRONMENT, REPOSITORY, TOOLS

Tool = Callable[..., tuple[int, str, str]]


def examined(folder: Path, *flags: str, **variables: str) -> tuple[int, str, dict]:
    """Run the command; return its exit code, what it printed, and its report."""
    command = [sys.executable, str(TOOLS / "doctor.py"), "--save_dir", str(folder), *flags]
    environment = {**ENVIRONMENT, **variables}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=590)
    return done.returncode, done.stdout + done.stderr, written(folder)


@pytest.mark.slow
def test_the_whole_examination_of_a_cpu(tmp_path: Path) -> None:
    """All that applies is right; the rest is left out with its reason; no folder is given away."""
    code, printed, report = examined(tmp_path, "--device", "cpu")
    verdicts = {line["check"]: line["verdict"] for line in report["checks"]}
    assert code == 0, printed
    applies = {"device", "convolution", "selection", "train_fp32", "export", "two_processes"}
    assert verdicts == {check.name: RIGHT if check.name in applies else LEFT_OUT for check in CHECKS}
    assert report["device"]["device"] == "cpu"
    assert "tf32:" in printed
    assert all(line["seen"] for line in report["checks"])
    for text in (printed.partition("for a bug report")[0], (tmp_path / "doctor.json").read_text()):
        assert str(tmp_path) not in text
        assert str(Path.home()) + "/" not in text


@pytest.mark.slow
def test_the_whole_examination_of_a_device_that_is_not_the_cpu(tmp_path: Path) -> None:
    """What the device has no kernels for is refused or told; all that is compared with the CPU is right."""
    missing = compile_plug_in(tmp_path)
    if missing:
        pytest.skip(missing)
    settings = {"CUSTOM_DEVICE_ROOT": str(tmp_path), "FLAGS_use_stride_kernel": "0"}
    code, printed, report = examined(tmp_path / "report", "--device", NAME, **settings)
    verdicts = {line["check"]: line["verdict"] for line in report["checks"]}
    compared = {"step_lpsnet", "step_lraspp", "evaluation", "selection", "train_fp32", "export"}
    assert {verdicts[name] for name in compared} == {RIGHT}, printed
    assert WRONG not in verdicts.values()
    assert code == 0
    assert report["device"]["device"] == f"{NAME}:0"


def test_one_check_alone(tool: Tool, tmp_path: Path) -> None:
    """In this process: the exit code is the check's, and so is the line."""
    code, out, _ = tool("doctor", "--check", "convolution", "--device", "cpu", "--save_dir", tmp_path)
    assert code == 0
    assert out.startswith("convolution: right: off by at most ")


def test_names_that_there_are_not(tool: Tool, tmp_path: Path) -> None:
    """Of a check and of a device, in a sentence each."""
    code, _, err = tool("doctor", "--check", "convolutions", "--save_dir", tmp_path)
    assert code == 2
    assert "--check is 'convolutions'; give one of device, convolution, " in err
    assert err.endswith("; did you mean 'convolution'?\n")
    code, _, err = tool("doctor", "--check", "device", "--device", "tpu", "--save_dir", tmp_path)
    assert code == 2
    assert "--device is 'tpu'" in err


def test_a_machine_is_told_without_its_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the environment only what decides what is computed; the disk's test file is gone."""
    monkeypatch.setenv("NVIDIA_API_KEY", "secret")
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    monkeypatch.setenv("PATH", os.devnull)  # no nvidia-smi
    found = machine(tmp_path)
    assert found["variables"]["NVIDIA_TF32_OVERRIDE"] == "0"
    assert "secret" not in str(found)
    assert found["nvidia_smi"] == []
    assert found["cores"] > 0
    assert found["packages"]["numpy"]
    assert found["disk"]["write_mb_s"] > 0
    assert list(tmp_path.iterdir()) == []


def test_a_bug_report_asks_for_what_the_command_writes() -> None:
    """GitHub shows the form; it is a mapping with the fields that it knows."""
    form = yaml.safe_load((REPOSITORY / ".github/ISSUE_TEMPLATE/bug.yml").read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= form.keys()
    field = next(field for field in form["body"] if field["id"] == "doctor")
    assert field["type"] == "textarea"
    assert "paddleseg-lite doctor --save_dir output/doctor" in field["attributes"]["description"]
    assert FILE in field["attributes"]["label"]


def test_the_guide_describes_each_check() -> None:
    """In the table of docs/gpu.md; the precisions in one line."""
    guide = (REPOSITORY / "docs/gpu.md").read_text(encoding="utf-8")
    missing = [check.name for check in CHECKS if f"`{check.name}`" not in guide]
    assert missing == ["train_fp16_o2", "train_bf16_o1", "train_bf16_o2"]
