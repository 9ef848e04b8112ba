"""Training in each precision: is it finite, how fast is it, does it go on from its checkpoint?"""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from statistics import median

import paddle

from paddleseg_lite.doctor.checks.runs import lraspp, run, same_weights
from paddleseg_lite.doctor.finding import Finding

_ITERS, _SAVED, _RESUMED = 30, 15, 20  # all; the checkpoint; the last of the run that goes on from it
_WARM = 5  # iterations whose time does not count
# Of losses after resuming: some kernels add in any order. Without the optimizer's state it would be 3e-2.
_ERROR = {"fp32": 5e-3, "fp16": 2e-2, "bf16": 2e-2}


def train(precision: str, amp_level: str, folder: Path) -> Finding:
    """Train LR-ASPP with two workers and averaged weights, then again from the middle."""
    device = paddle.get_device()
    is_gpu = device.startswith("gpu")
    size = (1024, 512) if is_gpu else (128, 64)
    options = {"precision": precision, "amp_level": amp_level, "save_interval": _SAVED, "num_workers": 2}
    options.update(batch_size=4 if is_gpu else 2, use_ema=True)
    whole = run(same_weights(lraspp, device), size, folder / "whole", iters=_ITERS, **options)
    start = folder / "whole" / f"iter_{_SAVED}"
    parts = run(lraspp(), size, folder / "parts", iters=_RESUMED, resume=start, **options)
    losses = [record["loss"] for record in whole]
    pairs = zip(losses[_SAVED:_RESUMED], (record["loss"] for record in parts))
    error = max(abs(again / loss - 1) for loss, again in pairs)
    timed = whole[_WARM:_SAVED]
    speed, waiting = (median(record[name] for record in timed) for name in ("ips", "reader_cost"))
    is_finite = all(map(math.isfinite, losses))
    seen = (
        f"loss {losses[0]:.3f} to {losses[-1]:.3f}, after resuming off by {error:.1e}; {speed:.3g} images/s "
        f"of {size[0]}x{size[1]}, {waiting * 1000:.1f} ms of an iteration spent waiting for data"
    )
    return Finding(
        is_finite and error <= _ERROR[precision], seen, {f"images_per_second_{precision}_{amp_level}": speed}
    )


train_fp32 = partial(train, "fp32", "O1")
train_fp16_o1 = partial(train, "fp16", "O1")
train_fp16_o2 = partial(train, "fp16", "O2")
train_bf16_o1 = partial(train, "bf16", "O1")
train_bf16_o2 = partial(train, "bf16", "O2")
