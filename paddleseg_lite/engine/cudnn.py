"""How cuDNN chooses among its algorithms for a convolution."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import paddle

from paddleseg_lite.errors import UserError
from paddleseg_lite.transforms import Compose, GeometricTransform, Window

_SEARCH, _DETERMINISTIC = "FLAGS_cudnn_exhaustive_search", "FLAGS_cudnn_deterministic"
_SIZES = ((48, 96), (480, 360), (1024, 2048))  # height, width of images that a data set may have
_DRAWS = 4


@contextmanager
def algorithm_search(is_on: bool) -> Iterator[None]:
    """Time the algorithms at each new convolution, or not, for the length of a `with` block.

    That pays if the sizes stay: each new one costs seconds. What is in the environment has precedence, and so
    has determinism, which Paddle refuses to combine with a search. Without a GPU this does nothing.
    """
    if not paddle.get_device().startswith("gpu") or _SEARCH in os.environ:
        yield
        return
    before = paddle.get_flags([_SEARCH, _DETERMINISTIC])
    paddle.set_flags({_SEARCH: is_on and not before[_DETERMINISTIC]})
    try:
        yield
    finally:
        paddle.set_flags({_SEARCH: before[_SEARCH]})


def makes_one_size(transforms: Compose) -> bool:
    """Return whether images of all sizes come out in one, as behind a crop of a fixed size."""
    plans = [step for step in transforms.transforms if isinstance(step, GeometricTransform)]
    rng, results = np.random.default_rng(0), set()
    for height, width in _SIZES * _DRAWS:
        window = Window.identity(height, width)
        try:
            for step in plans:
                window = step.plan(window, rng)
        except UserError:  # an image too large for a padding
            return False
        results.add((window.height, window.width))
    return len(results) == 1
