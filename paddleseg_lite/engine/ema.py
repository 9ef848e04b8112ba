"""An exponential moving average of a network's weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import paddle
from paddle import Tensor
from paddle.optimizer import Optimizer

from paddleseg_lite.paddle_compat import float32_weights

DECAY = 0.999


class ExponentialMovingAverage:
    """Shadow weights: shadow = decay x shadow + (1 - decay) x weight, after every update.

    The n-th update has min(decay, 1 - 1 / (n + 1)) as its decay, as in PaddleSeg. So the average begins as
    the plain mean of the weights so far, and the random ones at the start do not stay in it for long.

    Batch statistics are averaged like weights; integers, if any, are copied. Shadows are float32, also of
    half-precision weights: those could not hold a thousandth of themselves more. All lie in one vector, since
    a GPU takes as long to begin an operation as to do it on a layer's weights.

    Args:
        model: the network whose weights are followed, from those that it has now.
        decay: above 0 and up to 1; 0.999 remembers about a thousand iterations, 1 is the mean of all.
        optimizer: may have float32 masters of half-precision weights, which are followed then.

    Attributes:
        updates: how many there were.
    """

    def __init__(
        self, model: paddle.nn.Layer, decay: float = DECAY, optimizer: Optimizer | None = None
    ) -> None:
        self.model, self.decay, self.optimizer, self.updates = model, decay, optimizer, 0
        self._take(float32_weights(model, optimizer))

    @paddle.no_grad()
    def update(self) -> None:
        """Follow the network by one step."""
        self.updates += 1
        decay = min(self.decay, 1 - 1 / (self.updates + 1))
        weights = float32_weights(self.model, self.optimizer)
        self._shadow.scale_(decay).add_(_in_one(weights).scale_(1 - decay))  # lerp_ uploads its factor
        self._others = _not_averaged(weights)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let the network have the averaged weights for the length of a `with` block."""
        own = {key: value.clone().detach() for key, value in self.model.state_dict().items()}
        self._set(self.state_dict())
        try:
            yield
        finally:
            self._set(own)

    @paddle.no_grad()
    def _set(self, weights: Mapping[str, Tensor]) -> None:
        for key, value in self.model.state_dict().items():
            paddle.assign(weights[key].astype(value.dtype), output=value)  # 2.6 has set_value go by the host

    def state_dict(self) -> dict[str, Tensor]:
        """Return the averaged weights, by the model's keys."""
        own = self.model.state_dict()
        averaged = [key for key in own if key not in self._others]
        shadows = paddle.split(self._shadow, [int(own[key].size) for key in averaged])
        found = {key: shadow.reshape(own[key].shape) for key, shadow in zip(averaged, shadows)}
        found.update(self._others)
        return {key: found[key] for key in own}

    def load_state_dict(self, state: Mapping[str, np.ndarray | Tensor], updates: int) -> None:
        """Take averaged weights, by the model's keys, and the number of updates that they are of."""
        self._take({key: paddle.to_tensor(state[key]) for key in self.model.state_dict()})
        self.updates = updates

    @paddle.no_grad()
    def _take(self, weights: Mapping[str, Tensor]) -> None:
        self._shadow, self._others = _in_one(weights), _not_averaged(weights)  # float32 [weights]; the rest


def _in_one(weights: Mapping[str, Tensor]) -> Tensor:
    """Return all floating-point weights as one float32 vector."""
    flat = [value.flatten() for value in weights.values() if paddle.is_floating_point(value)]
    return paddle.concat([x if x.dtype == paddle.float32 else x.astype("float32") for x in flat])


def _not_averaged(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in weights.items() if not paddle.is_floating_point(value)}
