"""Checking JSON files before their fields are used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paddleseg_lite.errors import UserError
from paddleseg_lite.json_files import ANYTHING, NUMBER, mismatch, read_json

SCHEMA = {
    "name": str,
    "count?": int,
    "sides": [(int, None)],
    "parts": {"a?": bool, str: NUMBER},
    "row?": [int, str],
    "empty?": None,
    "rest?": ANYTHING,
}
WHOLE = {"name": "x", "count": 3, "sides": [1, None], "parts": {"a": True, "b": 1, "c": 0.5}, "other": [{}]}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({}, None),
        ({"rest": [{}]}, None),
        ({"name": 3}, "'name' is 3, allowed is text"),
        ({"name": "x" * 999, "count": "y" * 999}, f"'count' is '{'y' * 59}, allowed is a whole number"),
        ({"count": True}, "'count' is True, allowed is a whole number"),
        ({"count": 1.5}, "'count' is 1.5, allowed is a whole number"),
        ({"sides": [1, "2"]}, "'sides.1' is '2', allowed is a whole number"),
        ({"sides": {"0": 1}}, "'sides' is a dict, allowed is a list"),
        ({"parts": {"b": None}}, "'parts.b' is None, allowed is a number"),
        ({"parts": {"a": 1}}, "'parts.a' is 1, allowed is true or false"),
        ({"row": [1, "x", 3]}, "'row' has 3 items, allowed are 2"),
        ({"empty": 0}, "'empty' is 0, allowed is null"),
        ({"row": [1, 2]}, "'row.1' is 2, allowed is text"),
        ({"parts": []}, "'parts' is a list, allowed is a mapping"),
        ({"parts": {3: 1}}, "'parts' has a key that is no text"),
    ],
)
def test_the_first_field_that_is_wrong_is_named(change: dict[str, Any], problem: str | None) -> None:
    """With its dotted key, what it is and what is allowed; long values are cut."""
    assert mismatch({**WHOLE, **change}, SCHEMA) == problem


def test_what_is_missing_and_what_is_no_mapping() -> None:
    """The two mistakes of a whole file."""
    assert mismatch({}, SCHEMA) == "it has no 'name'"
    assert mismatch({"a": {}}, {"a": {"b": int}}) == "it has no 'a.b'"
    assert mismatch([1], SCHEMA) == "it holds a list, allowed is a mapping"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "is damaged"),
        (b"\xff\xfe\x00", "is damaged"),
        (b"[" * 100_000, "is damaged"),
        (b'{"name": ' + b"9" * 5000 + b"}", "is damaged"),
        (b'{"name": 3}', "is damaged: 'name' is 3, allowed is text; make it again"),
    ],
)
def test_a_damaged_file_is_one_sentence(tmp_path: Path, content: bytes, message: str) -> None:
    """Whatever the parser raises; with the file and the remedy."""
    path = tmp_path / "notes.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read_json(path, {"name": str}, "make it again")
    assert str(path) in str(caught.value)
