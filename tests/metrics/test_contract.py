"""What holds for every metric that can be asked for by name."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest

from paddleseg_lite.errors import UserError
from paddleseg_lite.inference.evaluate import evaluate
from paddleseg_lite.metrics import METRICS, Metric, make_metrics
from tests.metrics.drawn import drawn, filled, seen
from tests.toys import PixelNet, Squares

CLASSES = ("road", "side<b>walk</b>", "sky", "person", "car")
every = pytest.mark.parametrize("kind", METRICS.values(), ids=str)


def as_json(metric: Metric) -> str:
    """Return what a metric writes, which must be JSON without NaN."""
    return json.dumps(metric.result(), allow_nan=False)


@every
def test_shards_in_any_order_are_the_whole(kind):
    """What several ranks count of their shares, pickled on the way, is what one counts of all."""
    images = drawn(7)
    whole = filled(kind(CLASSES), images)
    for shards in ([images[1::2], images[0::2]], [images, []], [[], images], [images[4:], images[:4]]):
        first, second = (filled(kind(CLASSES), shard) for shard in shards)
        first.merge(pickle.loads(pickle.dumps(second)))
        assert as_json(first) == as_json(whole)
        assert first.lines() == whole.lines()


@every
def test_a_merged_metric_is_left_alone(kind):
    """`merge` reads another rank's counts and must not share its memory."""
    images = drawn(3)
    total, part = kind(CLASSES), filled(kind(CLASSES), images[:1])
    before = as_json(part)
    total.merge(part)
    filled(total, images[1:])
    assert as_json(part) == before


@every
@pytest.mark.parametrize(
    "images",
    [[], [seen(0, np.zeros((4, 6)), np.full((4, 6), 255), np.ones((4, 6)))], drawn(1, classes=2)],
    ids=["none", "all ignored", "absent classes"],
)
def test_there_may_be_nothing_to_measure(kind, images):
    """No division by nothing, no warning, no NaN in JSON, and lines of text all the same."""
    with np.errstate(all="raise"):
        metric = filled(kind(CLASSES), images)
        assert "NaN" not in as_json(metric)
        assert metric.lines()


@every
def test_results_can_be_asked_for_twice(kind):
    """A report asks after the log has."""
    metric = filled(kind(CLASSES), drawn(2))
    assert as_json(metric) == as_json(copy.deepcopy(metric))
    assert as_json(metric) == as_json(metric)


def test_evaluation_fills_what_it_is_given_and_scores_as_before():
    """In batches of any size; metrics that ask for the confidence do not change a prediction."""
    data, net = Squares("val", 5, sizes=(32, 32, 40)), PixelNet()
    plain = evaluate(net, data)
    for batch_size in (1, 3):
        chosen = make_metrics(list(METRICS), data.classes, data.ignore_index)
        np.testing.assert_array_equal(
            evaluate(net, data, batch_size=batch_size, metrics=chosen).confusion, plain.confusion
        )
        written = [as_json(metric) for metric in chosen]
        rows = next(metric for metric in chosen if metric.name == "rows").result()
        assert [sum(pixels) for pixels in rows["class_pixels"].values()] == plain.support.tolist()
        if batch_size == 1:
            first = written
    assert written == first


def test_an_unknown_name_is_told_with_those_that_there_are():
    """One name may stand there twice and is measured once."""
    assert [metric.name for metric in make_metrics(["intervals", "intervals"], CLASSES)] == ["intervals"]
    with pytest.raises(UserError, match="no metric 'interval'; did you mean 'intervals'"):
        make_metrics(["interval"], CLASSES)
