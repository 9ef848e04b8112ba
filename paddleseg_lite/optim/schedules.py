"""Learning rate schedules: Paddle's and Piecewise, with a linear warm-up before them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from paddle.optimizer import lr
from paddle.optimizer.lr import LinearWarmup, LRScheduler

from paddleseg_lite.errors import UserError
from paddleseg_lite.registry import SCHEDULERS

for _name, _schedule in inspect.getmembers(lr, inspect.isclass):
    # ReduceOnPlateau is stepped with a metric, by evaluations; training steps once per iteration.
    if issubclass(_schedule, LRScheduler) and _schedule not in (LRScheduler, lr.ReduceOnPlateau):
        SCHEDULERS.register(_schedule, _name)


@SCHEDULERS.register
def Piecewise(
    learning_rate: float, boundaries: Sequence[int], values: Sequence[float] | None = None
) -> lr.PiecewiseDecay:
    """Make PaddleClas' Piecewise: another learning rate from each boundary on.

    Args:
        learning_rate: the first one.
        boundaries: iterations, none before another; a config may have `decay_epochs` in their place.
        values: all rates, one more than boundaries; None: each a tenth of the one before.

    Raises:
        UserError: the boundaries do not ascend, or the values are not as many or begin with another one.
    """
    if list(boundaries) != sorted(boundaries):  # some of a tiny data set's epochs may end at one iteration
        raise UserError(
            f"boundaries (or decay_epochs) must ascend; in iterations they are {list(boundaries)}"
        )
    if values is None:
        values = [learning_rate * 0.1**number for number in range(len(boundaries) + 1)]
    if len(values) != len(boundaries) + 1 or values[0] != learning_rate:
        raise UserError(
            f"values is {list(values)}; give {len(boundaries) + 1} for the {len(boundaries)} boundaries (or "
            f"decay_epochs), beginning with learning_rate, {learning_rate}; or leave it out"
        )
    return lr.PiecewiseDecay(list(boundaries), list(values))


def make_schedule(
    schedule: Callable[..., LRScheduler],
    warmup_iters: int = 0,
    warmup_start_lr: float = 0.0,
    **arguments: Any,
) -> LRScheduler:
    """Make a schedule that is stepped once per iteration.

    Args:
        schedule: a class such as paddle.optimizer.lr.PolynomialDecay.
        warmup_iters: iterations of linear warm-up before `schedule` starts; 0 for none.
        warmup_start_lr: learning rate at iteration 0 of a warm-up.
        **arguments: what `schedule` takes; the warm-up ends at its `learning_rate`, or at its first
            value if it takes none.
    """
    main = schedule(**arguments)
    if warmup_iters == 0:
        return main
    end_lr = arguments.get("learning_rate", main())
    return LinearWarmup(main, warmup_iters, warmup_start_lr, end_lr)
