"""The warning about a device that waits for data."""

from __future__ import annotations

import logging
import os

import pytest

from paddleseg_lite.engine.meter import StarvationWatch
from tests.toys import Squares


def warnings(caplog, intervals, num_workers=0, cache=None):
    """Return what is logged over intervals of (batch_cost, reader_cost)."""
    data = Squares("train")
    data.cache = cache
    watch = StarvationWatch(data, num_workers)
    with caplog.at_level(logging.WARNING):
        for interval in intervals:
            watch.look(*interval)
    return [record.message for record in caplog.records]


@pytest.mark.parametrize(
    ("intervals", "count"),
    [
        ([(1.0, 0.1), (1.0, 0.2), (1.0, 0.21)], 1),
        ([(1.0, 0.1), (1.0, 0.19), (1.0, 0.2)], 0),
        ([(1.0, 0.9), (1.0, 0.1)], 0),  # workers start in the first interval
        ([(1.0, 0.1), (1.0, 0.9), (1.0, 0.9), (1.0, 0.9)], 1),
    ],
)
def test_warns_once_above_a_fifth(caplog, intervals, count):
    """Protects from a GPU that idles unnoticed, and from a log full of the same line."""
    assert len(warnings(caplog, intervals)) == count


def test_says_what_to_try(caplog, monkeypatch):
    """Protects the remedies: only those that are left."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(4)), raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 64)  # of the machine, of which a container has a part
    starving = [(1.0, 0.5)] * 2
    (message,) = warnings(caplog, starving, num_workers=2)
    for words in ("50%", "--num_workers is 2", "4 cores", "the command pack_dataset"):
        assert words in message
    caplog.clear()
    (message,) = warnings(caplog, starving, num_workers=4, cache="packed")
    assert "num_workers" not in message
    assert "pack_dataset" not in message
    assert "smaller images" in message
