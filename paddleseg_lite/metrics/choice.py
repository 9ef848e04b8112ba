"""The metrics that can be asked for by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from paddleseg_lite.errors import UserError
from paddleseg_lite.metrics.calibration import Calibration
from paddleseg_lite.metrics.intervals import Intervals
from paddleseg_lite.metrics.metric import Metric
from paddleseg_lite.metrics.regions import BoundaryIoU, IoUByRow, IoUBySize, TrimapIoU
from paddleseg_lite.registry import did_you_mean

METRICS: Mapping[str, type[Metric]] = {
    metric.name: metric for metric in (Intervals, BoundaryIoU, TrimapIoU, IoUBySize, IoUByRow, Calibration)
}


def make_metrics(
    names: Sequence[str],
    classes: Sequence[str],
    ignore_index: int = 255,
    known: Mapping[str, type[Metric]] = METRICS,
) -> list[Metric]:
    """Return empty metrics by name, each once.

    Raises:
        UserError: there is none of a name.
    """
    for name in names:
        if name not in known:
            raise UserError(
                f"there is no metric '{name}'{did_you_mean(name, known)}; allowed are {', '.join(known)}"
            )
    return [known[name](classes, ignore_index) for name in dict.fromkeys(names)]
