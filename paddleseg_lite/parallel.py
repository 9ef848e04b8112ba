"""Several processes that train one network, through paddle.distributed; a single one needs none of it.

Processes are called ranks. `python -m paddle.distributed.launch` starts them and tells each its number.
"""

from __future__ import annotations

import itertools
import os
import time
from typing import Any

import numpy as np
import paddle
import paddle.distributed as dist

from paddleseg_lite.errors import UserError
from paddleseg_lite.paddle_compat import count_in_store, has_fixed_statistics

_PATIENCE = 1800.0  # seconds that ranks on CPUs wait for one that writes or reads; as long as NCCL does
_POLL = 0.002  # seconds
_meetings = itertools.count()


def rank() -> int:
    """Return this process's number, 0 for the one that writes files."""
    return int(dist.get_rank())


def world_size() -> int:
    """Return how many processes train together."""
    return int(dist.get_world_size())


def is_main() -> bool:
    """Return whether this is the process that writes files and log lines."""
    return rank() == 0


def join() -> None:
    """Connect to the other ranks, if the launcher started several: NCCL on GPUs, gloo on CPUs."""
    if world_size() > 1 and not dist.is_initialized():
        if paddle.get_device() == "cpu":  # a Paddle built for GPUs would take NCCL all the same
            os.environ["PADDLE_DISTRI_BACKEND"] = "gloo"
        dist.init_parallel_env()


def meet() -> None:
    """Wait for all ranks, on CPUs: gloo fails in an exchange for which one of them is 30 seconds late.

    So much the first rank may be, which writes files. All exchanges begin with this, and so does an
    iteration, in whose backward pass gradients are exchanged. It lets signals be handled.

    Raises:
        UserError: some did not come in half an hour.
    """
    if world_size() == 1 or paddle.get_device() != "cpu":
        return
    name, end = f"paddleseg_lite/{next(_meetings)}", time.monotonic() + _PATIENCE
    here = count_in_store(name, 1)
    while here < world_size():
        if time.monotonic() > end:
            raise UserError(
                f"only {here} of {world_size()} ranks came in {_PATIENCE:.0f} s; look into the others' logs "
                "(workerlog.*) and at their machines"
            )
        time.sleep(_POLL)
        here = count_in_store(name, 0)


def distribute(model: paddle.nn.Layer) -> paddle.nn.Layer:
    """Return the network to train with: gradients are averaged over the ranks in backward.

    On GPUs batch normalisation takes its statistics over all ranks (Paddle has no such kernel for CPUs). A
    single process gets the model itself.
    """
    if world_size() == 1:
        return model
    join()
    if paddle.get_device() != "cpu":
        model = synchronised(model)
    meet()
    return paddle.DataParallel(model)


def synchronised(model: paddle.nn.Layer) -> paddle.nn.Layer:
    """Let batch normalisation take its statistics over all ranks, but where it is frozen.

    Paddle's own conversion would make layers with `use_global_stats` learn statistics again.
    """
    frozen = [
        (parent, name, child)
        for parent in model.sublayers(include_self=True)
        for name, child in parent.named_children()
        if has_fixed_statistics(child)
    ]
    model = paddle.nn.SyncBatchNorm.convert_sync_batchnorm(model)
    for parent, name, child in frozen:
        parent.add_sublayer(name, child)
    return model


def all_reduce_mean(values: list[float]) -> list[float]:
    """Return the means over the ranks; NaN and infinity on one reach all."""
    if world_size() == 1:
        return values
    meet()
    total = paddle.to_tensor(values, dtype="float64")
    dist.all_reduce(total)
    return [float(value) / world_size() for value in total.numpy()]


def all_reduce_sum(counts: np.ndarray) -> np.ndarray:
    """Return the sum over the ranks of integers [...], exactly."""
    if world_size() == 1:
        return counts
    meet()
    tensor = paddle.to_tensor(counts.astype(np.int64))
    dist.all_reduce(tensor)
    return tensor.numpy()


def all_gather_object(value: Any) -> list[Any]:
    """Return every rank's value, by rank; any plain object."""
    if world_size() == 1:
        return [value]
    meet()
    values: list[Any] = []
    dist.all_gather_object(values, value)
    return values


def any_rank(flag: bool) -> bool:
    """Return whether the flag is set on some rank."""
    return bool(all_reduce_sum(np.array([int(flag)]))[0])


def statistics(model: paddle.nn.Layer) -> list[paddle.Tensor]:
    """Return what a forward pass changes: batch normalisation's running means and variances, [C] each.

    Paddle keeps them among the parameters, as some that are not trained; frozen weights are there as well.
    """
    return [*model.buffers(), *(weight for weight in model.parameters() if weight.stop_gradient)]


def share_statistics(model: paddle.nn.Layer) -> None:
    """Give all ranks rank 0's running statistics; on CPUs every rank has those of its own images."""
    if world_size() > 1:
        meet()
        for tensor in statistics(model):
            dist.broadcast(tensor, src=0)


def check_same(what: str, value: Any) -> None:
    """Refuse ranks that do not agree on `value`, before they wait for each other for ever.

    Raises:
        UserError: they differ.
    """
    values = all_gather_object(value)
    if any(other != values[0] for other in values):
        raise UserError(
            f"the ranks differ in {what}: {values}; start all with the same command, and let save_dir be a "
            "folder that all machines share"
        )
