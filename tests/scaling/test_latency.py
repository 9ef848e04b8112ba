"""Latencies are measured by the runtime that is asked for, and leave nothing behind."""

from __future__ import annotations

import os

import pytest

from paddleseg_lite.config import load_config
from paddleseg_lite.errors import UserError
from paddleseg_lite.scaling import latency
from paddleseg_lite.scaling.architecture import PUBLISHED, START
from tests.conftest import write_config


@pytest.fixture
def config(tmp_path, street_root):
    return load_config(write_config(tmp_path, street_root))


@pytest.mark.parametrize("backend", ["paddle", "onnxruntime"])
def test_a_network_is_timed(config, tmp_path, monkeypatch, converts_here, backend):
    """A larger one takes longer; the cache of exports is as it was."""
    monkeypatch.setenv("PADDLESEG_LITE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(latency, "_SECONDS", 0.0)
    networks = (START, PUBLISHED["lpsnet_s"]) if backend == "paddle" else (START,)
    times = [
        min(latency.measure(latency.with_model(config, network.model()), backend, (64, 48)))
        for network in networks
    ]
    assert all(time > 0 for time in times)
    assert times == sorted(times)
    assert os.environ["PADDLESEG_LITE_HOME"] == str(tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_the_condition_says_what_a_latency_depends_on(monkeypatch):
    """Runtime with version, size, threads, machine."""
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    told = latency.condition("paddle", (64, 48))
    assert "64x48, 3 threads" in told
    assert told.startswith("paddle ")
    assert told != latency.condition("onnxruntime", (64, 48))
    with pytest.raises(UserError, match="--backend is 'tensorrt'"):
        latency.condition("tensorrt", (64, 48))


def test_macs_of_any_network_are_counted(config):
    """Those of LPSNet as its formula has them."""
    own = latency.with_model(config, START.model())
    assert latency.gmacs(own, (64, 48)) == START.macs((64, 48), 19) / 1e9
