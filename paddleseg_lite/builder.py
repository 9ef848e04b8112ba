"""Config -> objects: the only place that looks names up in registries.

Whatever is built first, the whole config is checked first: a misspelt loss is reported before the
backbone's weights are downloaded. The check opens no data set and no connection.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from paddle import nn
from paddle.io import Dataset
from paddle.optimizer import Optimizer

from paddleseg_lite import datasets, losses, models, optim, transforms  # noqa: F401  (they register)
from paddleseg_lite.components import Plan, import_components, parameters_of, plan
from paddleseg_lite.config import Config
from paddleseg_lite.config_schema import expect, is_count, is_number
from paddleseg_lite.errors import UserError
from paddleseg_lite.losses import Criterion
from paddleseg_lite.optim import make_schedule
from paddleseg_lite.registry import (
    BACKBONES,
    DATASETS,
    LOSSES,
    MODELS,
    OPTIMIZERS,
    SCHEDULERS,
    TRANSFORMS,
    Registry,
)

_DATASETS = {"train_dataset": "train", "val_dataset": "val"}  # section -> mode
_WARMUP = ("warmup_iters", "warmup_start_lr")
# What a data set declares for the model and the loss -> its argument of that meaning.
_DECLARED = {"num_classes": "num_classes", "ignore_index": "ignore_index", "in_channels": "img_channels"}


def build_model(config: Config, pretrained: bool = True) -> nn.Layer:
    """Build the network under `model`.

    `num_classes` and `in_channels` come from the data sets' declarations where `model` leaves them out.

    Args:
        config: the configuration; no data needs to be present.
        pretrained: False skips `pretrained` weights, which a caller is about to replace anyway.

    Raises:
        UserError: the config does not fit, or the pretrained weights do not load.
    """
    check_config(config)
    return _plan_model(config, pretrained)()


def build_dataset(config: Config, section: str) -> Dataset:
    """Build the data set under `section`, "train_dataset" or "val_dataset", with its transforms.

    Raises:
        UserError: the config does not fit, or the data are not there.
    """
    check_config(config)
    return _plan_dataset(config, section)()


def build_criterion(config: Config) -> Criterion:
    """Build the losses under `loss`; one entry in `types` serves all of `coef`, each with its own object.

    Raises:
        UserError: the config does not fit.
    """
    check_config(config)
    return Criterion([loss() for loss in _plan_losses(config)], config.section("loss")["coef"])


def build_optimizer(config: Config, model: nn.Layer) -> Optimizer:
    """Build the optimizer of the model's parameters, with the schedule under `lr_scheduler`.

    The schedule is to be stepped once per iteration.

    Raises:
        UserError: the config does not fit.
    """
    check_config(config)
    schedule = _plan_schedule(config)()
    return _plan_optimizer(config)(learning_rate=schedule, parameters=model.parameters())


def build_test_options(config: Config) -> dict[str, Any]:
    """Return the options given under `test_config`, lists as tuples; {} if there are none.

    Possible keys: aug_eval, scales (a tuple), flip_horizontal, flip_vertical, is_slide, crop_size and
    stride (both (width, height) in pixels).
    """
    options = {
        key: value for key, value in (config.values.get("test_config") or {}).items() if value is not None
    }
    if is_number(options.get("scales")):
        options["scales"] = [options["scales"]]
    return {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}


def check_config(config: Config) -> None:
    """Check all names and arguments in the config against the components they name.

    Raises:
        UserError: a name or an argument is unknown, a required argument is missing, or two places contradict
            each other; the message says where.
    """
    import_components(config)
    for section in _DATASETS:
        if config.has(section):
            _plan_dataset(config, section)
    if config.has("model"):
        _plan_model(config)
    if config.has("loss"):
        _plan_losses(config)
    if config.has("optimizer"):
        _plan_optimizer(config)
    if config.has("lr_scheduler"):
        _plan_schedule(config)


def _planned(
    config: Config,
    registry: Registry,
    key: str,
    spec: Mapping[str, Any],
    defaults: Mapping[str, Any] | None = None,
    injected: Collection[str] = (),
    is_foreign: bool = False,
) -> Plan:
    """Look up the component that `spec`, which stands at the dotted `key`, names, and check its arguments."""
    component = _lookup(config, registry, key, spec)
    return plan(config, key, component, spec, defaults, injected, is_foreign)


def _lookup(config: Config, registry: Registry, key: str, spec: Mapping[str, Any]) -> Callable[..., Any]:
    try:
        return registry.get(spec["type"])
    except UserError as error:
        raise UserError(f"{config.where(key + '.type')}: {error}") from error


def _plan_model(config: Config, pretrained: bool = True) -> Plan:
    spec = config.section("model")
    declared = _declared(config)
    facts = _agreed(config, "model", spec, declared, ("num_classes", "in_channels"))
    backbone = spec.get("backbone")
    if backbone is not None:
        is_component = isinstance(backbone, dict) and isinstance(backbone.get("type"), str)
        expect(
            config,
            "model.backbone",
            backbone,
            "a mapping with the backbone's name under 'type'",
            is_component,
        )
        channels = _agreed(config, "model.backbone", backbone, declared, ("in_channels",))
        if not pretrained:
            backbone.pop("pretrained", None)
        spec["backbone"] = _planned(config, BACKBONES, "model.backbone", backbone, channels)
    if not pretrained:
        spec.pop("pretrained", None)
    return _planned(config, MODELS, "model", spec, facts)


def _plan_dataset(config: Config, section: str) -> Plan:
    spec = config.section(section)
    if "transforms" in spec:
        spec["transforms"] = [
            _planned(config, TRANSFORMS, f"{section}.transforms.{index}", transform)
            for index, transform in enumerate(spec["transforms"])
        ]
    return _planned(config, DATASETS, section, spec, {"mode": _DATASETS[section]})


def _plan_losses(config: Config) -> list[Plan]:
    loss = config.section("loss")
    declared = _declared(config)
    plans = []
    for index, spec in enumerate(loss["types"]):
        key = f"loss.types.{index}"
        facts = _agreed(config, key, spec, declared, ("ignore_index",))
        plans.append(_planned(config, LOSSES, key, spec, facts))
    return plans * len(loss["coef"]) if len(plans) == 1 else plans


def _plan_optimizer(config: Config) -> Plan:
    spec = config.section("optimizer")
    injected = ("learning_rate", "parameters")
    return _planned(config, OPTIMIZERS, "optimizer", spec, injected=injected, is_foreign=True)


def _plan_schedule(config: Config) -> Plan:
    spec = config.section("lr_scheduler")
    warmup = {name: spec.pop(name, None) for name in _WARMUP}
    warmup = {name: value for name, value in warmup.items() if value is not None}
    if len(warmup) == 1:
        given, missing = (*warmup, *(name for name in _WARMUP if name not in warmup))
        where = config.where(f"lr_scheduler.{given}")
        raise UserError(f"{where} is {warmup[given]!r} but {missing} is missing; give both or neither")
    for name, value in warmup.items():
        if name == "warmup_iters":
            allowed, is_allowed = "a whole number of at least 0", is_count(value, least=0)
        else:
            allowed, is_allowed = "a number of at least 0", is_number(value) and value >= 0
        expect(config, f"lr_scheduler.{name}", value, allowed, is_allowed)
    if "learning_rate" in spec:
        rate = spec["learning_rate"]
        expect(config, "lr_scheduler.learning_rate", rate, "a positive number", is_number(rate) and rate > 0)
    # PolynomialDecay runs over what the warm-up leaves; a trial run may be shorter than the warm-up.
    defaults = {"decay_steps": max(config.iters - warmup.get("warmup_iters", 0), 1)}
    schedule = _planned(config, SCHEDULERS, "lr_scheduler", spec, defaults)
    arguments = {**schedule.arguments, **warmup, "schedule": schedule.component}
    return Plan(schedule.where, make_schedule, arguments, is_foreign=True)


def _declared(config: Config) -> dict[str, tuple[int, str]]:
    """Return what the data sets declare: {"num_classes": (19, "FILE: train_dataset (Cityscapes)")...}.

    From the YAML, the class's attributes and the defaults of its arguments: no data need to be present.
    """
    found: dict[str, tuple[int, str]] = {}
    for section in _DATASETS:
        if not config.has(section):
            continue
        spec = config.section(section)
        dataset = _lookup(config, DATASETS, section, spec)
        for name, argument in _DECLARED.items():
            value, where = spec.get(argument), config.where(f"{section}.{argument}")
            if value is None:
                value, where = (
                    _class_fact(dataset, name, argument),
                    f"{config.where(section)} ({spec['type']})",
                )
            if value is None:
                continue
            expect(config, f"{section}.{argument}", value, "a whole number", is_count(value, least=-1))
            known, known_where = found.setdefault(name, (value, where))
            if known != value:
                raise _contradiction(name, known, known_where, value, where)
    return found


def _class_fact(dataset: Callable[..., Any], name: str, argument: str) -> int | None:
    """Return what a data set class says about `name` without being built, or None."""
    value = getattr(dataset, name, None)
    if isinstance(value, int):
        return value
    if name == "num_classes" and isinstance(getattr(dataset, "classes", None), (tuple, list)):
        return len(dataset.classes) or None  # type: ignore[attr-defined]
    parameter = parameters_of(dataset).get(argument)
    return parameter.default if parameter is not None and isinstance(parameter.default, int) else None


def _agreed(
    config: Config,
    key: str,
    spec: Mapping[str, Any],
    declared: Mapping[str, tuple[int, str]],
    names: Collection[str],
) -> dict[str, int]:
    """Return the declared values of `names`; refuse other values in `spec`, which stands at `key`."""
    facts = {name: declared[name] for name in names if name in declared}
    for name, (value, where) in facts.items():
        if spec.get(name) not in (None, value):
            raise _contradiction(name, spec[name], config.where(f"{key}.{name}"), value, where)
    return {name: value for name, (value, _) in facts.items()}


def _contradiction(name: str, one: Any, one_where: str, other: Any, other_where: str) -> UserError:
    return UserError(f"{name} is {one} by {one_where}, but {other} by {other_where}; make them agree")
