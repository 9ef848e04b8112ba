"""The state of every random number generator that a network or a loss may draw from, as plain data.

The order and the augmentation of samples do not depend on it: they are functions of the seed.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import paddle


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
        "paddle": [_plain(state) for state in paddle.get_rng_state("cpu")],
        "cuda": [_plain(state) for state in paddle.get_cuda_rng_state()],
        "numpy": [name, np.asarray(keys), *rest],
        "python": [version, list(internal), gauss],
    }


def set_rng_state(saved: dict[str, Any]) -> None:
    """Continue from what `rng_state` returned; generators of devices that are not here are left alone."""
    # Not paddle.set_rng_state(states, "cpu"), which raises before Paddle 3.3.
    cpu = paddle.base.core.default_cpu_generator()
    _restore([cpu.get_state()], saved["paddle"], lambda states: cpu.set_state(states[0]))
    _restore(paddle.get_cuda_rng_state(), saved["cuda"], paddle.set_cuda_rng_state)
    np.random.set_state(tuple(saved["numpy"]))
    version, internal, gauss = saved["python"]
    random.setstate((version, tuple(internal), gauss))


def _plain(state: Any) -> list[Any]:
    """Return a GeneratorState's fields: device, seed, offset and, from Paddle 3.0 on, the engine as text."""
    return [bytes(x).decode("ascii") if isinstance(x, list) else x for x in state.__getstate__()]


def _restore(current: list[Any], saved: list[list[Any]], set_states: Any) -> None:
    if not saved or len(current) != len(saved):
        return
    if saved[0][0] < 0 and len(saved[0]) < 4:
        return  # Paddle 2.6 does not give away the engine of its CPU generator
    states = []
    for own, fields in zip(current, saved):
        state = own.__class__.__new__(own.__class__)
        state.__setstate__(tuple(list(x.encode("ascii")) if isinstance(x, str) else x for x in fields))
        states.append(state)
    set_states(states)
