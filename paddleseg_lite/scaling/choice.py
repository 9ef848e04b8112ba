"""Which candidate of a step is the best: the one with the largest gain in mIoU by gain in cost."""

from __future__ import annotations

from collections.abc import Mapping

from paddleseg_lite.scaling.state import Network


def best_of(parent: Network, candidates: Mapping[str, Network]) -> str:
    """Return the name of the best candidate; all are trained.

    Gains are over the parent (arXiv 2207.13600). A gain in cost below the spread of the two measurements is
    not known, and counts as the spread. A candidate that gains no mIoU comes behind all that do, and those by
    mIoU. Of equals the cheapest is best.
    """
    return max(candidates, key=lambda name: _merit(parent, candidates[name]))


def is_close(parent: Network, candidates: Mapping[str, Network]) -> bool:
    """Return whether the spreads let another candidate than the best one be the best."""

    def merit(name: str, sign: int) -> tuple[bool, float]:
        slack = sign * (candidates[name].spread + parent.spread)
        return _merit(parent, candidates[name], slack)[:2]

    best = best_of(parent, candidates)
    return any(merit(name, -1) >= merit(best, 1) for name in candidates if name != best)


def _merit(parent: Network, own: Network, slack: float = 0.0) -> tuple[bool, float, float]:
    """Return what candidates are ordered by.

    Args:
        parent, own: networks.
        slack: is added to the gain in cost; below 0 it takes the place of the spread.
    """
    gain = (own.miou or 0.0) - (parent.miou or 0.0)
    least = 1e-9 if slack < 0 else max(parent.spread, own.spread, 1e-9)
    cost = max(own.cost - parent.cost + slack, least)
    return gain > 0, gain / cost if gain > 0 else gain, -own.cost
