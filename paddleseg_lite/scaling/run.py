"""A search from its settings to its results."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paddleseg_lite.config.build import Plan
from paddleseg_lite.config.core import Config
from paddleseg_lite.datasets.info import DatasetInfo
from paddleseg_lite.deploy.backend import choose
from paddleseg_lite.deploy.onnx_graph import EXTRA
from paddleseg_lite.engine.environment import versions
from paddleseg_lite.errors import UserError, require_modules, writing
from paddleseg_lite.files import WRITABLE, locked
from paddleseg_lite.printable import LogFormatter, say
from paddleseg_lite.scaling import latency
from paddleseg_lite.scaling.architecture import REFERENCES, START, Architecture
from paddleseg_lite.scaling.cost import Costs, Latency, Macs
from paddleseg_lite.scaling.estimate import Timing, spoken
from paddleseg_lite.scaling.page import write_page
from paddleseg_lite.scaling.results import points, table, write_frontier
from paddleseg_lite.scaling.search import Search, SearchOptions
from paddleseg_lite.scaling.state import RUNS, SearchState, read_state
from paddleseg_lite.scaling.training import EngineTrainer, Job, take_timing

_PACKAGE_LOG = logging.getLogger("paddleseg_lite")
_TIMED = 20  # iterations of the training that is only timed


@dataclass(frozen=True)
class Settings:
    """A search.

    Attributes:
        config: what to train on and how; its network is replaced.
        folder: of the search.
        size: (width, height) of the image that a network gets, for its costs.
        objective: "latency" or "macs".
        backend: the runtime to measure latencies by.
        proxy_iters: iterations of each training.
        search: how far it goes.
        references: names of REFERENCES to train.
        seed, device, num_workers: of the trainings, see `training.EngineTrainer`.
    """

    config: Config
    folder: Path
    size: tuple[int, int]
    objective: str
    backend: str
    proxy_iters: int
    search: SearchOptions
    references: Sequence[str] = ()
    seed: int = 0
    device: str = "auto"
    num_workers: int = 0


def run_search(settings: Settings, asked_to_stop: Callable[[], bool]) -> str:
    """Begin a search or go on with it, write its results, and return why it ended.

    Raises:
        Stopped: it was asked to stop; the results so far are written.
        UserError: another process searches in the folder, its search has other options, a config is wrong, a
            measurement or a training failed.
    """
    folder = settings.folder
    with writing(folder, WRITABLE):
        folder.mkdir(parents=True, exist_ok=True)
    busy = f"another process searches in {folder}; wait until it ends, or give another --save_dir"
    info = _checked(settings)

    @functools.cache
    def gmacs(name: str) -> float:
        if name in REFERENCES:
            return latency.gmacs(latency.with_model(settings.config, REFERENCES[name]), settings.size)
        network = Architecture.from_name(name)
        return network.macs(settings.size, info.num_classes, info.in_channels) / 1e9

    with locked(folder / ".lock", busy), _logged(folder / "search.log"):
        costs = _costs(settings, info, gmacs)
        path = folder / "search.json"
        values = {key: own for key, own in settings.config.standalone().items() if key != "model"}
        state = read_state(path, _options(settings, costs, values))
        trainer = functools.partial(
            EngineTrainer,
            config=values,
            seed=settings.seed,
            device=settings.device,
            num_workers=settings.num_workers,
            asked_to_stop=asked_to_stop,
        )
        trains = trainer(folder / RUNS, iters=settings.proxy_iters, jobs=settings.search.jobs)

        def timing() -> Timing:
            job = Job(START.name, START.model())
            timed = trainer(folder / "timing", iters=_TIMED, jobs=settings.search.jobs)
            return take_timing(timed, job, settings.proxy_iters)

        search = Search(
            path, state, costs, trains, trains.weights, gmacs, timing, settings.search, asked_to_stop
        )
        try:
            reason = search.run(REFERENCES, settings.references)
        finally:
            _write(settings, state, costs, gmacs, trains, values)
        return reason


def _checked(settings: Settings) -> DatasetInfo:
    """Return what the data declare.

    Raises:
        UserError: they are not there, or for another task than segmentation; there is no loss, optimizer or
            lr_scheduler; or all of a training is warm-up.
    """
    config, iters = settings.config, settings.proxy_iters
    plan = Plan(config)
    warmup = (config.values.get("lr_scheduler") or {}).get("warmup_iters") or 0
    if iters <= warmup:
        key = "lr_scheduler.warmup_iters"
        raise UserError(
            f"--proxy_iters is {iters}, but the warm-up takes {warmup} iterations ({config.where(key)}); "
            f"give more, or a shorter one by --opts {key}={iters // 10}"
        )
    plan.criterion()
    for section in ("optimizer", "lr_scheduler"):
        config.section(section)
    for section in ("train_dataset", "val_dataset"):
        plan.dataset(section)
    return plan.info("val_dataset")


def _costs(settings: Settings, info: DatasetInfo, gmacs: Callable[[str], float]) -> Costs:
    """Return what tells the costs of networks.

    Raises:
        UserError: there is no such runtime, or it is not installed.
    """
    config, size = settings.config, settings.size
    if settings.objective == "macs":
        return Macs(gmacs, f"{size[0]}x{size[1]}")
    runtime, _ = choose(settings.backend)
    if runtime == "onnxruntime":
        require_modules("onnxruntime", "paddle2onnx", install=EXTRA)
    return Latency(
        settings.folder / "latency.json",
        lambda model: latency.measure(latency.with_model(config, model), runtime, size),
        latency.condition(runtime, size, info),
    )


def _options(settings: Settings, costs: Costs, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the results of a search depend on."""
    return {
        "config": config,
        "proxy_iters": settings.proxy_iters,
        "seed": settings.seed,
        "candidates": settings.search.candidates,
        "inherit": settings.search.inherit,
        "cost": f"{costs.unit}: {costs.condition}",
    }


def _write(
    settings: Settings,
    state: SearchState,
    costs: Costs,
    gmacs: Callable[[str], float],
    trains: EngineTrainer,
    config: Mapping[str, Any],
) -> None:
    """Write the results so far, if there are any, and print the table."""
    found = points(state, gmacs)
    if not any(point.miou is not None for point in found):
        return
    facts = {
        "config": settings.config.path,
        "cost": f"{costs.unit}, {costs.condition}",
        "training": f"{settings.proxy_iters} iterations, seed {settings.seed}"
        + (", from the parent's weights" if settings.search.inherit else ", from random weights"),
        "steps": str(sum(step.chosen is not None for step in state.steps)),
        "networks": str(sum(point.miou is not None for point in found)),
        "time": spoken(state.seconds),
        "versions": ", ".join(f"{name} {version}" for name, version in versions().items()),
    }
    paths = write_page(settings.folder, found, costs.unit, facts)
    say(*table(found, costs.unit).split("\n"), f"results: {', '.join(map(str, paths))}")
    write_frontier(settings.folder, found, config, trains.weights)


@contextmanager
def _logged(path: Path) -> Iterator[None]:
    """Let the package's log also be written to a file."""
    with writing(path, WRITABLE):
        handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(LogFormatter())
    _PACKAGE_LOG.addHandler(handler)
    try:
        yield
    finally:
        _PACKAGE_LOG.removeHandler(handler)
        handler.close()
