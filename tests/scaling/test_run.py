"""The command `scale` with real trainings: killed in the middle, resumed, and what it leaves."""

from __future__ import annotations

import json
import time

import pytest

from paddleseg_lite.checkpoint import load_weights
from paddleseg_lite.config import load_config
from paddleseg_lite.config.build import Plan
from paddleseg_lite.scaling import latency
from paddleseg_lite.scaling.architecture import START
from paddleseg_lite.scaling.run import Settings, run_search
from paddleseg_lite.scaling.search import SearchOptions
from paddleseg_lite.scaling.training import Stopped
from tests.commands import Command, run_command
from tests.conftest import write_config


@pytest.mark.slow
def test_a_search_is_killed_and_goes_on(tmp_path, street_root):
    """SIGKILL in the second training: the first is not repeated; results are complete and can be loaded."""
    write_config(tmp_path, street_root)
    arguments = ["--config", "config.yml", "--save_dir", "search", "--size", 96, 64, "--objective", "macs"]
    arguments += ["--proxy_iters", 4, "--steps", 1, "--candidates", 2, "--jobs", 2]
    first = Command(tmp_path, "scale_lpsnet", *arguments)
    first.wait_for("(start): mIoU", timeout=240)
    while len(list((tmp_path / "search" / "runs").glob("*/output.txt"))) < 2:
        time.sleep(0.05)
    first.process.kill()
    first.process.join()
    run = tmp_path / "search" / "runs" / START.name
    before = (run / "metrics.jsonl").read_bytes()
    done = Command(tmp_path, "scale_lpsnet", *arguments).result(timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (run / "metrics.jsonl").read_bytes() == before, "it was trained again"
    state = json.loads((tmp_path / "search" / "search.json").read_text())
    assert len(state["networks"]) == 3
    assert all(network["miou"] is not None for network in state["networks"].values())
    assert state["steps"][0]["chosen"] in state["steps"][0]["candidates"]
    for name in ("search.md", "search.png", "search.html", "search.log"):
        assert (tmp_path / "search" / name).stat().st_size > 500
    found = sorted((tmp_path / "search" / "frontier").glob("*.yml"))
    assert START.name in [path.stem for path in found]
    for path in found:
        load_weights(Plan(load_config(path)).model(), path.with_suffix(".pdparams"))
    again = run_command(tmp_path, "scale_lpsnet", *arguments, "--seed", 1)
    assert again.returncode == 2
    assert "seed: 0 -> 1" in again.stderr


@pytest.mark.slow
def test_a_search_by_latency_is_stopped_and_goes_on_with_inherited_weights(
    tmp_path, street_root, monkeypatch
):
    """Its candidate saves when it is asked to, goes on, and has begun from the weights of its parent."""
    monkeypatch.setattr(latency, "_PATIENCE", 0.0)
    monkeypatch.setattr(latency, "_SECONDS", 0.0)
    folder = tmp_path / "search"
    options = SearchOptions(steps=1, candidates=1, inherit=True)
    config = load_config(write_config(tmp_path, street_root))
    settings = Settings(config, folder, (96, 64), "latency", "paddle", 30, options, device="cpu")

    def is_under_way() -> bool:
        runs = [path for path in (folder / "runs").glob("*/metrics.jsonl") if path.parent.name != START.name]
        return any('"iteration": 10,' in path.read_text() for path in runs)

    with pytest.raises(Stopped):
        run_search(settings, is_under_way)
    assert run_search(settings, lambda: False) == "it has made 1 step"
    state = json.loads((folder / "search.json").read_text())
    name = state["steps"][0]["chosen"]
    assert state["networks"][name]["seconds"] is None, "it was trained in two pieces"
    assert all(network["cost"] > 0 and network["spread"] > 0 for network in state["networks"].values())
    printed = (folder / "runs" / name / "output.txt").read_text()
    assert f"{START.name}/iter_30/model.pdparams" in printed
    assert "resumed" in printed
