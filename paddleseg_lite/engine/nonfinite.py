"""What to do when a loss, or the weights, are NaN or infinite."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import paddle

from paddleseg_lite import parallel
from paddleseg_lite.checkpoint import TrainState
from paddleseg_lite.datasets.loading.loader import Batch
from paddleseg_lite.engine.options import TrainOptions
from paddleseg_lite.engine.step import StepResult
from paddleseg_lite.errors import UserError

log = logging.getLogger(__name__)

_SHOWN = 8  # paths in a message


def judge(
    state: TrainState,
    batches: Sequence[Batch],
    result: StepResult,
    recent: Sequence[float],
    model: paddle.nn.Layer,
    options: TrainOptions,
    save: Callable[[], object],
) -> None:
    """Pass over an iteration whose loss is not finite, or end the run after saving.

    Args:
        state: of the iterations before; `extra["skipped"]` counts those that were passed over.
        batches: this rank's.
        result: of the step, which left the weights as they were.
        recent: the losses before.
        model: with the weights before the iteration.
        options: of the run.
        save: writes a checkpoint.

    Raises:
        UserError: more than `options.skip_nonfinite` iterations in this run had such a loss, or the weights
            are not finite, which no other batch can cure.
    """
    paths = [
        path
        for of_rank in parallel.all_gather_object([p for b in batches for p in b.paths])
        for path in of_rank
    ]
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    before = ", ".join(f"{loss:.4f}" for loss in recent) or "none"
    found = (
        f"the loss is {sum(result.losses)} at iteration {state.iteration + 1}, for "
        f"{', '.join(paths[:_SHOWN])}{more}; the last losses were {before}"
    )
    check_weights(model, options, found)
    skipped = state.extra.get("skipped", 0)
    if skipped < options.skip_nonfinite:
        state.extra["skipped"] = skipped + 1
        log.warning(f"[TRAIN] {found}: passed over, {skipped + 1} of {options.skip_nonfinite} tolerated")
        return
    save()
    raise UserError(
        f"{found}. The weights before it are in {options.save_dir / f'iter_{state.iteration}'}: look at "
        "these images and labels, lower the learning rate, or resume with --skip_nonfinite N to pass over N"
    )


def check_weights(model: paddle.nn.Layer, options: TrainOptions, found: str) -> None:
    """Refuse to go on, let alone to save, with weights or batch statistics that are not finite on some rank.

    Args:
        model: the network.
        options: of the run.
        found: what the message begins with: where the run stands.

    Raises:
        UserError: they are not.
    """
    is_finite = all(bool(paddle.isfinite(p.astype("float32")).all()) for p in model.parameters())
    if parallel.any_rank(not is_finite):
        raise UserError(
            f"{found}. The weights are not finite, so that nothing was saved: go on from an earlier "
            f"checkpoint in {options.save_dir} with a lower learning rate or with gradient clipping"
        )
