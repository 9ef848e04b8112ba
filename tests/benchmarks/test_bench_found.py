"""What protects the comparison of a found network: no side twice, and an end when it is asked for."""

from __future__ import annotations

import argparse
import importlib
import time
from pathlib import Path

import pytest

from tests.paths import REPOSITORY


@pytest.fixture
def script(monkeypatch):
    """The module, which finds what it imports as a script does."""
    monkeypatch.syspath_prepend(REPOSITORY / "benchmarks")
    return importlib.import_module("bench_found")


@pytest.mark.parametrize(
    ("found", "widths"), [(5.0, [240, 240]), (4.2, [240, 240, 270])], ids=["no larger size", "a larger size"]
)
def test_no_side_is_there_twice(script, monkeypatch, tmp_path, found, widths):
    """Where no larger image is as fast, the network would be trained twice into one folder."""

    def latency(own) -> float:
        return 5.0 if own.name == "LPSNet-S" else found * own.size[0] / 240

    monkeypatch.setattr(script.Side, "latency", latency)
    args = argparse.Namespace(camvid=Path("camvid"), search=Path("search"), network="net", work=tmp_path)
    assert [own.size[0] for own, _ in script.sides(args)] == widths


def test_a_failure_lets_no_other_training_begin(script, monkeypatch):
    """Each takes minutes, and Ctrl-C would wait for all."""
    begun = []

    def train(args: argparse.Namespace, own: str, seed: int) -> float:
        begun.append((own, seed))
        time.sleep(0.5 if seed == 0 else 0.02)  # the first one is slow to end
        if seed == 1:
            raise SystemExit("error: it failed")
        return 50.0

    monkeypatch.setattr(script, "train", train)
    args = argparse.Namespace(seeds=list(range(50)), jobs=2)
    with pytest.raises(SystemExit, match="it failed"):
        script.train_all(args, ["LPSNet-S", "net"])
    assert len(begun) < 5
