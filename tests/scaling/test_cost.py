"""Latencies that are measured once, kept, and known better when they are measured again."""

from __future__ import annotations

import json

import pytest

from paddleseg_lite.errors import UserError
from paddleseg_lite.scaling.cost import Latency, Macs

MODEL = {"type": "LPSNet"}


def test_a_latency_is_measured_once_for_each_condition(tmp_path):
    """Also by the next process; another runtime, size or machine measures for itself."""
    measured = []

    def measure(model):
        measured.append(model)
        return [3.0, 1.0, 2.0]

    path = tmp_path / "latency.json"
    first = Latency(path, measure, "onnxruntime, 64x32, here")
    assert first.of("a", MODEL).value == 2.0
    assert Latency(path, measure, "onnxruntime, 64x32, here").of("a", MODEL) == first.of("a", MODEL)
    assert len(measured) == 1
    Latency(path, measure, "paddle, 64x32, here").of("a", MODEL)
    first.of("b", MODEL)
    assert len(measured) == 3
    assert len(json.loads(path.read_text())) == 3 - 1, (
        "the second object began from the file, the third later"
    )


def test_measuring_again_keeps_the_fastest_rounds_of_all(tmp_path):
    """A time in which the machine was busy leaves no trace; the spread is the range of the ten fastest."""
    rounds = [[1.0, 3.0, 4.0, 7.0, 2.0], [9.0, 20.0, 5.0, 11.0, 8.0, 7.0, 6.0, 10.0]]
    latency = Latency(tmp_path / "latency.json", lambda model: rounds.pop(), "here")
    first = latency.of("a", MODEL)
    assert first == (8.5, 15.0)
    assert latency.again("a", MODEL) == (5.5, 8.0), "1, 2, 3, 4, 5, 6, 7, 7, 8, 9"
    assert not rounds


def test_a_damaged_file_is_refused_in_a_sentence(tmp_path):
    """It says what to do; no latency is taken from it."""
    path = tmp_path / "latency.json"
    path.write_text('{"a, here": [1, "fast"]}')
    with pytest.raises(UserError, match=r"damaged: 'a, here.*remove it"):
        Latency(path, lambda model: [1.0], "here")


def test_macs_have_no_spread():
    """Nothing is measured again."""
    macs = Macs({"a": 2.5}.__getitem__, "64x32")
    assert macs.of("a", MODEL) == macs.again("a", MODEL) == (2.5, 0.0)
