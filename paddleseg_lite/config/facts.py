"""What data sets declare about themselves in YAML and class, without any data being there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from paddleseg_lite.config.core import Config
from paddleseg_lite.config.schema import expect
from paddleseg_lite.config.signature import BoundComponent, parameters_of
from paddleseg_lite.datasets.info import DatasetInfo, checked_info
from paddleseg_lite.errors import UserError

# A fact that the model or the loss needs -> the data set's argument of that meaning.
_FACTS = {"num_classes": "num_classes", "ignore_index": "ignore_index", "in_channels": "img_channels"}

# {"num_classes": (19, "FILE: train_dataset (Cityscapes)")}
Facts = dict[str, tuple[int, str]]


def declared_facts(config: Config, datasets: Mapping[str, BoundComponent]) -> Facts:
    """Return what data sets declare, and where: the YAML first, then the class, then its arguments' defaults.

    Args:
        config: the configuration.
        datasets: the data sets by section.

    Raises:
        UserError: two data sets contradict each other, or a value is no whole number.
    """
    found: Facts = {}
    for section, dataset in datasets.items():
        for name, argument in _FACTS.items():
            value, where = dataset.arguments.get(argument), config.where(f"{section}.{argument}")
            if value is None:
                value = _class_fact(dataset.component, name, argument)
                where = f"{dataset.where} ({config.values[section]['type']})"
            if value is None:
                continue
            expect(config, f"{section}.{argument}", value, "a whole number", isinstance(value, int))
            known, known_where = found.setdefault(name, (value, where))
            if known != value:
                raise _contradiction(name, known, known_where, value, where)
    return found


def resolve_facts(
    config: Config, key: str, spec: Mapping[str, Any], facts: Facts, names: Collection[str]
) -> dict[str, int]:
    """Return the declared values of `names`, to be filled in where `spec` leaves them out.

    Raises:
        UserError: `spec`, which stands at the dotted `key`, has another value.
    """
    known = {name: facts[name] for name in names if name in facts}
    for name, (value, where) in known.items():
        if spec.get(name) not in (None, value):
            raise _contradiction(name, spec[name], config.where(f"{key}.{name}"), value, where)
    return {name: value for name, (value, _) in known.items()}


def dataset_info(config: Config, section: str, dataset: BoundComponent) -> DatasetInfo:
    """Return what the data set under `section` declares; no data needs to be present.

    Raises:
        UserError: the number of classes is not declared, or names or colors are not as many.
    """
    facts = {name: value for name, (value, _) in declared_facts(config, {section: dataset}).items()}
    if "num_classes" not in facts:
        raise UserError(f"{dataset.where}: the number of classes is missing; add {section}.num_classes")
    names, colors = (
        dataset.arguments.get(name, getattr(dataset.component, name, None)) for name in ("classes", "palette")
    )
    try:
        return checked_info(classes=names, palette=colors, **facts)
    except UserError as error:
        raise UserError(f"{dataset.where}: {error}") from error


def _class_fact(dataset: Callable[..., Any], name: str, argument: str) -> int | None:
    """Return what a data set class says about `name` without being built, or None."""
    value = getattr(dataset, name, None)
    if isinstance(value, int):
        return value
    classes = getattr(dataset, "classes", None)
    if name == "num_classes" and isinstance(classes, (tuple, list)):
        return len(classes)
    parameter = parameters_of(dataset).get(argument)
    return parameter.default if parameter is not None and isinstance(parameter.default, int) else None


def _contradiction(name: str, one: Any, one_where: str, other: Any, other_where: str) -> UserError:
    return UserError(f"{name} is {one} by {one_where}, but {other} by {other_where}; make them agree")
