"""The greedy search with stubs for training and measuring: its path, its budgets, and kills at every step."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from paddleseg_lite.errors import UserError
from paddleseg_lite.scaling import cost, state
from paddleseg_lite.scaling.architecture import PUBLISHED, START, Architecture
from paddleseg_lite.scaling.cost import Latency, Macs
from paddleseg_lite.scaling.estimate import Timing, spoken
from paddleseg_lite.scaling.search import Search, SearchOptions
from paddleseg_lite.scaling.state import read_state, write_state
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
        costs = Macs(gmacs, "240x176")
        if is_latency:
            costs = Latency(self.folder / "latency.json", self.measure, "here")
        path = self.folder / "search.json"
        arguments = {
            "costs": costs,
            "trainer": self.trainer,
            "weights": lambda name: Path(name, "model.pdparams"),
            "macs": gmacs,
            "timing": lambda: Timing(30.0, 30.0),
            "options": options or SearchOptions(steps=2, candidates=3),
            "clock": lambda: 0.0,
            **others,
        }
        return Search(path, read_state(path, OPTIONS), **arguments)


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


def test_no_training_is_begun_that_would_pass_the_budget(tmp_path):
    """A larger budget goes on, in the same step, and ends like a search without one."""
    world = World(tmp_path)
    now = iter(range(0, 100000, 60))
    short = SearchOptions(steps=2, candidates=4, budget=1500)
    text = world.search(short, is_latency=False, clock=lambda: float(next(now))).run({})
    assert text == "another training would pass the budget; a larger --budget goes on"
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
    """Before they are trained; the search ends there if they would pass the budget."""
    world = World(tmp_path)
    short = world.search(SearchOptions(steps=1, budget=100), is_latency=False)
    with caplog.at_level("INFO"):
        assert "larger --budget goes on" in short.run(REFERENCE, ["lpsnet_s"])
    assert "1 network to compare with: 1 training, about" in caplog.text
    assert not world.trained
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


def test_a_limit_below_all_candidates_leaves_the_first_network(tmp_path):
    """It is trained, so that there is a result, if the limit allows itself."""
    world = World(tmp_path)
    for limit, trained in ((0.5 * gmacs(START.name), []), (gmacs(START.name), [START.name])):
        options = SearchOptions(steps=9, max_cost=limit)
        assert "no candidate of step 1 costs" in world.search(options, is_latency=False).run({})
        assert list(world.trained) == trained
    short = SearchOptions(steps=9, max_cost=limit, budget=1)
    (other := tmp_path / "other").mkdir()
    assert "larger --budget goes on" in World(other).search(short, is_latency=False).run({})


def test_a_lower_limit_holds_for_a_step_that_has_begun(tmp_path):
    """Its candidates are found anew; with the same limit they are not."""
    world = World(tmp_path)
    first = SearchOptions(steps=1, candidates=3, budget=100)
    world.search(first, is_latency=False).run({})
    path = tmp_path / "search.json"
    before = read_state(path, OPTIONS)
    world.search(first, is_latency=False).run({})
    assert read_state(path, OPTIONS).steps == before.steps
    limit = sorted(before.networks[name].cost for name in before.steps[0].candidates)[1]
    lower = SearchOptions(steps=1, candidates=3, max_cost=limit)
    assert world.search(lower, is_latency=False).run({}) == "it has made 1 step"
    after = read_state(path, OPTIONS)
    assert after.steps[0].candidates != before.steps[0].candidates
    assert all(gmacs(name) <= limit for name in world.trained)


def test_a_network_that_comes_up_again_is_one_of_the_later_step(tmp_path):
    """It is not trained again; the step, its move and its parent are those by which it may be chosen."""
    world = World(tmp_path)
    options = SearchOptions(steps=1)
    search = world.search(options, is_latency=False)
    search.run({})
    right = search.state.networks
    before = replace(search.state, steps=[], networks={name: replace(own) for name, own in right.items()})
    for name in search.state.steps[0].candidates:
        network = before.networks[name]
        network.step, network.parent, network.move = 9, "another", "otherwise"
    write_state(tmp_path / "search.json", before)
    again = world.search(options, is_latency=False)
    again.run({})
    assert again.state.networks == right
    assert set(world.trained.values()) == {1}


def test_what_cannot_be_trained_is_found_before_anything_is_measured(tmp_path):
    """Measuring takes half an hour."""
    world = World(tmp_path)

    def timing() -> Timing:
        raise UserError("there is no loss")

    with pytest.raises(UserError, match="there is no loss"):
        world.search(timing=timing).run(REFERENCE)
    assert not world.measured


def test_a_network_to_compare_with_that_cannot_be_measured_is_left_out(tmp_path, caplog):
    """Unless it is to be trained, too."""
    world = World(tmp_path)
    measure = world.measure

    def fails(model) -> list[float]:
        if model in REFERENCE.values():
            raise UserError("it has no export")
        return measure(model)

    world.measure = fails
    with pytest.raises(UserError, match="it has no export"):
        world.search().run(REFERENCE, ["lpsnet_s"])
    assert world.search().run(REFERENCE) == "it has made 2 steps"
    assert "lpsnet_s is not compared with: it has no export" in caplog.text


def test_nothing_is_measured_for_a_step_when_the_budget_is_spent(tmp_path):
    """Its trainings would not begin."""
    world = World(tmp_path)
    world.search(SearchOptions(steps=1, candidates=3)).run({})
    measured = sum(world.measured.values())
    later = iter([0.0, *[100.0] * 99])
    spent = world.search(SearchOptions(steps=2, candidates=3, budget=50), clock=lambda: next(later))
    assert "larger --budget goes on" in spent.run({})
    assert sum(world.measured.values()) == measured


@pytest.mark.parametrize("jobs", [1, 2])
def test_it_says_beforehand_how_long_it_will_take(tmp_path, caplog, jobs):
    """By the timing at first, then by what trainings took, so many at a time."""
    search = World(tmp_path).search(SearchOptions(steps=2, candidates=4, jobs=jobs), is_latency=False)
    with caplog.at_level("INFO"):
        search.run({})
    told = [record.message for record in caplog.records if "trainings, about" in record.message]
    assert len(told) == 2
    assert "step 1 of 2: 4 candidates of about 0.00478 GMACs; 5 trainings, about" in told[0]
    names = [START.name, *search.state.steps[0].candidates]
    seconds = sum(30 + 30 * gmacs(name) / gmacs(START.name) for name in names)
    assert f"5 trainings, about {spoken(seconds / jobs)};" in told[0]
    assert ["the steps after it" in text for text in told] == [True, False]


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
