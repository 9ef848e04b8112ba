"""What `scale` refuses before anything is computed."""

from __future__ import annotations

import pytest

from paddleseg_lite.datasets import Cityscapes
from tests.conftest import write_config


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
