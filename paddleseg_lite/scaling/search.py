"""The greedy search: in each step every direction is tried, and the network grows in the best one."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from paddleseg_lite.errors import UserError
from paddleseg_lite.printable import counted
from paddleseg_lite.scaling.architecture import START, Architecture
from paddleseg_lite.scaling.candidates import propose, some_of
from paddleseg_lite.scaling.choice import best_of, is_close
from paddleseg_lite.scaling.cost import Cost, Costs, Model
from paddleseg_lite.scaling.estimate import Timing, growth, predicted_seconds, spoken
from paddleseg_lite.scaling.state import Network, SearchState, Step, write_state
from paddleseg_lite.scaling.training import Job, Stopped, Trainer

_log = logging.getLogger(__name__)

_AGAIN = 3  # how often, at most, what a step compares is measured once more
_SPENT = "another training would pass the budget; a larger --budget goes on"
_ANEW = "that takes another --save_dir"


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
        macs: returns a network's multiply-adds by its name, for the estimate.
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
        macs: Callable[[str], float],
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
        try:
            if self.state.timing is None:  # first: it also finds out whether the config can be trained
                self.state.timing = asdict(self.timing())
                self._save()
            for name, model in references.items():
                if name not in known:
                    self._measure_reference(name, model, name in trained)
            if jobs := [Job(name, references[name]) for name in trained if known[name].miou is None]:
                told = self._forecast(list(trained))
                _log.info(f"[SCALE] {counted(len(jobs), 'network')} to compare with: {told}")
                self._train(jobs, known)
            return self._search() if all(known[name].miou is not None for name in trained) else _SPENT
        finally:
            self._save()  # the time that a training took which has not ended

    def _measure_reference(self, name: str, model: Model, is_needed: bool) -> None:
        """Measure a network to compare with; one that cannot be is left out, unless it is to be trained."""
        try:
            self.state.references[name] = Network(*self.cost(name, model))
        except UserError as error:
            if is_needed:
                raise
            _log.warning(f"[SCALE] {name} is not compared with: {error}")
        self._save()

    def _search(self) -> str:
        networks, steps = self.state.networks, self.state.steps
        if START.name not in networks:
            networks[START.name] = Network(*self.cost(START.name, START.model()), move="start")
            self._save()
        begun = steps[-1].candidates if steps and steps[-1].chosen is None else []
        if not all(self._is_allowed(networks[name].cost) for name in begun):
            steps.pop()  # the limit was higher then
        for number in range(1, self.options.steps + 1):
            if len(steps) < number and not self._has_time(0):
                return _SPENT
            if len(steps) < number and not self._plan(number):
                if networks[START.name].miou is None and self._is_allowed(networks[START.name].cost):
                    self._train([self._job(START.name)], networks)
                    if networks[START.name].miou is None:
                        return _SPENT
                limit = f"{self.options.max_cost} {self.costs.unit}"
                return f"no candidate of step {number} costs at most {limit}"
            step = steps[number - 1]
            if step.chosen is None:
                self._tell(number, step)
                if not self._train_step(step):
                    return _SPENT
                self._choose(step, number)
        return f"it has made {counted(self.options.steps, 'step')}"

    def cost(self, name: str, model: Model) -> Cost:
        """Return what a network costs, unless the search was asked to stop."""
        if self.asked_to_stop():
            raise Stopped
        return self.costs.of(name, model)

    def _plan(self, number: int) -> bool:
        """Find the candidates of the next step; return whether there are any."""
        _log.info(f"[SCALE] step {number}: finding its candidates, by the costs of about 30 networks")
        parent = Architecture.from_name(self.state.path()[-1])
        target, found = propose(parent, lambda network: self.cost(network.name, network.model()).value)
        costs = {one: self.cost(one.architecture.name, one.architecture.model()) for one in found}
        allowed = [one for one in found if self._is_allowed(costs[one].value)]
        found = some_of(allowed, self.options.candidates, number)
        if not found:
            return False
        for one in found:
            own = self.state.networks.setdefault(one.architecture.name, Network(*costs[one]))
            own.step, own.parent, own.move = number, parent.name, one.move
        names = [one.architecture.name for one in found]
        self.state.steps.append(Step(parent.name, target, names))
        self._save()
        return True

    def _tell(self, number: int, step: Step) -> None:
        """Say what a step has before it, and how long it will take."""
        told = self._forecast([step.parent, *step.candidates])
        later = sum(
            self._seconds(name, growth(further))
            for name in step.candidates
            for further in range(1, self.options.steps - number + 1)
        )
        budget = f" of {spoken(self.options.budget)}" if self.options.budget else ""
        ahead = ""
        if later:
            ahead = "the steps after it, if networks grow as the paper's do, about "
            ahead += f"{spoken(later / self.options.jobs)}, and measuring; "
        _log.info(
            f"[SCALE] step {number} of {self.options.steps}: {counted(len(step.candidates), 'candidate')} of "
            f"about {step.target:.3g} {self.costs.unit}; {told}; {ahead}so far "
            f"{spoken(self._elapsed())}{budget}"
        )

    def _forecast(self, names: Sequence[str]) -> str:
        """Return how many of some networks are still to be trained, and how long that takes."""
        known = {**self.state.networks, **self.state.references}
        left = [name for name in dict.fromkeys(names) if known[name].miou is None]
        seconds = sum(map(self._seconds, left)) / self.options.jobs
        return f"{counted(len(left), 'training')}, about {spoken(seconds)}"

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
        with closing(self.trainer(jobs, lambda job: self._has_time(self._seconds(job.name)))) as outcomes:
            for name, outcome in outcomes:
                own = networks[name]
                own.miou, own.seconds = outcome.miou, outcome.seconds and round(outcome.seconds, 1)
                self._save()
                move, cost = own.move and f" ({own.move})", f"{own.cost:.3g} {self.costs.unit}"
                took = f", in {spoken(own.seconds)}" if own.seconds else ""
                _log.info(f"[SCALE] {name}{move}: mIoU {own.miou:.4f} at {cost}{took}")

    def _job(self, name: str) -> Job:
        networks = self.state.networks
        parent = networks[name].parent if self.options.inherit else None
        if parent is None or not networks[parent].miou:  # one that diverged has left no weights
            return Job(name, _model(name))
        return Job(name, _model(name), self.weights(parent))

    def _has_time(self, seconds: float) -> bool:
        """Return whether what takes so long will end within the budget."""
        return self.options.budget is None or self._elapsed() + seconds <= self.options.budget

    def _is_allowed(self, cost: float) -> bool:
        return self.options.max_cost is None or cost <= self.options.max_cost

    def _seconds(self, name: str, times: float = 1.0) -> float:
        """Return how long a training takes, or will take, of a network, or of one `times` as large."""
        first = self.macs(START.name)
        known = {**self.state.networks, **self.state.references}
        done = [(self.macs(own) / first, one.seconds) for own, one in known.items() if one.seconds]
        timing = Timing(**(self.state.timing or {}))
        return predicted_seconds(times * self.macs(name) / first, timing, done)

    def _choose(self, step: Step, number: int) -> None:
        """Let the network grow as the best candidate has."""
        for name in (step.parent, *step.candidates):  # an earlier process may have measured again
            self.state.networks[name].set_cost(self.costs.of(name, _model(name)))
        self._measure_again(step, number)
        best = best_of(*self._compared(step))
        if not self.state.networks[best].miou:
            raise UserError(
                f"all candidates of step {number} have mIoU 0, or their trainings diverged; look at the data "
                f"with check_dataset, lower the learning rate, or train longer (--proxy_iters); {_ANEW}"
            )
        step.chosen = best
        self._save()
        own, parent = self.state.networks[best], self.state.networks[step.parent]
        if own.miou is not None and parent.miou is not None and own.miou <= parent.miou:
            _log.warning(
                f"[SCALE] step {number}: no candidate is better than its parent; longer trainings "
                f"(--proxy_iters) may tell them apart; {_ANEW}"
            )
        _log.info(
            f"[SCALE] step {number}: {own.move} is best: mIoU {parent.miou:.4f} -> {own.miou:.4f}, "
            f"{parent.cost:.3g} -> {own.cost:.3g} {self.costs.unit}"
        )

    def _compared(self, step: Step) -> tuple[Network, dict[str, Network]]:
        networks = self.state.networks
        return networks[step.parent], {name: networks[name] for name in step.candidates}

    def _measure_again(self, step: Step, number: int) -> None:
        """Measure the parent and all that gain once more, and again until it is clear which one is best.

        All of them, for a network that is measured more often than another one is found to be faster.
        """
        networks = self.state.networks
        least = networks[step.parent].miou or 0.0
        compared = [step.parent, *(name for name in step.candidates if (networks[name].miou or 0.0) > least)]
        for attempt in range(_AGAIN):
            is_known = not any(networks[name].spread for name in compared)
            if is_known or len(compared) < 3 or (attempt and not is_close(*self._compared(step))):
                return
            _log.info(f"[SCALE] step {number}: measuring {counted(len(compared), 'network')} again")
            for name in compared:
                if self.asked_to_stop():
                    raise Stopped
                networks[name].set_cost(self.costs.again(name, _model(name)))

    def _elapsed(self) -> float:
        return self._before + self._clock() - self._began

    def _save(self) -> None:
        self.state.seconds = self._elapsed()
        write_state(self.path, self.state)


def _model(name: str) -> Model:
    return Architecture.from_name(name).model()
