"""Which candidate of a step is chosen, and what is measured once more before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from paddleseg_lite.errors import UserError
from paddleseg_lite.scaling.architecture import START, Architecture
from paddleseg_lite.scaling.cost import Cost
from paddleseg_lite.scaling.estimate import Timing
from paddleseg_lite.scaling.search import Search, SearchOptions
from paddleseg_lite.scaling.state import Network, SearchState, Step


def chosen(networks: dict[str, Network], start: Network, again: Callable[..., Cost] | None = None) -> str:
    """Return the candidate that is chosen among trained ones; `again` measures networks once more."""
    named = {
        Architecture((1, 1, 1, 1, number), START.channels, START.ratios).name: network
        for number, network in enumerate(networks.values(), start=2)
    }
    found = SearchState({}, networks={START.name: start, **named})
    found.steps.append(Step(START.name, 0.0, list(named)))

    class Known:
        unit, condition = "ms", "here"

        def of(self, name: str, model: object) -> Cost:
            return Cost(found.networks[name].cost, found.networks[name].spread)

        def again(self, name: str, model: object) -> Cost:
            label = dict(zip(named, networks)).get(name, "parent")
            assert again is not None, "nothing is close"
            return again(label)

    here = Search(
        Path("/dev/null/none"),
        found,
        Known(),
        None,
        Path,
        len,
        lambda: Timing(1, 1),
        SearchOptions(steps=1),
    )
    here._save = lambda: None
    here._choose(found.steps[0], 1)
    return dict(zip(named, networks))[found.steps[0].chosen]


def test_gains_are_taken_over_the_parent():
    """In mIoU and in cost; by gain / (cost - the parent's mIoU), as in a published script, `large` wins."""
    networks = {"small": Network(11.0, 0.0, miou=0.25), "large": Network(20.0, 0.0, miou=0.5)}
    assert chosen(networks, Network(10.0, 0.0, miou=0.2)) == "small"


def test_a_candidate_that_costs_no_more_is_no_exception():
    """Its gain in cost counts as the spread: with a gain in mIoU it is best, without one it is nothing."""
    start = Network(10.0, 0.1, miou=0.2)
    costs = {"parent": Cost(10.0, 0.1), "dear": Cost(11.0), "same": Cost(9.9)}
    networks = {"dear": Network(11.0, 0.0, miou=0.3), "same": Network(9.9, 0.0, miou=0.25)}
    assert chosen(networks, start, costs.__getitem__) == "same"
    networks = {"dear": Network(11.0, 0.0, miou=0.21), "worse": Network(9.9, 0.0, miou=0.19)}
    assert chosen(networks, start) == "dear"


def test_without_any_gain_the_least_loss_is_chosen_and_told(caplog):
    """By gain / cost the dearest of the losers would win; of equals the cheapest does."""
    networks = {
        "dear": Network(90.0, 0.0, miou=0.1),
        "near": Network(11.0, 0.0, miou=0.19),
        "dearer": Network(12.0, 0.0, miou=0.19),
    }
    assert chosen(networks, Network(10.0, 0.0, miou=0.2)) == "near"
    assert "no candidate is better than its parent" in caplog.text
    assert "that takes another --save_dir" in caplog.text


def test_it_does_not_go_on_from_networks_that_recognise_nothing():
    """All trainings of the step have diverged: the reason is not the network."""
    with pytest.raises(UserError, match=r"all candidates of step 1 have mIoU 0.*another --save_dir"):
        chosen(
            {"a": Network(11.0, 0.0, miou=0.0), "b": Network(12.0, 0.0, miou=0.0)},
            Network(10.0, 0.0, miou=0.0),
        )


def test_what_is_too_close_to_call_is_measured_again():
    """The parent and all that gain, until the best is apart from the others; without a gain it is not."""
    start = Network(10.0, 0.3, miou=0.2)
    networks = {
        "first": Network(12.0, 0.3, miou=0.3),
        "second": Network(12.1, 0.3, miou=0.3),
        "third": Network(12.0, 0.3, miou=0.21),
        "last": Network(12.0, 0.3, miou=0.19),
    }
    better = {
        "first": Cost(12.2, 0.01),
        "second": Cost(11.8, 0.01),
        "third": Cost(12.0, 0.01),
        "parent": Cost(10.0, 0.01),
    }
    asked = []

    def again(name: str) -> Cost:
        asked.append(name)
        return better[name]

    assert chosen(networks, start, again) == "second"
    assert sorted(asked) == ["first", "parent", "second", "third"]


def test_a_candidate_whose_rounds_did_not_agree_is_measured_until_they_do():
    """Its spread must not hide how good it may be."""
    better = iter(
        [
            *(Cost(10.0, 0.1), Cost(12.9, 2.0), Cost(11.0, 0.1)),
            *(Cost(10.0, 0.1), Cost(10.7, 0.1), Cost(11.0, 0.1)),
        ]
    )
    networks = {"noisy": Network(13.0, 2.0, miou=0.3), "steady": Network(11.0, 0.1, miou=0.25)}
    assert chosen(networks, Network(10.0, 0.1, miou=0.2), lambda name: next(better)) == "noisy"
    assert next(better, None) is None
