"""Which images belong together."""

from __future__ import annotations

import pytest

from paddleseg_lite.errors import UserError
from paddleseg_lite.prepare.groups import find_groups

VIDEOS = [
    f"{video}_{frame:05}" for video in ("0001TP", "0006R0", "0016E5", "Seq05VD") for frame in range(30, 90, 5)
]


@pytest.mark.parametrize(
    ("names", "key", "count"),
    [
        (VIDEOS, "0016E5_", 4),
        ([f"{name}_leftImg8bit" for name in VIDEOS], "0016E5_", 4),
        ([f"site {s}/IMG_{i}" for s in "abcde" for i in range(4)], "site a", 5),
        ([f"IMG_202103{day:02}_{10 + i}1500" for day in range(1, 8) for i in range(3)], "IMG_20210301_", 7),
    ],
)
def test_groups_are_guessed_by_names(names, key, count):
    """CamVid's and Cityscapes' frames, folders of places, photos of a day."""
    groups = find_groups(names, None, 0.2)
    assert set(groups.keys) == set(names)
    assert len(set(groups.keys.values())) == count
    assert key in groups.keys.values()
    assert f"{count} groups guessed" in groups.note
    assert "--group" in groups.note


@pytest.mark.parametrize(
    "names",
    [
        [f"IMG_{i:04}" for i in range(40)],  # one prefix: it says nothing
        [f"photo of {word}" for word in "abcdefgh"],
        [f"{side}/{i}" for side in "ab" for i in range(10)],  # two halves: no fifth to evaluate on
        ["one"],
    ],
)
def test_what_says_nothing_is_not_taken_for_groups(names):
    """Else all images would be on one side."""
    assert set(find_groups(names, None, 0.2).keys.values()) == set(names)


def test_a_pattern_is_searched_for():
    """Its first group is the key; without one, all that it finds; names that it does not fit are alone."""
    names = ["walk1/a_01", "walk1/a_02", "walk2/b_01", "other"]
    groups = find_groups(names, r"^(\w+)/", 0.2)
    assert groups.keys["walk1/a_01"] == groups.keys["walk1/a_02"] == "walk1"
    assert len(set(groups.keys.values())) == 3
    assert "does not fit 1 image, such as 'other'" in groups.note
    assert find_groups(names, r"walk\d", 0.2).keys["walk2/b_01"] == "walk2"
    assert len(set(find_groups(names, ".+", 0.2).keys.values())) == 4


@pytest.mark.parametrize(
    ("pattern", "told"), [("(", "no regular expression"), ("x(.)", "fits none of 2 names")]
)
def test_a_wrong_pattern_is_refused(pattern, told):
    """Else each image would be its own group without a word."""
    with pytest.raises(UserError, match=told):
        find_groups(["a1", "a2"], pattern, 0.2)


def test_many_names_take_no_time():
    """Which shares can be reached is asked of every guess."""
    names = [f"video{i // 3}_{i % 3}" for i in range(60_000)]
    assert len(set(find_groups(names, None, 0.2).keys.values())) == 20_000
