"""Going on with a run as if it had never been interrupted."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from paddleseg_lite import parallel
from paddleseg_lite.checkpoint.folders import (
    holds_run,
    latest_checkpoint,
    paddleseg_checkpoint,
    set_aside_newer,
    use_paddlesegs,
)
from paddleseg_lite.checkpoint.save import load_checkpoint, read_info
from paddleseg_lite.checkpoint.state import TrainState
from paddleseg_lite.engine import rng
from paddleseg_lite.engine.environment import versions
from paddleseg_lite.engine.meter import Meter
from paddleseg_lite.engine.options import AUTO, TrainOptions
from paddleseg_lite.engine.step import TrainStep
from paddleseg_lite.errors import UserError

log = logging.getLogger(__name__)

# What a run's numbers depend on, besides the config.
_SETTINGS = ("iters", "batch_size", "accumulate", "seed", "precision", "amp_level", "use_ema", "ema_decay")


def checkpoint_to_resume(options: TrainOptions) -> Path | None:
    """Return the folder to go on from, None for a run that begins.

    Raises:
        UserError: no checkpoint of an earlier run is whole.
    """
    if options.resume is None:
        return None
    if str(options.resume) != AUTO:
        return Path(options.resume)
    newest = latest_checkpoint(options.save_dir)
    if newest is None and (other := paddleseg_checkpoint(options.save_dir)):
        raise UserError(f"there is nothing to resume in {options.save_dir}: {use_paddlesegs(other)}")
    if newest is None and holds_run(options.save_dir):
        raise UserError(
            f"none of the checkpoints in {options.save_dir} is whole, so that there is nothing to resume; "
            "give this run a --save_dir of its own"
        )
    if newest is None:
        log.info(f"[TRAIN] no checkpoint in {options.save_dir} yet: starting at iteration 0")
    return newest


def load(folder: Path, step: TrainStep, meter: Meter, options: TrainOptions, key: str) -> TrainState:
    """Bring all but the moving average into the state that a checkpoint holds; tell what is different now.

    Args:
        folder: the checkpoint.
        step, meter: take what it holds.
        options: of this run.
        key: of the score in the info.json of the best weights.

    Raises:
        UserError: the checkpoint is damaged, of another model or optimizer, or of another stream of samples.
    """
    state = load_checkpoint(
        folder, step.model, step.optimizer, check=lambda saved: _check_settings(folder, saved, options)
    )
    try:
        if state.scaler:
            step.scaler.load_state_dict(state.scaler)
        if len(state.generators) == parallel.world_size():
            rng.load_state_dict(state.generators[parallel.rank()])
        if state.meters:  # of as many ranks, unless it was saved by another number of them
            meter.load_state_dict(state.meters[parallel.rank() % len(state.meters)])
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise UserError(
            f"{folder}: scaler, generators or meters in state.json are damaged ({error}); give another "
            "iter_N folder"
        ) from error
    _remember_best(state, options.save_dir, key)
    for difference in differences(state.run, description(options)):
        log.warning(f"[TRAIN] not as it was when {folder} was saved: {difference}")
    log.info(f"[TRAIN] resumed {folder} at iteration {state.iteration}")
    return state


def _check_settings(folder: Path, state: TrainState, options: TrainOptions) -> None:
    """Refuse another stream of samples, and to go on between level O2 and the rest.

    The optimizer of level O2 keeps float32 copies of the weights, which the others lack.
    """
    own = stream(options)
    if state.stream not in ({}, own):
        raise UserError(
            f"{folder} was saved with {state.stream}, this run has {own} and would see other "
            "samples than the run it goes on with; give the same --seed and --batch_size"
        )
    saved = state.run.get("settings", {})
    precision, level = (saved.get(name, getattr(options, name)) for name in ("precision", "amp_level"))
    if (level == "O2") != (options.amp_level == "O2"):
        raise UserError(
            f"{folder} was saved with --precision {precision} --amp_level {level}, this run has --precision "
            f"{options.precision} --amp_level {options.amp_level}, whose optimizer state is another; give "
            "the checkpoint's, or begin a new run with its weights as --pretrained"
        )


def set_newer_aside(state: TrainState, options: TrainOptions) -> None:
    """Rename the checkpoints that a run leaves behind when it goes on from an older one; tell it."""
    for folder in set_aside_newer(options.save_dir, state.iteration):
        log.warning(
            f"[TRAIN] going on from iteration {state.iteration}: a later checkpoint is now {folder}, neither "
            "resumed by auto nor removed"
        )


def stream(options: TrainOptions) -> dict[str, int]:
    """Return what the order of samples depends on; batch_size is that of all ranks in an iteration."""
    images = options.batch_size * options.accumulate * parallel.world_size()
    return {"seed": options.seed, "batch_size": images}


def _remember_best(state: TrainState, save_dir: Path, key: str) -> None:
    """Let the best so far be what lies in best_model/, which may be of a later iteration than the state."""
    info = read_info(save_dir / "best_model")
    if info.get(key, -1.0) > state.best_miou:
        state.best_miou, state.best_iteration = info[key], info["iteration"]
    info = read_info(save_dir / "ema_best_model")
    state.best_ema_miou = max(info.get(key, -1.0), state.best_ema_miou)


def description(options: TrainOptions) -> dict[str, Any]:
    """Return what a run depends on, as plain data: config, settings, ranks, versions."""
    config = dict(options.config or {})
    settings = {name: getattr(options, name) for name in _SETTINGS if name not in config}
    if not options.use_ema:
        settings.pop("ema_decay")
    return {
        "config": json.loads(json.dumps(config, default=str)),
        "settings": {**settings, "ranks": parallel.world_size()},
        "versions": versions(),
    }


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Yield "a.b: 1 -> 2" for every entry that differs; nothing for what the old one does not know."""
    for section, values in old.items():
        before, after = dict(_flat(values, section)), dict(_flat(new.get(section, {}), section))
        for key in sorted({*before, *after}):
            if before.get(key) != after.get(key):
                yield f"{key}: {before.get(key)!r} -> {after.get(key)!r}"


def _flat(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    items: Iterator[tuple[Any, Any]]
    if isinstance(value, Mapping):
        items = iter(value.items())
    elif isinstance(value, (list, tuple)):
        items = iter(enumerate(value))
    else:
        yield key, value
        return
    for name, item in items:
        yield from _flat(item, f"{key}.{name}")
