"""Names of classes that are nearly the same."""

from __future__ import annotations

import pytest

from paddleseg_lite.annotations.alike import alike


@pytest.mark.parametrize(
    "names",
    [("Car", "car"), ("car ", "car"), ("traffic light", "traffic-light"), ("trafficlight", "Traffic_Light")],
)
def test_spellings_of_one_name(names):
    """However often each was drawn: a drop-down list keeps a wrong spelling for ever."""
    assert alike(names, {}) == [names]
    assert alike(names, {names[0]: 5, names[1]: 6}) == [names[::-1]]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("road", "raod"),
        ("road", "rooad"),
        ("tree", "trees"),
        ("building", "biulding"),
        ("traffic light", "trafic light"),
        ("vegetation", "vegataion"),
        ("Fußgänger 1", "fußganger 1"),
    ],
)
def test_a_slip_is_seen_by_what_is_common_beside_it(right, wrong):
    """One file of forty with "raod" would make a class of its own, which no training can learn."""
    assert alike((wrong, right), {right: 40, wrong: 2}) == [(right, wrong)]
    assert alike((wrong, right), {right: 40, wrong: 12}) == []
    assert alike((wrong, right), {}) == []
    assert alike((wrong, right), {right: 40}) == []  # a class that nobody drew yet was no slip of a hand


@pytest.mark.parametrize(
    "names",
    [
        ("car 1", "car 2"),
        ("class 1", "class 11"),
        ("car", "cat"),
        ("grade A", "grade B"),
        ("left hand", "right hand"),
        ("male", "female"),
        ("traffic light", "traffic sign"),
        ("wall", "ball"),
        ("leaf", "leaves"),
        ("road", "road marking"),
    ],
)
def test_words_of_their_own(names):
    """Who has such classes is not asked each time."""
    assert alike(names, {names[0]: 400, names[1]: 1}) == []
