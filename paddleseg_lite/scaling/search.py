"""The greedy search: in each step every direction is tried, and the network grows in the best one."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from paddleseg_lite.errors import UserError
from paddleseg_lite.printable import counted
from paddleseg_lite.scaling.architecture import START, Architecture
from paddleseg_lite.scaling.candidates import propose, some_of
from paddleseg_lite.scaling.cost import Cost, Costs, Model
from paddleseg_lite.scaling.estimate import Timing, predicted_seconds, spoken
from paddleseg_lite.scaling.state import Network, SearchState, Step, write_state
from paddleseg_lite.scaling.training import Job, Stopped, Trainer

_log = logging.getLogger(__name__)

_AGAIN = 3  # how often, at most, what is too close to call is measured once more


@dataclass(frozen=True)
class SearchOptions:
    """How far a search goes.

    Attributes:
        steps: at most.
        candidates: of each step that are trained; None: all.
        budget: seconds; no training is begun that would pass them. None: as long as it takes.
        max_cost: of a candidate; None: any.
        inherit: start candidates from their parent's weights.
        jobs: trainings at a time, for the estimate.
    """

    steps: int
    candidates: int | None = None
    budget: float | None = None
    max_cost: float | None = None
    inherit: bool = False
    jobs: int = 1


class Search:
    """A search that is written down after everything that it has found out, and goes on from there.

    Args:
        path: of search.json.
        state: where it stands.
        costs: tells what networks cost.
        trainer: trains them.
        weights: returns the file of a trained network's weights.
        macs: returns a network's multiply-adds, for the estimate.
        timing: takes the time of a short training of the first network.
        options: how far it goes.
        asked_to_stop: says whether to end.
        clock: seconds.
    """

    def __init__(
        self,
        path: Path,
        state: SearchState,
        costs: Costs,
        trainer: Trainer,
        weights: Callable[[str], Path],
        macs: Callable[[Architecture], float],
        timing: Callable[[], Timing],
        options: SearchOptions,
        asked_to_stop: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path, self.state, self.costs, self.trainer = path, state, costs, trainer
        self.weights, self.macs, self.timing, self.options = weights, macs, timing, options
        self.asked_to_stop, self._clock = asked_to_stop, clock
        self._before, self._began = state.seconds, clock()

    def run(self, references: Mapping[str, Model], trained: Collection[str] = ()) -> str:
        """Train the references, search to the end, and return why it ended.

        Args:
            references: the section `model` of networks to compare with, by their names.
            trained: those of them that are trained, and not only measured.

        Raises:
            Stopped: it was asked to.
            UserError: a measurement or a training failed.
        """
        known = self.state.references
        for name, model in references.items():
            if name not in known:
                known[name] = Network(*self.cost(name, model))
                self._save()
        self._train([Job(name, references[name]) for name in trained if known[name].miou is None], known)
        return self._search()

    def _search(self) -> str:
        if START.name not in self.state.networks:
            self.state.networks[START.name] = Network(*self.cost(START.name, START.model()), move="start")
            self._save()
        for number in range(1, self.options.steps + 1):
            if len(self.state.steps) < number and not self._plan(number):
                return (
                    f"no candidate of step {number} costs at most {self.options.max_cost} {self.costs.unit}"
                )
            step = self.state.steps[number - 1]
            if step.chosen is None:
                self._tell(number, step)
                if not self._train_step(step):
                    return "another training would pass the budget"
                self._choose(step, number)
        return f"{counted(self.options.steps, 'step')} are done"

    def cost(self, name: str, model: Model) -> Cost:
        """Return what a network costs, unless the search was asked to stop."""
        if self.asked_to_stop():
            raise Stopped
        return self.costs.of(name, model)

    def _plan(self, number: int) -> bool:
        """Find the candidates of the next step; return whether there are any."""
        parent = Architecture.from_name(self.state.path()[-1])
        target, found = propose(parent, lambda network: self.cost(network.name, network.model()).value)
        limit = self.options.max_cost
        costs = {one: self.cost(one.architecture.name, one.architecture.model()) for one in found}
        found = some_of(
            [one for one in found if limit is None or costs[one].value <= limit],
            self.options.candidates,
            number,
        )
        if not found:
            return False
        for one in found:
            new = Network(*costs[one], number, parent.name, one.move)
            self.state.networks.setdefault(one.architecture.name, new)
        names = [one.architecture.name for one in found]
        self.state.steps.append(Step(parent.name, target, names))
        self._save()
        return True

    def _tell(self, number: int, step: Step) -> None:
        """Say what a step has before it, and how long it will take."""
        if self.state.timing is None:
            timing = self.timing()
            self.state.timing = {"fixed": timing.fixed, "computing": timing.computing}
            self._save()
        compared = dict.fromkeys([step.parent, *step.candidates])
        left = [name for name in compared if self.state.networks[name].miou is None]
        seconds = sum(map(self._seconds, left)) / self.options.jobs
        of_candidates = sum(map(self._seconds, step.candidates)) / self.options.jobs
        growth = of_candidates * self.options.jobs / len(step.candidates) / self._seconds(step.parent)
        later = sum(of_candidates * growth**ahead for ahead in range(1, self.options.steps - number + 1))
        budget = f" of {spoken(self.options.budget)}" if self.options.budget else ""
        _log.info(
            f"[SCALE] step {number} of {self.options.steps}: {counted(len(step.candidates), 'candidate')} of "
            f"about {step.target:.3g} {self.costs.unit}; {counted(len(left), 'training')}, about "
            f"{spoken(seconds)}; the steps after it, if networks grow alike, about {spoken(later)}, and "
            f"measuring; so far {spoken(self._elapsed())}{budget}"
        )

    def _train_step(self, step: Step) -> bool:
        """Train what a step compares; return whether all of them are."""
        networks = self.state.networks
        groups = [[step.parent, *step.candidates]]
        if self.options.inherit:  # candidates need the parent's weights
            groups = [[step.parent], step.candidates]
        for group in groups:
            self._train([self._job(name) for name in group if networks[name].miou is None], networks)
            if any(networks[name].miou is None for name in group):
                return False
        return True

    def _train(self, jobs: Sequence[Job], networks: Mapping[str, Network]) -> None:
        """Train networks, and write down what comes of each."""
        if not jobs:
            return
        with closing(self.trainer(jobs, self._may_begin)) as outcomes:
            for name, outcome in outcomes:
                own = networks[name]
                own.miou, own.seconds = outcome.miou, round(outcome.seconds, 1)
                self._save()
                move, cost = own.move and f" ({own.move})", f"{own.cost:.3g} {self.costs.unit}"
                _log.info(
                    f"[SCALE] {name}{move}: mIoU {own.miou:.4f} at {cost}, in {spoken(outcome.seconds)}"
                )

    def _job(self, name: str) -> Job:
        parent = self.state.networks[name].parent if self.options.inherit else None
        return Job(name, _model(name), None if parent is None else self.weights(parent))

    def _may_begin(self, job: Job) -> bool:
        """Return whether a training will end within the budget."""
        if self.options.budget is None or job.name not in self.state.networks:
            return True
        return self._elapsed() + self._seconds(job.name) <= self.options.budget

    def _seconds(self, name: str) -> float:
        """Return how long a network's training takes, or will take."""
        first = self.macs(START)
        done = [
            (self.macs(Architecture.from_name(own)) / first, network.seconds)
            for own, network in self.state.networks.items()
            if network.seconds
        ]
        timing = Timing(**(self.state.timing or {}))
        return predicted_seconds(self.macs(Architecture.from_name(name)) / first, timing, done)

    def _choose(self, step: Step, number: int) -> None:
        """Let the network grow as the best candidate has."""
        for name in (step.parent, *step.candidates):  # an earlier process may have measured again
            self.state.networks[name].set_cost(self.costs.of(name, _model(name)))
        for _ in range(_AGAIN):
            close = self._too_close(step)
            if not close:
                break
            _log.info(
                f"[SCALE] step {number}: measuring {counted(len(close), 'network')} again, too close to call"
            )
            for name in close:
                if self.asked_to_stop():
                    raise Stopped
                self.state.networks[name].set_cost(self.costs.again(name, _model(name)))
        best = max(step.candidates, key=lambda name: self._merit(step.parent, name))
        if not self.state.networks[best].miou:
            raise UserError(
                f"all candidates of step {number} have mIoU 0, or their trainings diverged; look at the data "
                "with check_dataset, lower the learning rate, or train longer (--proxy_iters)"
            )
        step.chosen = best
        self._save()
        own, parent = self.state.networks[best], self.state.networks[step.parent]
        if own.miou is not None and parent.miou is not None and own.miou <= parent.miou:
            _log.warning(
                f"[SCALE] step {number}: no candidate is better than its parent; longer trainings "
                "(--proxy_iters) may tell them apart"
            )
        _log.info(
            f"[SCALE] step {number}: {own.move} is best: mIoU {parent.miou:.4f} -> {own.miou:.4f}, "
            f"{parent.cost:.3g} -> {own.cost:.3g} {self.costs.unit}"
        )

    def _merit(self, parent: str, name: str, slack: float = 0.0) -> tuple[bool, float, float]:
        """Return what candidates are ordered by: the gain in mIoU by the gain in cost, both over the parent.

        A gain in cost below the spread of the two measurements is not known, and counts as the spread. A
        candidate that gains no mIoU comes behind all that do, and those by mIoU. Of equals the cheapest is
        best.

        Args:
            parent, name: of networks.
            slack: is added to the gain in cost.
        """
        before, after = self.state.networks[parent], self.state.networks[name]
        gain = (after.miou or 0.0) - (before.miou or 0.0)
        least = max(before.spread, after.spread, 1e-9)
        cost = max(after.cost - before.cost + slack, least)
        return gain > 0, gain / cost if gain > 0 else gain, -after.cost

    def _too_close(self, step: Step) -> list[str]:
        """Return the networks whose spreads let another candidate than the best one be the best."""
        networks = self.state.networks

        def slack(name: str) -> float:
            return networks[name].spread + networks[step.parent].spread

        best = max(step.candidates, key=lambda name: self._merit(step.parent, name))
        worst_case = self._merit(step.parent, best, slack(best))
        rivals = [
            name
            for name in step.candidates
            if name != best
            and slack(name)
            and self._merit(step.parent, name, -slack(name))[:2] >= worst_case[:2]
        ]
        if not rivals or not worst_case[0]:
            return []
        return [step.parent, best, *rivals]

    def _elapsed(self) -> float:
        return self._before + self._clock() - self._began

    def _save(self) -> None:
        self.state.seconds = self._elapsed()
        write_state(self.path, self.state)


def _model(name: str) -> Model:
    return Architecture.from_name(name).model()
