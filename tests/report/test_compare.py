"""Comparisons of two evaluations."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest

from paddleseg_lite.errors import UserError
from paddleseg_lite.report.compare import compare, read_evaluation
from paddleseg_lite.report.page import render_page
from tests.report.made import CLASSES, HOSTILE, evaluation, observations, palette


@pytest.fixture(scope="module")
def before() -> dict:
    return evaluation(observations(12, noise=0.3), ("intervals",))[0]


@pytest.fixture(scope="module")
def after() -> dict:
    return evaluation(observations(12, noise=0.2), ("intervals",))[0]


def test_an_evaluation_does_not_differ_from_itself(before: dict) -> None:
    """A bootstrap that is not paired would find a difference in nearly every resample."""
    found = compare(before, before)
    assert (found.miou.change, found.miou.low, found.miou.high) == (0, 0, 0)
    assert not found.miou.exceeds_noise
    assert not found.better()
    assert not found.worse()
    assert "may be chance" in found.verdict()


def test_a_better_one_is_better_in_all(before: dict, after: dict) -> None:
    """Fewer errors in every image: the whole, each class and each image must say so."""
    found = compare(after, before)
    assert found.miou.exceeds_noise
    assert found.miou.low < found.miou.change < found.miou.high
    assert found.miou.after == pytest.approx(after["scores"]["miou"])
    assert found.miou.before == pytest.approx(before["scores"]["miou"])
    assert found.classes[HOSTILE].change > 0
    assert len(found.better()) == 12
    assert "more than chance" in found.verdict()
    first, second = found.better()[:2]
    assert first[3] - first[2] >= second[3] - second[2]
    opposite = compare(before, after)
    assert (opposite.miou.low, opposite.miou.high) == (-found.miou.high, -found.miou.low)


def test_the_interval_is_that_of_paired_resampling(before: dict, after: dict) -> None:
    """Against the definition, written out with loops."""
    found = compare(after, before)
    counts = [
        np.array([[image[key] for key in ("right", "labelled", "predicted")] for image in rows])
        for rows in (what["metrics"]["intervals"]["images"] for what in (before, after))
    ]
    rng, changes = np.random.default_rng(3), []
    for _ in range(1000):
        drawn = rng.integers(0, 12, 12)
        means = []
        for own in counts:
            right, labelled, predicted = own[drawn].sum(axis=0)
            union = labelled + predicted - right
            means.append(np.mean(right[union > 0] / union[union > 0]))
        changes.append(means[1] - means[0])
    low, high = np.quantile(changes, [0.025, 0.975])
    spread = high - low
    assert abs(found.miou.low - low) < 0.15 * spread
    assert abs(found.miou.high - high) < 0.15 * spread


def test_an_absent_class_has_no_difference(before: dict, after: dict) -> None:
    """It must not pass for one that stayed as it was."""
    found = compare(after, before)
    assert np.isnan(found.classes["absent"].change)
    assert not found.classes["absent"].exceeds_noise
    assert not any("absent" in line for line in found.lines())
    assert len(found.lines()) == len(CLASSES) - 1 + 3


def test_one_image_does_not_tell_chance() -> None:
    """Every resample of it is the same, so that any change at all would lie outside of the noise."""
    one, other = (evaluation(observations(1, noise=noise), ("intervals",))[0] for noise in (0.2, 0.3))
    found = compare(one, other)
    assert found.miou.change > 0
    assert not found.miou.exceeds_noise
    assert "one image does not tell" in found.verdict()
    assert not any(own.exceeds_noise for own in found.classes.values())
    assert not any("nan" in line for line in found.lines())
    page = render_page(one, palette(), [], [], [], found)
    assert f"{found.miou.change:+.4f} of one image" in page


def test_a_class_of_one_image_is_not_told_better(before: dict, after: dict) -> None:
    """Among many images, the same holds for a class."""
    pair = [copy.deepcopy(what) for what in (after, before)]
    for own, right in zip(pair, (9, 5)):
        image = own["metrics"]["intervals"]["images"][0]
        for key, value in (("right", right), ("labelled", 10), ("predicted", 10)):
            image[key][-1] = value
    found = compare(*pair)
    assert found.classes["absent"].change > 0
    assert not found.classes["absent"].exceeds_noise
    assert found.classes[HOSTILE].exceeds_noise


def test_nothing_to_compare() -> None:
    """No image, or none with a pixel that counts."""
    nothing = evaluation([], ("intervals",))[0]
    assert compare(nothing, nothing).verdict() == "There is nothing to compare."


@pytest.mark.parametrize("what", ["classes", "count", "path", "labels", "counts"])
def test_other_images_are_refused(before: dict, what: str) -> None:
    """Differences between different sets of images would look like progress."""
    other = copy.deepcopy(before)
    images = other["metrics"]["intervals"]["images"]
    if what == "classes":
        other["protocol"]["data"]["classes"][0] = "x"
    elif what == "count":
        images.pop()
    elif what == "path":
        images[3]["path"] = "elsewhere/x.png"
    elif what == "labels":
        images[3]["labelled"][0] += 1
    else:
        images[3]["right"].pop()
    with pytest.raises(UserError, match="other list"):
        compare(before, other, "other list")
    moved = copy.deepcopy(before)
    for image in moved["metrics"]["intervals"]["images"]:
        image["path"] = f"moved/{Path(image['path']).name}"
    assert compare(before, moved).miou.change == 0


def test_a_file_without_intervals_is_refused(tmp_path: Path, before: dict) -> None:
    """The message says how to make one that has them."""
    path = tmp_path / "old.json"
    path.write_text(json.dumps({**before, "metrics": {}}))
    with pytest.raises(UserError, match="--metrics intervals --json"):
        read_evaluation(path)
    path.write_text(json.dumps(before))
    assert read_evaluation(path) == before
