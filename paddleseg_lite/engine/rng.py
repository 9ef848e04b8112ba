"""The state of every random number generator that a network or a loss may draw from.

The order and the augmentation of samples do not depend on it: they are functions of the seed.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import paddle

from paddleseg_lite.paddle_compat import generator_states, set_generator_states


def seed_everything(seed: int) -> None:
    """Seed Paddle's generators, NumPy's global one and Python's, which a user's own parts may draw from."""
    paddle.seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


def state_dict() -> dict[str, Any]:
    """Return the state of Paddle's generators, of NumPy's global one and Python's."""
    name, keys, *rest = np.random.get_state(legacy=True)
    version, internal, gauss = random.getstate()
    return {
        **generator_states(),
        "numpy": [name, np.asarray(keys), *rest],
        "python": [version, list(internal), gauss],
    }


def load_state_dict(state: dict[str, Any]) -> None:
    """Continue from what `state_dict` returned; generators of devices that are not here are left alone.

    Raises:
        ValueError: a state is none, such as would be read beyond its end.
    """
    set_generator_states(state)
    if not 0 <= state["numpy"][2] <= 624:  # NumPy itself would not notice
        raise ValueError(f"NumPy's generator stands at {state['numpy'][2]} of 624")
    np.random.set_state(tuple(state["numpy"]))
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
