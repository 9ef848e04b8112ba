"""What `scale` refuses before anything is computed."""

from __future__ import annotations

import pytest

from paddleseg_lite import errors
from paddleseg_lite.datasets import Cityscapes
from paddleseg_lite.scaling import run
from paddleseg_lite.scaling.training import Stopped
from tests.conftest import write_config
from tests.paths import TOOLS


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--steps", 0], "--steps is 0; give a whole number of 1 or more"),
        (["--candidates", 0], "--candidates is 0; give a whole number of 1 or more"),
        (["--jobs", -1], "--jobs is -1"),
        (["--size", 16, 64], "--size is 16 64; give at least 32 pixels"),
        (["--budget", "2"], "--budget is '2'; give a number and one of"),
        (["--max_latency", "fast"], "--max_latency is 'fast'"),
        (
            ["--objective", "macs", "--max_latency", "30ms"],
            "--max_latency does nothing with --objective macs",
        ),
        (["--objective", "macs", "--backend", "paddle"], "--backend does nothing with --objective macs"),
        (["--backend", "tensorrt"], "--backend is 'tensorrt'"),
        (["--max_latency", "0.5m"], "--max_latency is '0.5m'; give ms or s"),
        (["--opts", "loss=null"], "'loss' is missing"),
        (
            ["--proxy_iters", 50, "--opts", "lr_scheduler.warmup_iters=50", "lr_scheduler.warmup_start_lr=0"],
            "the warm-up takes 50 iterations (--opts: lr_scheduler.warmup_iters)",
        ),
    ],
)
def test_a_flag_that_cannot_be_is_refused_in_a_sentence(tmp_path, street_root, tool, flags, told):
    """With exit code 2; nothing is searched."""
    config = write_config(tmp_path, street_root)
    given = ["--config", config, "--save_dir", tmp_path / "search", "--size", 64, 64, *flags]
    code, _, err = tool("scale_lpsnet", *given)
    assert code == 2
    assert told in err
    assert not (tmp_path / "search" / "search.json").exists()


def test_a_config_of_another_task_is_refused(tmp_path, street_root, tool, monkeypatch):
    """Networks are compared by mIoU, which a classification does not have."""
    monkeypatch.setattr(Cityscapes, "task", "classification")
    config = write_config(tmp_path, street_root)
    given = ["--config", config, "--save_dir", tmp_path / "search", "--size", 64, 64, "--objective", "macs"]
    code, _, err = tool("scale_lpsnet", *given)
    assert code == 2
    assert "give a config for segmentation" in err


def test_a_runtime_that_is_not_installed_is_refused(tmp_path, street_root, tool, monkeypatch):
    """Before anything is measured or trained."""
    monkeypatch.setattr(errors, "missing_modules", lambda *names: list(names))
    config = write_config(tmp_path, street_root)
    given = ["--config", config, "--save_dir", tmp_path / "search", "--size", 64, 64]
    code, _, err = tool("scale_lpsnet", *given, "--backend", "onnxruntime")
    assert code == 2
    assert "this needs onnxruntime and paddle2onnx; pip install" in err


@pytest.mark.parametrize(
    ("objective", "start"), [("latency", "OMP_NUM_THREADS=3 python"), ("macs", "python")]
)
def test_the_command_that_goes_on_has_the_threads_of_the_latencies(
    tmp_path, street_root, tool, monkeypatch, objective, start
):
    """With other threads the folder would refuse it; it is for a shell."""
    monkeypatch.setenv("OMP_NUM_THREADS", "3")

    def stops(*_: object) -> str:
        raise Stopped

    monkeypatch.setattr(run, "run_search", stops)
    config = write_config(tmp_path, street_root)
    given = ["--config", config, "--save_dir", tmp_path / "my search", "--size", 64, 64]
    code, out, _ = tool("scale_lpsnet", *given, "--objective", objective)
    assert code == 0
    arguments = f"--save_dir '{tmp_path / 'my search'}' --size 64 64 --objective {objective}"
    assert f"  {start} {TOOLS / 'scale_lpsnet.py'} --config {config} {arguments}\n" in out
