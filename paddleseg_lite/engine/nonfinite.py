"""What to do when a loss, or the weights, are NaN or infinite."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import paddle

from paddleseg_lite import parallel
from paddleseg_lite.checkpoint.state import TrainState
from paddleseg_lite.engine.feed import Pass
from paddleseg_lite.engine.options import TrainOptions
from paddleseg_lite.errors import Diverged
from paddleseg_lite.printable import some

log = logging.getLogger(__name__)

_SHOWN = 8  # paths in a message


def handle_nonfinite_loss(
    state: TrainState,
    passes: Sequence[Pass],
    *,
    losses: Sequence[float],
    recent: Sequence[float],
    model: paddle.nn.Layer,
    options: TrainOptions,
    save: Callable[[], object],
) -> None:
    """Pass over an iteration whose loss is not finite, or end the run after saving; all ranks do so together.

    Raises:
        Diverged: more than `options.skip_nonfinite` iterations in this run had such a loss, or the weights
            are not finite, which no other batch can cure.
    """
    of_ranks = parallel.all_gather_object([path for one in passes for path in one.paths])
    paths = [path for of_rank in of_ranks for path in of_rank]
    loss, *before = parallel.all_reduce_mean([sum(losses), *recent])
    told = ", ".join(f"{value:.4f}" for value in before) or "none"
    found = (
        f"the loss is {loss} at iteration {state.iteration + 1}, for {some(paths, _SHOWN)}; "
        f"the last losses were {told}"
    )
    check_weights(model, options.save_dir, found)
    if state.skipped < options.skip_nonfinite:
        state.skipped += 1
        log.warning(f"[TRAIN] {found}: passed over, {state.skipped} of {options.skip_nonfinite} tolerated")
        return
    save()
    raise Diverged(
        f"{found}. The weights before it are in {options.save_dir / f'iter_{state.iteration}'}: look at "
        "these images and labels, lower the learning rate, or resume with --skip_nonfinite N to pass over N"
    )


def check_weights(model: paddle.nn.Layer, save_dir: Path, found: str) -> None:
    """Refuse to go on, let alone to save, with weights or batch statistics that are not finite on some rank.

    Raises:
        Diverged: they are not.
    """
    are_finite = [paddle.isfinite(p.astype("float32")).all() for p in model.parameters()]
    if parallel.any_rank(not bool(paddle.stack(are_finite).all())):  # one read, not one for each
        raise Diverged(
            f"{found}. The weights are not finite, so that nothing was saved: go on from an earlier "
            f"checkpoint in {save_dir} with a lower learning rate or with gradient clipping"
        )
