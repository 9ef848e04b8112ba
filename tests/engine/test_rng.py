"""The state of random generators, as a checkpoint may give it back."""

from __future__ import annotations

import copy
import random
from typing import Any

import numpy as np
import paddle
import pytest

from paddleseg_lite.engine import rng
from tests.engine.toy import GENERATOR_CAN_BE_SAVED


def drawn() -> list[float]:
    of_paddle = [paddle.rand([1]).item()] if GENERATOR_CAN_BE_SAVED else []
    return [random.random(), float(np.random.rand()), *of_paddle]


def test_all_go_on_where_they_were() -> None:
    """Python's, NumPy's and Paddle's."""
    state = copy.deepcopy(rng.state_dict())
    first = drawn()
    rng.load_state_dict(state)
    assert drawn() == first


def forged(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(rng.state_dict()), **changes}


def test_a_place_beyond_the_end_is_refused() -> None:
    """NumPy and C++ would read the memory that is there."""
    name, keys, _, *rest = rng.state_dict()["numpy"]
    for place in (-1, 625, 10**9):
        with pytest.raises(ValueError, match=f"NumPy's generator stands at {place} of 624"):
            rng.load_state_dict(forged(numpy=[name, keys, place, *rest]))
    engine = "1 " * 312
    for text in ("", "x", engine + "313", engine + "1 1", "-1 " * 312):
        with pytest.raises(ValueError, match="engine is none"):
            rng.load_state_dict(forged(paddle=[[-1, 1, 0, text]]))
