"""When a loss, or the weights, are NaN or infinite."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import paddle

from paddleseg_lite import parallel
from paddleseg_lite.datasets.loading.loader import Batch
from paddleseg_lite.errors import UserError

_SHOWN = 8  # paths in a message


def describe(
    iteration: int, passes: Sequence[Batch], losses: Sequence[float], recent: Sequence[float]
) -> str:
    """Say which iteration had a loss that is not finite, for which images; all ranks ask together.

    Args:
        iteration: its number.
        passes: this rank's.
        losses: this rank's.
        recent: the losses before, on this rank.
    """
    of_ranks = parallel.all_gather_object([path for batch in passes for path in batch.paths])
    paths = [path for of_rank in of_ranks for path in of_rank]
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    loss, *before = parallel.all_reduce_mean([sum(losses), *recent])
    told = ", ".join(f"{value:.4f}" for value in before) or "none"
    return (
        f"the loss is {loss} at iteration {iteration}, for {', '.join(paths[:_SHOWN])}{more}; "
        f"the last losses were {told}"
    )


def check_weights(model: paddle.nn.Layer, save_dir: Path, found: str) -> None:
    """Refuse to go on, let alone to save, with weights or batch statistics that are not finite on some rank.

    Args:
        model: the network.
        save_dir: the run's folder, for the message.
        found: what the message begins with: where the run stands.

    Raises:
        UserError: they are not.
    """
    is_finite = all(bool(paddle.isfinite(p.astype("float32")).all()) for p in model.parameters())
    if parallel.any_rank(not is_finite):
        raise UserError(
            f"{found}. The weights are not finite, so that nothing was saved: go on from an earlier "
            f"checkpoint in {save_dir} with a lower learning rate or with gradient clipping"
        )
