"""The published networks, the directions that lead to them, and what they cost."""

from __future__ import annotations

import pytest

from paddleseg_lite.deploy.profile import count_macs
from paddleseg_lite.models import LPSNet
from paddleseg_lite.scaling.architecture import DIRECTIONS, PUBLISHED, START, Architecture

TO_S = {  # single steps in each direction
    "depth of the last four stages": 2,
    "depth of the last two stages": 7,
    "width of all stages": 1,
    "width of the last four stages": 1,
    "ratio of path 1": 2,
    "ratio of path 2": 2,
}
TO_M = {"ratio of path 1": 2}
TO_L = {"width of the last three stages": 1, "width of the last two stages": 1}


def built(network: Architecture, num_classes: int = 19) -> LPSNet:
    model = {key: value for key, value in network.model().items() if key != "type"}
    return LPSNet(**model, num_classes=num_classes)


def grown(network: Architecture, moves: dict[str, int]) -> Architecture:
    directions = {direction.text: direction for direction in DIRECTIONS}
    for text, times in moves.items():
        for _ in range(times):
            network = directions[text].grown(network, 1)
    return network


def test_single_steps_lead_to_the_published_networks():
    """S is 15 single steps from the start: 14 steps of a search, if one of them takes a direction twice."""
    small = grown(START, TO_S)
    assert small == PUBLISHED["lpsnet_s"]
    assert sum(TO_S.values()) == 15
    middle = grown(small, TO_M)
    assert middle == PUBLISHED["lpsnet_m"]
    assert grown(middle, TO_L) == PUBLISHED["lpsnet_l"]


def test_a_direction_is_taken_several_times_at_once():
    """As many single steps, or one of that many, are the same; ratios stay in order, and none exceeds 1."""
    for direction in DIRECTIONS:
        once = direction.grown(START, 1)
        assert once is not None
        assert once != START
        if direction.path in (None, 0):  # elsewhere the paths may change places
            assert direction.grown(once, 2) == direction.grown(START, 3)
    second = DIRECTIONS[-2].grown(START, 6)
    assert second is not None
    assert second.ratios == (0.75, 0.5, 0.0)
    assert DIRECTIONS[-3].grown(START, 4).ratios == (1.0, 0.0, 0.0)
    assert DIRECTIONS[-3].grown(START, 5) is None


@pytest.mark.parametrize(
    ("name", "parameters", "gmacs"),
    [("lpsnet_s", 3_383_939, 10.4), ("lpsnet_m", 3_383_939, 17.7), ("lpsnet_l", 9_173_123, 43.8)],
)
def test_parameters_and_macs_are_the_published_ones(name, parameters, gmacs):
    """At 2048x1024 and 19 classes, as the paper and PaddleSeg count them."""
    network = PUBLISHED[name]
    counted = sum(tensor.size for tensor in built(network).parameters())
    assert counted == parameters
    assert round(network.macs((2048, 1024), 19) / 1e9, 1) == gmacs


@pytest.mark.parametrize("size", [(100, 75), (64, 128)])
def test_macs_are_those_of_the_network(size):
    """The formula is right for odd sizes, several paths and one, many classes and few."""
    several = Architecture((2, 1, 3, 1, 2), (4, 8, 12, 16, 20), (0.875, 0.5, 0.25))
    for network, classes in ((several, 7), (START, 2)):
        assert network.macs(size, classes) == count_macs(built(network, classes), size[::-1])


def test_a_name_says_what_a_network_is():
    """It is read back from search.json and from names of folders."""
    for network in (START, *PUBLISHED.values()):
        assert Architecture.from_name(network.name) == network
    assert PUBLISHED["lpsnet_s"].name == "d1-3-3-10-10_c8-24-48-96-96_r0.75-0.25"
    with pytest.raises(ValueError, match="names no network"):
        Architecture.from_name("../../elsewhere")
