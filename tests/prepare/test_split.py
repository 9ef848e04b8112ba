"""Which images are trained on and which are evaluated on."""

from __future__ import annotations

import numpy as np

from paddleseg_lite.prepare.split import split_images

CLASSES = 4


def images(count: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Images that show class 0 always and class 3 rarely."""
    rng = np.random.default_rng(seed)
    odds = np.array([1, 0.6, 0.3, 0.1])
    return {f"p{number:03}": rng.random(CLASSES) < odds for number in range(count)}


def each_alone(holds: dict[str, np.ndarray]) -> dict[str, str]:
    return {name: name for name in holds}


def test_each_class_has_its_share_on_both_sides():
    """Of 200 images a rare class would often be missing from 40 that are drawn blindly."""
    for seed in range(5):
        holds = images(200, seed)
        split = split_images(holds, each_alone(holds), 0.2, seed)
        assert 38 <= len(split.names("val")) <= 42
        total, val = (sum(holds[n].astype(int) for n in names) for names in (holds, split.names("val")))
        assert (np.abs(val - 0.2 * total) <= 2).all()


def test_the_seed_decides_and_nothing_else():
    """Neither the order that images come in, nor what was drawn before."""
    holds = images(60)
    first = split_images(holds, each_alone(holds), 0.2, 0)
    again = split_images(dict(reversed(holds.items())), each_alone(holds), 0.2, 0)
    assert first == again
    assert first.names("val") != split_images(holds, each_alone(holds), 0.2, 1).names("val")


def test_groups_stay_whole():
    """Frames of one video on both sides would make the mIoU too high."""
    holds = images(100)
    groups = {name: f"video{int(name[1:]) % 9}" for name in holds}
    split = split_images(holds, groups, 0.2, 0)
    val = {groups[name] for name in split.names("val")}
    assert val.isdisjoint(groups[name] for name in split.names("train"))
    assert 11 <= len(split.names("val")) <= 33
    assert split.notes == []


def test_one_large_group_does_not_become_what_is_evaluated_on():
    """Nine tenths of the images would be lost for training."""
    holds = images(100)
    groups = {name: "large" if int(name[1:]) < 90 else name for name in holds}
    split = split_images(holds, groups, 0.2, 0)
    assert len(split.names("train")) >= 90
    assert split.names("val")


def test_a_class_of_one_group_is_trained_on():
    """What is never seen cannot be learnt."""
    holds = {f"p{number}": np.array([True, number == 7]) for number in range(20)}
    for seed in range(5):
        assert "p7" in split_images(holds, each_alone(holds), 0.2, seed).names("train")


def test_tiny_sets():
    """An image on each side if there are two; a single one is on both, and that is said."""
    for count in (2, 3, 4):
        split = split_images(images(count), each_alone(images(count)), 0.2, 0)
        assert len(split.names("val")) == 1
        assert len(split.names("train")) == count - 1
    single = split_images(images(1), each_alone(images(1)), 0.2, 0)
    assert single.names("train") == single.names("val") == ["p000"]
    assert "one image" in single.notes[0]
    assert split_images(images(1), each_alone(images(1)), 0.2, 0, {"p000": "val"}).names("train") == ["p000"]


def test_a_single_group_is_cut_and_that_is_said():
    """There is no other way to evaluate."""
    holds = images(20)
    split = split_images(holds, dict.fromkeys(holds, "walk"), 0.2, 0)
    assert len(split.names("val")) == 4
    assert "'walk', is on both sides" in split.notes[0]


def test_what_is_known_stays():
    """A source's own split; and images of an earlier call, so that none moves when others are added."""
    holds = images(50)
    early = {name: holds[name] for name in list(holds)[:30]}
    first = split_images(early, each_alone(early), 0.2, 0)
    later = split_images(holds, each_alone(holds), 0.2, 0, first.sides)
    assert set(first.names("val")) <= set(later.names("val"))
    assert set(first.names("train")) <= set(later.names("train"))
    assert len(later.names("val")) == len(first.names("val")) + 4
    groups = {name: str(int(name[1:]) % 10) for name in holds}
    fixed = split_images(holds, groups, 0.5, 0, {"p000": "train", "p001": "val", "p002": "test"})
    assert {"p010", "p020"} <= set(fixed.names("train"))
    assert {"p011", "p021"} <= set(fixed.names("val"))
    assert fixed.names("test") == ["p002"]
