"""An exponential moving average of a network's weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import paddle
from paddle import Tensor


class ExponentialMovingAverage:
    """Shadow weights: shadow = decay x shadow + (1 - decay) x weight, after every update.

    Batch statistics are averaged like weights; integers, if any, are copied. Shadows are float32, also of
    half-precision weights: those could not hold a thousandth of themselves more.

    Args:
        model: the network whose weights are followed, from those that it has now.
        decay: between 0 and 1; 0.999 remembers about a thousand iterations.
    """

    def __init__(self, model: paddle.nn.Layer, decay: float = 0.999) -> None:
        self.model, self.decay = model, decay
        self._weights = {key: _copy(value) for key, value in model.state_dict().items()}

    @paddle.no_grad()
    def update(self) -> None:
        """Follow the network by one step."""
        for key, value in self.model.state_dict().items():
            shadow = self._weights[key]
            if paddle.is_floating_point(value):
                shadow.scale_(self.decay).add_(value.astype(shadow.dtype) * (1 - self.decay))
            else:
                shadow.set_value(value)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let the network have the averaged weights for the length of a `with` block."""
        own = {key: value.clone().detach() for key, value in self.model.state_dict().items()}
        self._set(self._weights)
        try:
            yield
        finally:
            self._set(own)

    def _set(self, weights: Mapping[str, Tensor]) -> None:
        for key, value in self.model.state_dict().items():
            value.set_value(weights[key].astype(value.dtype))

    def state_dict(self) -> dict[str, Tensor]:
        """Return the averaged weights, by the model's keys; not copies."""
        return self._weights

    def load_state_dict(self, state: Mapping[str, np.ndarray | Tensor]) -> None:
        """Take averaged weights, by the model's keys."""
        for key, value in state.items():
            self._weights[key].set_value(value)


def _copy(value: Tensor) -> Tensor:
    is_half = value.dtype in (paddle.float16, paddle.bfloat16)
    return (value.astype("float32") if is_half else value.clone()).detach()
