"""An exponential moving average of a network's weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import paddle

from paddleseg_lite.checkpoint.folders import weights_file
from paddleseg_lite.checkpoint.weights import read_weights


class ExponentialMovingAverage:
    """Shadow weights: shadow = decay x shadow + (1 - decay) x weight, after every update.

    Batch statistics are averaged like weights; integers, if any, are copied. Shadows are float32, also of
    half-precision weights: those could not hold a thousandth of themselves more.

    Args:
        model: the network whose weights are followed.
        decay: between 0 and 1; 0.999 remembers about a thousand iterations.
    """

    def __init__(self, model: paddle.nn.Layer, decay: float = 0.999) -> None:
        self.model, self.decay = model, decay
        self._start_anew()

    def _start_anew(self) -> None:
        self.weights = {key: _copy(value) for key, value in self.model.state_dict().items()}

    @paddle.no_grad()
    def update(self) -> None:
        """Follow the network by one step."""
        for key, value in self.model.state_dict().items():
            shadow = self.weights[key]
            if paddle.is_floating_point(value):
                shadow.scale_(self.decay).add_(value.astype(shadow.dtype) * (1 - self.decay))
            else:
                shadow.set_value(value)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let the network have the averaged weights for the length of a `with` block."""
        own = {key: value.clone().detach() for key, value in self.model.state_dict().items()}
        self._set(self.weights)
        try:
            yield
        finally:
            self._set(own)

    def _set(self, weights: Mapping[str, paddle.Tensor]) -> None:
        for key, value in self.model.state_dict().items():
            value.set_value(weights[key].astype(value.dtype))

    def load(self, checkpoint: Path) -> None:
        """Read the average that a checkpoint holds; one without starts from the network's weights."""
        file = weights_file(checkpoint, "ema")
        if file.exists():
            for key, value in read_weights(file).items():
                self.weights[key].set_value(value)
        else:
            self._start_anew()


def _copy(value: paddle.Tensor) -> paddle.Tensor:
    is_half = value.dtype in (paddle.float16, paddle.bfloat16)
    return (value.astype("float32") if is_half else value.clone()).detach()
