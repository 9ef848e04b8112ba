"""How long trainings will take, and durations as people write them."""

from __future__ import annotations

import pytest

from paddleseg_lite.errors import UserError
from paddleseg_lite.scaling.estimate import Timing, duration, predicted_seconds, spoken


def test_the_estimate_follows_what_was_measured():
    """First the timing alone, then scaled to one that took twice as long, then a line through three."""
    timing = Timing(fixed=10, computing=5)
    assert predicted_seconds(4, timing, []) == 30
    assert predicted_seconds(4, timing, [(1, 30)]) == 60
    assert predicted_seconds(4, timing, [(1, 12), (2, 14), (3, 16)]) == pytest.approx(18)


@pytest.mark.parametrize(("text", "seconds"), [("2h", 7200), ("90min", 5400), ("30ms", 0.03), ("1.5s", 1.5)])
def test_a_duration_is_a_number_with_a_unit(text, seconds):
    """As budgets and latencies are given."""
    assert duration(text, "--budget") == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["2", "h", "2 weeks", "-1h", "infs", "nans"])
def test_another_duration_is_refused(text):
    """A bare number could be hours or seconds."""
    with pytest.raises(UserError, match="--budget is"):
        duration(text, "--budget")


def test_durations_are_told_in_a_unit_that_fits():
    """Seconds, minutes or hours."""
    assert [spoken(seconds) for seconds in (40, 100, 720, 9000)] == ["40 s", "100 s", "12 min", "2.5 h"]
