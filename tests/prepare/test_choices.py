"""What the flags of init say of classes and colors."""

from __future__ import annotations

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
    finding = Finding("names alike", "1 group", ("'Car' = 'car '",))
    source = StubSource(tmp_path, ["a"], classes=("Car", "car "), findings=[finding])
    with pytest.raises(UserError, match=r"--classes 'car =Car'.*--classes 'Car=Car' 'car =car '"):
        check_decided(source, [])
    check_decided(source, ["Car", "car "])


def test_an_unknown_name_is_refused(tmp_path):
    """A misspelt name in --classes would change nothing."""
    source = StubSource(tmp_path, ["a"], findings=[Finding("no such class", "1 name 'lef'")])
    with pytest.raises(UserError, match="--classes: 1 name 'lef'"):
        check_decided(source, ["lef"])
