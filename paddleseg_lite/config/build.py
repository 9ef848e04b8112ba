"""Config -> objects: the only place that looks names up in registries.

Whatever is built first, the whole config is checked first: a misspelt loss is reported before the
backbone's weights are downloaded. The check opens no data set and no connection.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from paddle import nn
from paddle.optimizer import Optimizer

from paddleseg_lite import datasets, losses, models, optim, transforms  # noqa: F401  (they register)
from paddleseg_lite.config.core import Config
from paddleseg_lite.config.facts import declared, describe, resolve_facts
from paddleseg_lite.config.schema import expect, is_count, is_number
from paddleseg_lite.config.signature import Plan, import_components, plan
from paddleseg_lite.datasets.base import SegmentationDataset
from paddleseg_lite.datasets.info import DatasetInfo
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
from paddleseg_lite.transforms import Compose

_DATASETS = {"train_dataset": "train", "val_dataset": "val"}  # section -> mode
_WARMUP = ("warmup_iters", "warmup_start_lr")


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


def build_dataset(config: Config, section: str) -> SegmentationDataset:
    """Build the data set under `section`, "train_dataset" or "val_dataset", with its transforms.

    Raises:
        UserError: the config does not fit, or the data are not there.
    """
    check_config(config)
    return _plan_dataset(config, section)()


def build_transforms(config: Config, section: str) -> Compose:
    """Build the transforms under `section`, "train_dataset" or "val_dataset", without the data set.

    Raises:
        UserError: the config does not fit.
    """
    check_config(config)
    return Compose(
        [transform() for transform in _plan_dataset(config, section).arguments.get("transforms") or []]
    )


def describe_dataset(config: Config, section: str) -> DatasetInfo:
    """Return classes and colours of the data set under `section`; no data needs to be present.

    Raises:
        UserError: the config does not fit.
    """
    check_config(config)
    return describe(config, section, _lookup(config, DATASETS, section, config.section(section)))


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
    facts = declared(config, _dataset_classes(config))
    own = resolve_facts(config, "model", spec, facts, ("num_classes", "in_channels"))
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
        channels = resolve_facts(config, "model.backbone", backbone, facts, ("in_channels",))
        if not pretrained:
            backbone.pop("pretrained", None)
        spec["backbone"] = _planned(config, BACKBONES, "model.backbone", backbone, channels)
    if not pretrained:
        spec.pop("pretrained", None)
    return _planned(config, MODELS, "model", spec, own)


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
    facts = declared(config, _dataset_classes(config))
    plans = []
    for index, spec in enumerate(loss["types"]):
        key = f"loss.types.{index}"
        ignored = resolve_facts(config, key, spec, facts, ("ignore_index",))
        plans.append(_planned(config, LOSSES, key, spec, ignored))
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


def _dataset_classes(config: Config) -> dict[str, Callable[..., Any]]:
    """Return the data set classes by section, for what they declare."""
    sections = [section for section in _DATASETS if config.has(section)]
    return {section: _lookup(config, DATASETS, section, config.section(section)) for section in sections}
