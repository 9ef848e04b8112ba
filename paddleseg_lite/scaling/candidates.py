"""The candidates of a step: each direction taken so often that all of them cost about the same."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from paddleseg_lite.scaling.architecture import DIRECTIONS, KINDS, Architecture, Direction

_MOST = 64  # times that a direction is taken at most: of one that costs nothing, no number comes near


@dataclass(frozen=True)
class Candidate:
    """A network that may follow its parent.

    Attributes:
        architecture: the network.
        direction: in which it has grown.
        times: how often.
    """

    architecture: Architecture
    direction: Direction
    times: int

    @property
    def move(self) -> str:
        """What was done to the parent."""
        return f"{self.direction.text} +{self.times}"


def propose(parent: Architecture, cost: Callable[[Architecture], float]) -> tuple[float, list[Candidate]]:
    """Return the cost that a step aims at, and the candidates, at most one for each direction.

    The target is the highest cost among networks that have grown once. Each direction is taken 1, 2, 3, ...
    times to come nearest to it, of two as near the smaller one. A network that two directions lead to is
    there once.

    Args:
        parent: what grows.
        cost: of a network; is asked for no more of them than a search for the nearest needs.
    """
    units = {direction: direction.grown(parent, 1) for direction in DIRECTIONS}
    costs = {direction: cost(network) for direction, network in units.items() if network is not None}
    target = max(costs.values())
    found: dict[Architecture, Candidate] = {}
    for direction in costs:
        candidate = _nearest(parent, direction, cost, target)
        found.setdefault(candidate.architecture, candidate)
    return target, list(found.values())


def _nearest(
    parent: Architecture, direction: Direction, cost: Callable[[Architecture], float], target: float
) -> Candidate:
    """Return the parent grown in a direction until it costs what comes nearest to the target.

    Costs rise with the number of steps, so that a straight line through those known says where to look next;
    the answer is the nearer one of two neighbours whose costs are known.
    """
    networks, costs = {0: parent}, {0: cost(parent)}
    below, above = 0, _MOST + 1  # costs of the former lie below the target, of the latter above or nowhere
    guess = 1
    while above - below > 1:
        network = direction.grown(parent, guess)
        if network is None:
            above = guess
        else:
            networks[guess], costs[guess] = network, cost(network)
            below, above = (guess, above) if costs[guess] < target else (below, guess)
        slope = (costs[below] - costs[0]) / below if below else 0.0
        ahead = (target - costs[below]) / slope if slope > 0 else below
        guess = min(max(below + round(ahead), below + 1), above - 1, max(2 * below, 1))
    known = [times for times in (below, above) if times and times in costs]
    times = min(known, key=lambda one: abs(costs[one] - target))
    return Candidate(networks[times], direction, times)


def some_of(candidates: Sequence[Candidate], count: int | None, step: int) -> list[Candidate]:
    """Return `count` of the candidates, in turns of depth, width and ratio; None: all of them.

    Of each kind another direction comes first in each step, so that in time all have their turn.
    """
    if count is None:
        return list(candidates)
    turns = []
    for kind in KINDS:
        own = [candidate for candidate in candidates if candidate.direction.kind == kind]
        first = step % len(own) if own else 0
        turns.append(own[first:] + own[:first])
    chosen = [one for turn in itertools.zip_longest(*turns) for one in turn if one is not None][:count]
    return [candidate for candidate in candidates if candidate in chosen]
