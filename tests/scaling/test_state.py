"""What of search.json is read, and what is refused in a sentence."""

from __future__ import annotations

import json

import pytest

from paddleseg_lite.errors import UserError
from paddleseg_lite.scaling.architecture import PUBLISHED, START
from paddleseg_lite.scaling.state import Network, SearchState, Step, read_state, write_state

OPTIONS = {"proxy_iters": 100, "config": {"iters": 1}}
OTHER = {**OPTIONS, "proxy_iters": 200}
GROWN = PUBLISHED["lpsnet_s"].name


def state(miou: float | None) -> SearchState:
    networks = {START.name: Network(1.0, 0.0, miou=miou), GROWN: Network(9.0, 0.1, 1, START.name, "width")}
    references = {"lpsnet_m": Network(11.0, 0.1)}
    return SearchState(dict(OPTIONS), 5.0, None, networks, [Step(START.name, 9.0, [GROWN])], references)


def test_a_state_is_read_as_it_was_written(tmp_path):
    """A search that is killed goes on from it; without a file one begins."""
    path = tmp_path / "search.json"
    assert read_state(path, OPTIONS) == SearchState(OPTIONS)
    write_state(path, state(0.1))
    assert read_state(path, OPTIONS) == state(0.1)


def test_other_options_and_damaged_states_are_refused(tmp_path):
    """In one sentence that names what differs, and before anything is computed."""
    path = tmp_path / "search.json"
    write_state(path, state(0.1))
    with pytest.raises(UserError, match="proxy_iters: 100 -> 200"):
        read_state(path, OTHER)
    with pytest.raises(UserError, match=r"config\.iters: 1 -> 2.*another --save_dir"):
        read_state(path, {**OPTIONS, "config": {"iters": 2}})
    with pytest.raises(UserError, match="more: None -> 1"):
        read_state(path, {**OPTIONS, "more": 1})
    whole = json.loads(path.read_text())
    network = whole["networks"][START.name]
    for change, told in (
        ({"networks": {**whole["networks"], "../x": network}}, "'../x' names no network"),
        ({"networks": {**whole["networks"], START.name: {**network, "more": 1}}}, "argument 'more'"),
        ({"references": {"nobody": network}}, "'nobody' is not among the networks"),
        ({"steps": [{**whole["steps"][0], "candidates": ["nobody"]}]}, "'nobody' is not among"),
        ({"steps": [{**whole["steps"][0], "more": 1}]}, "argument 'more'"),
        ({"networks": {START.name: {"cost": "cheap"}}}, "it has no"),
        ({"format": 2}, "has format 2"),
    ):
        path.write_text(json.dumps({**whole, **change}))
        with pytest.raises(UserError, match=f"{path}.*{told}"):
            read_state(path, OPTIONS)


def test_a_search_that_has_trained_nothing_begins_anew_with_other_options(tmp_path):
    """What stood in its way may have been an option; a training that has begun belongs to the old ones."""
    path = tmp_path / "search.json"
    write_state(path, state(None))
    assert read_state(path, OTHER) == SearchState(OTHER)
    assert read_state(path, OPTIONS) == state(None)
    (tmp_path / "runs").mkdir()
    with pytest.raises(UserError, match="proxy_iters: 100 -> 200"):
        read_state(path, OTHER)
