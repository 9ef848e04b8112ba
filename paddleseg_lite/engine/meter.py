"""What is summed up between two log lines."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from paddleseg_lite.losses.criterion import Criterion


class Meter:
    """Sums of losses since the last log line; they survive in checkpoints, times do not.

    Args:
        names: of the losses.
        saved: what `state` returned, to go on from.
    """

    def __init__(self, names: Sequence[str], saved: dict[str, Any] | None = None) -> None:
        self.names = tuple(names)
        saved = saved or {"count": 0, "losses": [0.0] * len(self.names), "kept": 0.0}
        self.count: int = saved["count"]
        self.losses: list[float] = list(saved["losses"])
        self.kept: float = saved["kept"]
        self.restart_clock()

    def state(self) -> dict[str, Any]:
        """Return the sums, as plain data."""
        return {"count": self.count, "losses": self.losses, "kept": self.kept}

    def restart_clock(self) -> None:
        """Leave out the time since the last iteration, such as that of an evaluation."""
        self.timed, self.reading, self.spent, self._last = 0, 0.0, 0.0, time.perf_counter()

    def add(self, losses: Sequence[float], kept: float | None, reading: float) -> None:
        """Count an iteration: its losses, the share of pixels kept, the seconds it waited for data."""
        now = time.perf_counter()
        self.spent, self._last = self.spent + now - self._last, now
        self.losses = [total + loss for total, loss in zip(self.losses, losses)]
        self.kept += kept or 0.0
        self.reading += reading
        self.count += 1
        self.timed += 1

    def means(self, has_kept: bool) -> dict[str, Any]:
        """Return loss, `losses` by name if there are several, kept, and seconds per iteration."""
        count, timed = max(self.count, 1), max(self.timed, 1)
        losses = [total / count for total in self.losses]
        return {
            "loss": sum(losses),
            **({"losses": dict(zip(self.names, losses))} if len(losses) > 1 else {}),
            **({"kept": self.kept / count} if has_kept else {}),
            "batch_cost": self.spent / timed,
            "reader_cost": self.reading / timed,
        }


def log_line(record: dict[str, Any], iters: int) -> str:
    """Return a record of training in PaddleSeg's words."""
    parts = {**record.get("losses", {}), **({"kept": record["kept"]} if "kept" in record else {})}
    left = timedelta(seconds=round(record["batch_cost"] * (iters - record["iteration"])))
    return (
        f"[TRAIN] epoch: {record['epoch']}, iter: {record['iteration']}/{iters}, loss: {record['loss']:.4f}, "
        + "".join(f"{name}: {value:.4f}, " for name, value in parts.items())
        + f"lr: {record['lr']:.6f}, batch_cost: {record['batch_cost']:.4f}, "
        f"reader_cost: {record['reader_cost']:.5f}, ips: {record['ips']:.4f} samples/sec | ETA {left}"
    )


def kept_fraction(criterion: Criterion) -> float | None:
    """Return the mean share of pixels that the losses kept last, None if none of them chooses."""
    kept = [getattr(loss, "kept_fraction", None) for loss in criterion.losses]
    shares = [float(fraction) for fraction in kept if fraction is not None]
    return sum(shares) / len(shares) if shares else None
