"""The greedy search with stubs for training and measuring: its path, its budgets, and kills at every step."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from paddleseg_lite.errors import UserError
from paddleseg_lite.scaling import cost, state
from paddleseg_lite.scaling.architecture import PUBLISHED, START, Architecture
from paddleseg_lite.scaling.cost import Cost, Latency, Macs
from paddleseg_lite.scaling.estimate import Timing
from paddleseg_lite.scaling.search import Search, SearchOptions
from paddleseg_lite.scaling.state import Network, SearchState, Step, read_state
from paddleseg_lite.scaling.training import Outcome, Stopped

OPTIONS = {"proxy_iters": 100, "config": {"iters": 1}}
REFERENCE = {"lpsnet_s": PUBLISHED["lpsnet_s"].model()}


def write_anew(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)  # a file system may wait for the disk when a file is written over
    path.write_text(text)


@pytest.fixture(autouse=True)
def _without_waiting_for_the_disk(monkeypatch):
    """That a write is whole or absent is tested with `files`; thousands of them would take a minute here."""
    for module in (cost, state):
        monkeypatch.setattr(module, "atomic_write", write_anew)


def gmacs(name: str) -> float:
    network = PUBLISHED.get(name) or Architecture.from_name(name)
    return network.macs((240, 176), 11) / 1e9


def of_model(model) -> float:
    ratios = (*model["scale_ratios"], 0.0, 0.0)[:3]
    return gmacs(Architecture(tuple(model["depths"]), tuple(model["channels"]), ratios).name)


def miou(name: str) -> float:
    """A finer image helps; then wider stages, but only with the finer image."""
    if name in REFERENCE:
        return 0.5
    network = Architecture.from_name(name)
    is_finer, is_wider = network.ratios[:2] == (1.0, 0.0), network.channels[0] > 4
    return 0.1 + 0.05 * is_finer + 0.2 * (is_finer and is_wider) + 0.001 * (sum(network.depths) > 5)


class Killed(BaseException):
    """Stands for SIGKILL: no handler of the code under test may hold it up."""


class World:
    """What outlives a process: files, and finished trainings; counts what is done."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.finished = folder, {}
        self.trained, self.measured = Counter(), Counter()
        self.events, self.fatal = 0, -1
        self.last = 1.0  # what the last round takes, of what the others do

    def event(self) -> None:
        self.events += 1
        if self.events == self.fatal:
            raise Killed

    def trainer(self, jobs, may_begin):
        for job in jobs:
            seconds = None if job.name in self.finished else 60.0
            if seconds:
                if not may_begin(job):
                    return
                self.event()
                self.trained[job.name] += 1
                self.finished[job.name] = miou(job.name)
                self.event()
            yield job.name, Outcome(self.finished[job.name], seconds)

    def measure(self, model) -> list[float]:
        self.event()
        self.measured[json.dumps(model)] += 1
        return [1000 * of_model(model)] * 9 + [self.last * 1000 * of_model(model)]

    def search(self, options: SearchOptions | None = None, is_latency: bool = True, **others) -> Search:
        costs = Macs(of_model, "240x176")
        if is_latency:
            costs = Latency(self.folder / "latency.json", self.measure, "here")
        path = self.folder / "search.json"
        arguments = {"asked_to_stop": lambda: False, "clock": lambda: 0.0, **others}
        return Search(
            path,
            read_state(path, OPTIONS),
            costs,
            self.trainer,
            lambda name: Path(name, "model.pdparams"),
            gmacs,
            lambda: Timing(30.0, 30.0),
            options or SearchOptions(steps=2, candidates=3),
            **arguments,
        )


def test_the_search_finds_the_best_path(tmp_path):
    """First the finer image, then the wider stages: known beforehand; nothing is trained twice."""
    world = World(tmp_path)
    run = world.search(SearchOptions(steps=2), is_latency=False)
    assert run.run(REFERENCE, ["lpsnet_s"]) == "it has made 2 steps"
    found = read_state(tmp_path / "search.json", OPTIONS)
    moves = [found.networks[name].move for name in found.path()]
    assert moves == ["start", "ratio of path 1 +4", "width of all stages +1"]
    assert [round(found.networks[name].miou, 3) for name in found.path()] == [0.1, 0.15, 0.35]
    assert found.references["lpsnet_s"].miou == 0.5
    assert set(world.trained.values()) == {1}
    assert len(world.trained) == len(found.networks) + 1


