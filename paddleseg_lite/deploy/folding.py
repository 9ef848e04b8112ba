"""Batch normalisation folded into the convolutions before it: the same function with fewer steps."""

from __future__ import annotations

import copy
import logging
from typing import Any

import numpy as np
import paddle
from paddle import nn

from paddleseg_lite.paddle_compat import epsilon, running_statistics

_log = logging.getLogger(__name__)

_TOLERANCE = 1e-3  # of the logits' standard deviation; on a CPU, rounding alone is 1e-5


def folded(model: nn.Layer, image: paddle.Tensor) -> nn.Layer:
    """Return a copy of a network in eval mode, each BatchNorm2D that follows a Conv2D folded into it.

    Which one follows which is seen by running the network once, whatever it is built of. If the copy's logits
    differ from the network's (a convolution's output was also used elsewhere), the plain copy is returned.
    The model is left as it is, but in eval mode. It should lie on the CPU: a GPU's TF32 rounds folded weights
    otherwise than plain ones, and that logits differ then tells nothing.
    """
    model.eval()
    with paddle.no_grad():
        expected = model(image)[0].numpy()
        plain = copy.deepcopy(model)
        result = copy.deepcopy(model)
        for conv, norm in _pairs(result, image):
            _fold(conv, norm)
            _replace(result, norm)
        found = result(image)[0].numpy()
    apart = float(np.abs(found - expected).max()) / (float(expected.std()) or 1.0)
    if not apart <= _TOLERANCE:
        _log.info(
            "batch normalisation is not folded: the logits would differ by %.2g of their standard deviation "
            "(allowed: %g), as they do if a convolution's output is used elsewhere too",
            apart,
            _TOLERANCE,
        )
        return plain
    return result


def _pairs(model: nn.Layer, image: paddle.Tensor) -> list[tuple[nn.Conv2D, nn.BatchNorm2D]]:
    """Return the convolutions, each used once, whose output goes into a batch normalisation."""
    makers: dict[int, nn.Conv2D] = {}
    outputs = []  # kept alive, so that no two of them have the same id
    pairs: list[tuple[nn.Conv2D, nn.BatchNorm2D]] = []

    def after_conv(layer: Any, _: Any, output: Any) -> Any:
        outputs.append(output)
        makers[id(output)] = layer

    def before_norm(layer: Any, inputs: Any) -> Any:
        conv = makers.get(id(inputs[0]))
        if conv is not None:
            pairs.append((conv, layer))

    hooks = []
    for layer in model.sublayers():
        if isinstance(layer, nn.Conv2D):
            hooks.append(layer.register_forward_post_hook(after_conv))
        elif isinstance(layer, nn.BatchNorm2D):
            hooks.append(layer.register_forward_pre_hook(before_norm))
    model(image)
    for hook in hooks:
        hook.remove()
    uses = [id(conv) for conv in makers.values()]
    convs, norms = [id(conv) for conv, _ in pairs], [id(norm) for _, norm in pairs]
    return [
        (conv, norm)
        for conv, norm in pairs
        if uses.count(id(conv)) == convs.count(id(conv)) == norms.count(id(norm)) == 1
    ]


def _fold(conv: nn.Conv2D, norm: nn.BatchNorm2D) -> None:
    """Give a convolution the scale and shift of the batch normalisation behind it."""
    mean, variance = (t.numpy().astype(np.float64) for t in running_statistics(norm))
    gain = (1.0 if norm.weight is None else norm.weight.numpy().astype(np.float64)) / np.sqrt(
        variance + epsilon(norm)
    )
    shift = 0.0 if norm.bias is None else norm.bias.numpy().astype(np.float64)
    bias = 0.0 if conv.bias is None else conv.bias.numpy().astype(np.float64)
    conv.weight.set_value((conv.weight.numpy() * gain[:, None, None, None]).astype(np.float32))
    if conv.bias is None:
        conv.bias = conv.create_parameter([conv.weight.shape[0]], is_bias=True)
    conv.bias.set_value(((bias - mean) * gain + shift).astype(np.float32))


def _replace(model: nn.Layer, norm: nn.BatchNorm2D) -> None:
    """Put an identity where a batch normalisation was."""
    for parent in model.sublayers(include_self=True):
        for name, child in parent.named_children():
            if child is norm:
                parent.add_sublayer(name, nn.Identity())
