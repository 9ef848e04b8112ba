"""Optimizers with PaddleSeg's names and arguments, made from a schedule and a model's parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import paddle
from paddle import Tensor
from paddle.optimizer.lr import LRScheduler

from paddleseg_lite import paddle_compat
from paddleseg_lite.errors import UserError
from paddleseg_lite.registry import OPTIMIZERS, did_you_mean

_CLIPS = ("ClipGradByGlobalNorm", "ClipGradByNorm", "ClipGradByValue")


@OPTIMIZERS.register
def SGD(
    learning_rate: LRScheduler | float,
    parameters: Sequence[Tensor],
    weight_decay: float | None = None,
    momentum: float | None = None,
    use_nesterov: bool = False,
    grad_clip_cfg: dict[str, Any] | None = None,
) -> paddle.optimizer.Optimizer:
    """Make stochastic gradient descent; with `momentum` it is `Momentum`, as in PaddleSeg.

    A parameter's own regularizer (`ParamAttr(regularizer=...)`) takes the place of `weight_decay`.
    """
    if momentum is not None:
        return Momentum(learning_rate, parameters, momentum, use_nesterov, weight_decay, grad_clip_cfg)
    return paddle.optimizer.SGD(learning_rate, parameters, **_decay_and_clip(weight_decay, grad_clip_cfg))


@OPTIMIZERS.register
def Momentum(
    learning_rate: LRScheduler | float,
    parameters: Sequence[Tensor],
    momentum: float = 0.9,
    use_nesterov: bool = False,
    weight_decay: float | None = None,
    grad_clip_cfg: dict[str, Any] | None = None,
) -> paddle.optimizer.Optimizer:
    """Make gradient descent with momentum and L2 `weight_decay`, which is added to the gradient.

    A parameter's own regularizer (`ParamAttr(regularizer=...)`) takes the place of `weight_decay`.
    """
    decay_and_clip = _decay_and_clip(weight_decay, grad_clip_cfg)
    return paddle_compat.Momentum(
        learning_rate, momentum, parameters, use_nesterov, use_multi_tensor=True, **decay_and_clip
    )


@OPTIMIZERS.register
def Adam(
    learning_rate: LRScheduler | float,
    parameters: Sequence[Tensor],
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float | None = None,
    grad_clip_cfg: dict[str, Any] | None = None,
) -> paddle.optimizer.Optimizer:
    """Make Adam; `weight_decay` is L2, a parameter's own regularizer takes its place."""
    decay_and_clip = _decay_and_clip(weight_decay, grad_clip_cfg)
    return paddle_compat.Adam(
        learning_rate, beta1, beta2, epsilon, parameters, use_multi_tensor=True, **decay_and_clip
    )


@OPTIMIZERS.register
def AdamW(
    learning_rate: LRScheduler | float,
    parameters: Sequence[Tensor],
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.01,
    grad_clip_cfg: dict[str, Any] | None = None,
) -> paddle.optimizer.Optimizer:
    """Make AdamW; parameters with a regularizer of their own are left out of `weight_decay`.

    Paddle's AdamW would decay them all the same, batch norms that a model exempts included.
    """
    exempt = {parameter.name for parameter in parameters if parameter.regularizer is not None}
    return paddle.optimizer.AdamW(
        learning_rate,
        beta1,
        beta2,
        epsilon,
        parameters,
        weight_decay=weight_decay,
        apply_decay_param_fun=lambda name: name not in exempt,
        grad_clip=_clip(grad_clip_cfg),
    )


OPTIMIZERS.register(SGD, "sgd")  # PaddleSeg's other names
OPTIMIZERS.register(Adam, "adam")


def _decay_and_clip(weight_decay: float | None, grad_clip_cfg: dict[str, Any] | None) -> dict[str, Any]:
    """Return the arguments of Paddle's optimizers for L2 decay and a gradient clip."""
    l2 = None if weight_decay is None else paddle.regularizer.L2Decay(float(weight_decay))
    return {"weight_decay": l2, "grad_clip": _clip(grad_clip_cfg)}


def _clip(config: dict[str, Any] | None) -> Any:
    """Make a gradient clip from PaddleSeg's `grad_clip_cfg`: `name` and that class's arguments."""
    if config is None:
        return None
    arguments = dict(config)
    name = arguments.pop("name", None)
    if name not in _CLIPS:
        hint = did_you_mean(name, _CLIPS)
        raise UserError(f"grad_clip_cfg.name is {name!r}{hint}; allowed are {', '.join(_CLIPS)}")
    try:
        return getattr(paddle.nn, name)(**arguments)
    except TypeError as error:
        raise UserError(f"grad_clip_cfg does not fit {name}: {error}") from error
