"""The state of every random number generator that a network or a loss may draw from, as plain data.

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


def rng_state() -> dict[str, Any]:
    """Return the generators' state: Paddle's on CPU and GPUs, NumPy's global one, Python's."""
    name, keys, *rest = np.random.get_state(legacy=True)
    version, internal, gauss = random.getstate()
    return {
        **generator_states(),
        "numpy": [name, np.asarray(keys), *rest],
        "python": [version, list(internal), gauss],
    }


def set_rng_state(saved: dict[str, Any]) -> None:
    """Continue from what `rng_state` returned; generators of devices that are not here are left alone."""
    set_generator_states(saved)
    np.random.set_state(tuple(saved["numpy"]))
    version, internal, gauss = saved["python"]
    random.setstate((version, tuple(internal), gauss))
