"""Latencies are measured by the runtime that is asked for, and leave nothing behind."""

from __future__ import annotations

import os

import numpy as np
import paddle
import pytest

from paddleseg_lite.config import load_config
from paddleseg_lite.config.build import Plan
from paddleseg_lite.datasets.info import DatasetInfo
from paddleseg_lite.scaling import latency
from paddleseg_lite.scaling.architecture import PUBLISHED, START, Architecture
from tests.conftest import write_config


@pytest.fixture
def config(tmp_path, street_root):
    return load_config(write_config(tmp_path, street_root))


@pytest.mark.parametrize("backend", ["paddle", "onnxruntime"])
def test_a_network_is_timed(config, tmp_path, monkeypatch, converts_here, backend):
    """A larger one takes longer; the cache of exports is as it was."""
    monkeypatch.setenv("PADDLESEG_LITE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(latency, "_SECONDS", 0.0)
    monkeypatch.setattr(latency, "_PATIENCE", 0.0)
    networks = (START, PUBLISHED["lpsnet_s"]) if backend == "paddle" else (START,)
    times = [
        min(latency.measure(latency.with_model(config, network.model()), backend, (64, 48)))
        for network in networks
    ]
    assert all(time > 0 for time in times)
    assert len(times) == 1 or times[0] < times[1]
    assert os.environ["PADDLESEG_LITE_HOME"] == str(tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_slow_times_of_the_machine_do_not_count(config, monkeypatch):
    """It measures until ten rounds agree, and only those are returned; it does not do so for ever.

    A GPU's memory is then free for trainings, which are other processes.
    """
    readings, freed = iter([]), []
    monkeypatch.setattr(paddle.device.cuda, "empty_cache", lambda: freed.append(1))
    monkeypatch.setattr(latency, "_SECONDS", 0.0)
    monkeypatch.setattr(latency, "predict_labels", lambda *_: None)
    monkeypatch.setattr(latency.time, "perf_counter", lambda: next(readings))

    def rounds_of(seconds: list[float]) -> list[float]:
        nonlocal readings
        readings = iter(
            [reading for time in seconds for _ in range(latency._RUNS) for reading in (0.0, time)]
        )
        times = latency.measure(latency.with_model(config, START.model()), "paddle", (64, 48))
        assert next(readings, None) is None, "all are needed"
        return times

    slow, fast = [0.02 + 0.001 * number for number in range(9)], [0.01, 0.0102] * 5
    assert rounds_of([*slow, *fast]) == pytest.approx([10.0] * 5 + [10.2] * 5)
    assert freed
    monkeypatch.setattr(latency, "_PATIENCE", 0.5)
    growing = [0.01 + 0.001 * number for number in range(12)]  # 0.56 seconds
    assert rounds_of(growing) == pytest.approx([10.0 + number for number in range(10)])


def test_a_network_of_any_depth_has_activations_that_its_export_can_match(config):
    """Those of 200 random layers grow until rounding errors exceed what exports may differ by."""
    deep = Architecture((1, 1, 64, 64, 64), START.channels, START.ratios)
    model = Plan(latency.with_model(config, deep.model())).model()
    model.eval()
    image = paddle.to_tensor(np.random.default_rng(0).standard_normal((1, 3, 32, 32)).astype(np.float32))
    with paddle.no_grad():
        wild = model(image)[0].numpy()
        steady = latency._steadied(model)(image)[0].numpy()
    assert not 0.01 < np.abs(wild).max() < 100, "then there is nothing to be done"
    assert 0.01 < np.abs(steady).max() < 100


def test_the_condition_says_what_a_latency_depends_on(monkeypatch):
    """Runtime with version, image, classes, threads, machine."""
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    info = DatasetInfo(2, 4, ("road", "sky"), np.zeros((2, 3), np.uint8))
    told = latency.condition("paddle", (64, 48), info)
    assert "64x48x4, 2 classes, 3 threads" in told
    assert told.startswith("paddle ")
    assert told != latency.condition("onnxruntime", (64, 48), info)


def test_macs_of_any_network_are_counted(config):
    """Those of LPSNet as its formula has them."""
    own = latency.with_model(config, START.model())
    assert latency.gmacs(own, (64, 48)) == START.macs((64, 48), 19) / 1e9
