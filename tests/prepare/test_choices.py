"""What the flags of init say of classes and colors."""

from __future__ import annotations

import re
import shlex

import pytest

from paddleseg_lite.annotations.source import Finding
from paddleseg_lite.errors import UserError
from paddleseg_lite.prepare.choices import check_decided, class_choices

from .stub import StubSource


def test_classes():
    """A name and its class; nothing behind the sign is not counted; a class may have one."""
    found = class_choices(["Car=car", "unsure=", "a=b=c"])
    assert found == {"Car": "car", "unsure": None, "a": "b=c"}


@pytest.mark.parametrize(("given", "told"), [("car", "give NAME=CLASS"), ("=car", "give NAME=CLASS")])
def test_classes_that_are_no_pairs(given, told):
    """A forgotten sign must not make a class."""
    with pytest.raises(UserError, match=told):
        class_choices([given])


def test_a_name_with_two_classes():
    """Neither is chosen."""
    with pytest.raises(UserError, match="two classes for 'a'"):
        class_choices(["a=b", "a=c"])


def test_names_that_are_nearly_the_same_are_asked_about(tmp_path):
    """Neither merged nor kept apart on the quiet; the answer is a flag that can be pasted."""
    groups = (("Car", "car "), ("it's 'a' = 'b'", "It's 'a' = 'b'"), ("road", "raod"))
    finding = Finding("names alike", "3 groups", "join them", ("Cars", "odd ones", "roads"), groups)
    source = StubSource(tmp_path, ["a"], findings=[finding])
    with pytest.raises(
        UserError, match="the classes Cars and odd ones and roads are nearly the same"
    ) as told:
        check_decided(source, [])
    flags = re.findall(r"--classes (.*?)(?:, or|$)", str(told.value))
    join, apart = (class_choices(shlex.split(flag)) for flag in flags)
    assert join == {"car ": "Car", "It's 'a' ": " 'b'=it's 'a' = 'b'", "raod": "road"}
    assert {"Car": "Car", "car ": "car ", "raod": "raod", "road": "road"}.items() <= apart.items()
    with pytest.raises(UserError, match="the classes roads are"):
        check_decided(source, [name for group in groups[:2] for name in group])
    check_decided(source, [name for group in groups for name in group])


def test_an_unknown_name_is_refused(tmp_path):
    """A misspelt name in --classes would change nothing."""
    source = StubSource(tmp_path, ["a"], findings=[Finding("no such class", "1 name 'lef'", "check it")])
    with pytest.raises(UserError, match="--classes: 1 name 'lef'; the classes are 'leaf', 'stem'; NAME=NAME"):
        check_decided(source, ["lef"])
