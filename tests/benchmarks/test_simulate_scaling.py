"""What protects docs/scaling.md: limits that can be worked out by hand, and tables shown as they come."""

from __future__ import annotations

import pytest

from benchmarks.simulate_scaling import GPUS, NETWORKS, Rank, bottleneck, many_gpus, one_gpu, simulate
from tests.paths import REPOSITORY

CASES = {
    # Two workers make two batches of four samples in 160 ms, whatever the GPU does meanwhile.
    "data": (Rank(workers=2, sample=40, launch=5, step=30), 1, 80),
    # The batch behind is copied meanwhile, then fetched (2 ms); then the update is launched (1 ms).
    "GPU": (Rank(workers=8, sample=1, launch=5, pin=3, bus=2, step=50, update=1), 1, 53),
    # The host has launched all and copied the batch behind when the GPU has long been done: 30 + 10 + 2 + 1.
    "host": (Rank(workers=8, sample=1, launch=30, pin=10, bus=2, step=20, update=1), 1, 43),
    # All have computed after 10 ms and wait for each other for 40.
    "network": (Rank(workers=2, sample=1, launch=5, step=10, exchange=40), 8, 50),
}


@pytest.mark.parametrize("limit", CASES)
def test_an_iteration_takes_as_long_as_its_slowest_part(limit):
    """Each part in turn; and the part is named as the one to make faster."""
    rank, ranks, expected = CASES[limit]
    assert simulate(rank, ranks, iterations=40) == pytest.approx(expected)
    assert bottleneck(rank, ranks).startswith(f"{limit}, -")


def test_a_batch_is_read_ahead_of_its_turn():
    """Reading (80 ms) beside computing (80 ms) takes 80 ms, not 160; without spread one worker is enough."""
    assert simulate(Rank(workers=1, sample=20, step=80), iterations=40) == pytest.approx(80)


def test_many_ranks_wait_for_the_slowest():
    """Workers that are just enough for one rank are too few for 64, whose batches are not ready at once."""
    rank = Rank(workers=1, sample=20, spread=10, step=80)
    assert 80 < simulate(rank, 1) < simulate(rank, 64) < 120


def test_the_page_shows_what_is_simulated():
    """A row of each table, as the program prints it today."""
    page = (REPOSITORY / "docs" / "scaling.md").read_text(encoding="utf-8")
    for row in (one_gpu(NETWORKS[2], GPUS[1], "TF32"), many_gpus(NETWORKS[0], "8", 8, 1, 1.0)):
        assert "| " + " | ".join(row) + " |" in page
