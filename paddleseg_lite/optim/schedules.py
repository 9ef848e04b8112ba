"""Learning rate schedules: every class of paddle.optimizer.lr, with a linear warm-up before it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from paddle.optimizer import lr
from paddle.optimizer.lr import LinearWarmup, LRScheduler

from paddleseg_lite.registry import SCHEDULERS

for _name, _schedule in inspect.getmembers(lr, inspect.isclass):
    # ReduceOnPlateau is stepped with a metric, by evaluations; training steps once per iteration.
    if issubclass(_schedule, LRScheduler) and _schedule not in (LRScheduler, lr.ReduceOnPlateau):
        SCHEDULERS.register(_schedule, _name)


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
