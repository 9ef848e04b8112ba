"""Sentences of what was found."""

from __future__ import annotations

import re

import pytest

from paddleseg_lite.annotations.findings import _SENTENCES, Notes


@pytest.mark.parametrize("kind", _SENTENCES)
def test_a_sentence_fits_one_and_several(kind):
    """What is the matter is said in the same words of both: no "2 shapes that reaches out"."""
    notes = Notes()
    notes.add(kind, "a")
    (one,) = notes.findings()
    notes.add(kind, "b")
    (two,) = notes.findings()
    noun, matter, _ = _SENTENCES[kind]
    assert one.found == f"1 {noun} {matter}: a"
    assert re.fullmatch(rf"2 {noun[:-1]}\w+ {re.escape(matter)}: a, b", two.found)
    assert not re.match(r"that (is|\w+s)\b", matter)  # nor "2 names that is"