def killing_writes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let writing the state and the latencies be events; before them something else is one."""

    def write(path: Path, text: str) -> None:
        if world.events == world.fatal:
            return  # killed, it writes no more
        write_anew(path, text)
        world.event()

    for module in (cost, state):
        monkeypatch.setattr(module, "atomic_write", write)


def without_seconds(folder: Path) -> dict:
    """Return a state without the times of trainings, which are unknown of those that ended unseen."""
    found = json.loads((folder / "search.json").read_text())
    for network in (*found["networks"].values(), *found["references"].values()):
        assert network.pop("seconds") in (60.0, None)
    return found


@pytest.mark.parametrize(("last", "stride", "repeated"), [(1.0, 1, 1), (1.01, 9, 4)])
def test_a_search_that_is_killed_anywhere_ends_like_one_that_was_not(
    tmp_path, monkeypatch, last, stride, repeated
):
    """In every measurement, before and after every training, after every write: the same state, and no
    training is repeated.

    Of the measurements only the one that was under way is done again, and what a step measured once more.
    """
    whole = World(tmp_path / "whole")
    whole.folder.mkdir()
    whole.last = last  # with 1.01 a step measures once more before it chooses
    with monkeypatch.context() as patch:
        killing_writes(whole, patch)
        whole.search().run(REFERENCE, ["lpsnet_s"])
    right = without_seconds(whole.folder)
    latencies = json.loads((whole.folder / "latency.json").read_text())
    assert whole.events > 100
    for fatal in range(1, whole.events + 1, stride):
        world = World(tmp_path / str(fatal))
        world.folder.mkdir()
        world.fatal, world.last = fatal, last
        with monkeypatch.context() as patch:
            killing_writes(world, patch)
            with pytest.raises(Killed):
                world.search().run(REFERENCE, ["lpsnet_s"])
            world.fatal = -1
            world.search().run(REFERENCE, ["lpsnet_s"])
        assert without_seconds(world.folder) == right, fatal
        assert json.loads((world.folder / "latency.json").read_text()) == latencies
        assert world.trained == whole.trained, fatal
        assert sum(world.measured.values()) <= sum(whole.measured.values()) + repeated, fatal


def chosen(networks: dict[str, Network], start: Network, again: Callable[..., Cost] | None = None) -> str:
    """Return the candidate that is chosen among trained ones; `again` measures networks once more."""
    named = {
        Architecture((1, 1, 1, 1, number), START.channels, START.ratios).name: network
        for number, network in enumerate(networks.values(), start=2)
    }
    found = SearchState(dict(OPTIONS), networks={START.name: start, **named})
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
        gmacs,
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


def test_it_does_not_go_on_from_networks_that_recognise_nothing():
    """All trainings of the step have diverged: the reason is not the network."""
    with pytest.raises(UserError, match="all candidates of step 1 have mIoU 0"):
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


def test_no_training_is_begun_that_would_pass_the_budget(tmp_path):
    """A larger budget goes on, in the same step, and ends like a search without one."""
    world = World(tmp_path)
    now = iter(range(0, 100000, 60))
    short = SearchOptions(steps=2, candidates=4, budget=1500)
    text = world.search(short, is_latency=False, clock=lambda: float(next(now))).run({})
    assert text == "another training would pass the budget"
    found = read_state(tmp_path / "search.json", OPTIONS)
    assert found.seconds <= 1500
    assert any(network.miou is None for network in found.networks.values())
    assert found.steps[-1].chosen is None
    assert (
        world.search(SearchOptions(steps=2, candidates=4), is_latency=False).run({}) == "it has made 2 steps"
    )
    other = World(tmp_path / "other")
    other.folder.mkdir()
    other.search(SearchOptions(steps=2, candidates=4), is_latency=False).run({})
    assert (
        read_state(tmp_path / "search.json", OPTIONS).steps
        == read_state(other.folder / "search.json", OPTIONS).steps
    )


def test_time_in_a_training_that_has_not_ended_counts(tmp_path):
    """A search that is stopped an hour later has taken an hour of its budget."""
    now = [0.0]
    world = World(tmp_path)

    def trainer(jobs, may_begin):
        now[0] = 3600.0
        raise Stopped
        yield

    world.trainer = trainer
    with pytest.raises(Stopped):
        world.search(is_latency=False, clock=lambda: now[0]).run({})
    assert read_state(tmp_path / "search.json", OPTIONS).seconds == 3600.0


def test_networks_to_compare_with_count_and_are_told(tmp_path, caplog):
    """Before they are trained, and beyond the budget they are not."""
    world = World(tmp_path)
    with caplog.at_level("INFO"):
        world.search(SearchOptions(steps=1, budget=100), is_latency=False).run(REFERENCE, ["lpsnet_s"])
    assert "1 network to compare with: 1 training, about" in caplog.text
    assert "lpsnet_s" not in world.trained
    caplog.clear()
    with caplog.at_level("INFO"):
        world.search(SearchOptions(steps=1), is_latency=False).run(REFERENCE, ["lpsnet_s"])
    assert world.trained["lpsnet_s"] == 1


def test_no_candidate_costs_more_than_the_limit(tmp_path):
    """The search ends where none is left."""
    world = World(tmp_path)
    options = SearchOptions(steps=9, candidates=4, max_cost=0.03)
    assert "costs at most 0.03 GMACs" in world.search(options, is_latency=False).run({})
    found = read_state(tmp_path / "search.json", OPTIONS)
    assert 1 < len(found.steps) < 9
    assert max(network.cost for network in found.networks.values()) <= 0.03


def test_it_says_beforehand_how_long_it_will_take(tmp_path, caplog):
    """By the timing at first, then by what trainings took, two at a time."""
    with caplog.at_level("INFO"):
        World(tmp_path).search(SearchOptions(steps=2, candidates=4, jobs=2), is_latency=False).run({})
    told = [record.message for record in caplog.records if "trainings, about" in record.message]
    assert len(told) == 2
    assert "step 1 of 2: 4 candidates of about 0.00478 GMACs; 5 trainings, about" in told[0]


def test_however_many_steps_are_allowed_the_time_is_a_number(tmp_path, caplog):
    """Networks do not grow without end in the estimate."""
    options = SearchOptions(steps=300, candidates=2, budget=200)
    with caplog.at_level("INFO"):
        World(tmp_path).search(options, is_latency=False).run({})
    hours = float(re.search(r"as the paper's do, about ([\d.]+) h,", caplog.text)[1])
    assert 100 < hours < 1e6


def test_asked_to_stop_it_stops(tmp_path):
    """Between two measurements too."""
    world = World(tmp_path)
    with pytest.raises(Stopped):
        world.search(asked_to_stop=lambda: sum(world.measured.values()) >= 5).run({})
    assert sum(world.measured.values()) == 5


def inherited(world: World) -> dict[str, Path | None]:
    """Return what each network of a step begins from."""
    original, seen = world.trainer, {}

    def trainer(jobs, may_begin):
        seen.update({job.name: job.weights for job in jobs})
        return original(jobs, may_begin)

    world.trainer = trainer
    world.search(SearchOptions(steps=1, candidates=3, inherit=True), is_latency=False).run({})
    return seen


def test_inheriting_starts_from_the_parents_weights(tmp_path):
    """All but the first network."""
    seen = inherited(World(tmp_path))
    assert seen.pop(START.name) is None
    assert set(seen.values()) == {Path(START.name, "model.pdparams")}


def test_nothing_is_inherited_from_a_training_that_diverged(tmp_path):
    """It has left no weights."""
    world = World(tmp_path)
    world.finished[START.name] = 0.0
    seen = inherited(world)
    assert len(seen) == 4
    assert set(seen.values()) == {None}


def test_other_options_and_damaged_states_are_refused(tmp_path):
    """In one sentence that names what differs, and before anything is computed."""
    world = World(tmp_path)
    world.search(SearchOptions(steps=1, candidates=2), is_latency=False).run({})
    path = tmp_path / "search.json"
    with pytest.raises(UserError, match="proxy_iters: 100 -> 200"):
        read_state(path, {**OPTIONS, "proxy_iters": 200})
    with pytest.raises(UserError, match=r"config\.iters: 1 -> 2.*another --save_dir"):
        read_state(path, {**OPTIONS, "config": {"iters": 2}})
    with pytest.raises(UserError, match="more: None -> 1"):
        read_state(path, {**OPTIONS, "more": 1})
    whole = json.loads(path.read_text())
    for change in (
        {"networks": {"../x": next(iter(whole["networks"].values()))}},
        {"steps": [{**whole["steps"][0], "candidates": ["nobody"]}]},
        {"networks": {START.name: {"cost": "cheap"}}},
        {"format": 2},
    ):
        path.write_text(json.dumps({**whole, **change}))
        with pytest.raises(UserError, match=str(path)):
            read_state(path, OPTIONS)
