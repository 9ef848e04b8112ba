"""The target of a step, and how often each direction is taken to come near it."""

from __future__ import annotations

import pytest

from paddleseg_lite.scaling.architecture import DIRECTIONS, PUBLISHED, START, Architecture
from paddleseg_lite.scaling.candidates import propose, some_of


def macs(network: Architecture) -> float:
    return network.macs((240, 176), 11)


def convolutions(network: Architecture) -> float:
    """A cost that is only the number of convolutions, each path's on its own, and a little of the rest."""
    paths = sum(ratio > 0 for ratio in network.ratios)
    return paths * sum(network.depths) + 0.01 * sum(network.channels) + sum(network.ratios)


@pytest.mark.parametrize("cost", [macs, convolutions])
@pytest.mark.parametrize("parent", [START, *PUBLISHED.values()], ids=["start", *PUBLISHED])
def test_each_direction_comes_as_near_to_the_target_as_it_can(parent, cost):
    """The same as trying 1, 2, 3, ... of each, one by one; the target is the dearest single step."""
    singles = [direction.grown(parent, 1) for direction in DIRECTIONS]
    right = max(cost(network) for network in singles if network)
    asked: list[Architecture] = []

    def counted(network: Architecture) -> float:
        asked.append(network)
        return cost(network)

    target, found = propose(parent, counted)
    assert target == right
    assert len({candidate.architecture for candidate in found}) == len(found)
    for direction in DIRECTIONS:
        grown = [direction.grown(parent, times) for times in range(1, 65)]
        distances = [abs(cost(network) - target) for network in grown if network]
        if not distances:
            continue
        nearest = grown[distances.index(min(distances))]
        assert nearest in [candidate.architecture for candidate in found], direction.text
    assert len(set(asked)) <= (40 if cost is macs else 55), "measuring is not free"


def test_what_two_directions_lead_to_is_there_once():
    """At the start the second and the third path are alike: both are not there yet."""
    _, found = propose(START, macs)
    assert [candidate.direction.text for candidate in found] == [
        direction.text for direction in DIRECTIONS[:-1]
    ]
    assert found[0].move == "depth of the last four stages +2"


def test_some_of_the_candidates_are_of_all_kinds_and_change_from_step_to_step():
    """With three a step, each direction has had its turn after four steps."""
    _, found = propose(PUBLISHED["lpsnet_s"], macs)
    assert some_of(found, None, 1) == found
    assert some_of(found, 99, 1) == found
    seen = set()
    for step in range(1, 5):
        chosen = some_of(found, 3, step)
        assert {candidate.direction.kind for candidate in chosen} == {"depth", "width", "ratio"}
        seen |= {candidate.direction for candidate in chosen}
    assert len(seen) == len(found)
    assert len(some_of(found, 5, 1)) == 5
