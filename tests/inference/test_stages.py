"""Times of an evaluation's stages."""

from __future__ import annotations

import pytest

from paddleseg_lite.inference import stages
from paddleseg_lite.inference.evaluate import evaluate
from paddleseg_lite.inference.stages import Stages
from tests.toys import PixelNet, Squares


def test_each_lap_ends_a_stage(monkeypatch):
    """The means are per image, however many a batch has."""
    clock = iter([0.0, 1.0, 4.0, 5.0, 6.0])
    monkeypatch.setattr(stages.time, "perf_counter", lambda: next(clock))
    watch = Stages()
    watch.lap("reading")
    watch.lap("network")
    watch.lap("measuring", images=2)
    watch.lap("reading")
    assert watch.means() == {"images": 2, "seconds": {"reading": 1.0, "network": 1.5, "measuring": 0.5}}


def test_nothing_was_timed():
    """No image, no division by zero."""
    assert Stages().means() == {"images": 0, "seconds": dict.fromkeys(stages.STAGES, 0.0)}


@pytest.mark.parametrize("batch_size", [1, 4])
def test_an_evaluation_is_timed(batch_size):
    """Every image is counted once, and no stage is left out."""
    watch = Stages(is_exact=True)
    evaluate(PixelNet(), Squares("val", 6), batch_size=batch_size, stages=watch)
    found = watch.means()
    assert found["images"] == 6
    assert all(seconds > 0 for seconds in found["seconds"].values())
