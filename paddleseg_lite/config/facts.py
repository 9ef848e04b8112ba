"""What data sets declare about themselves in YAML and class, without any data being there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from paddleseg_lite.config.core import Config
from paddleseg_lite.config.schema import expect
from paddleseg_lite.config.signature import parameters_of
from paddleseg_lite.datasets.info import DatasetInfo, voc_palette
from paddleseg_lite.errors import UserError

# A fact that the model or the loss needs -> the data set's argument of that meaning.
_FACTS = {"num_classes": "num_classes", "ignore_index": "ignore_index", "in_channels": "img_channels"}

Declared = dict[str, tuple[int, str]]


def declared(config: Config, datasets: Mapping[str, Callable[..., Any]]) -> Declared:
    """Return the facts that data sets declare, each with where: {"num_classes": (19, "FILE: train_dataset")}.

    Args:
        config: the configuration.
        datasets: the data set classes by section. What the YAML says comes first, then the class's
            attributes, then the defaults of its arguments.

    Raises:
        UserError: two data sets contradict each other, or a value is no whole number.
    """
    found: Declared = {}
    for section, dataset in datasets.items():
        spec = config.section(section)
        for name, argument in _FACTS.items():
            value, where = spec.get(argument), config.where(f"{section}.{argument}")
            if value is None:
                value, where = (
                    _class_fact(dataset, name, argument),
                    f"{config.where(section)} ({spec['type']})",
                )
            if value is None:
                continue
            expect(config, f"{section}.{argument}", value, "a whole number", isinstance(value, int))
            known, known_where = found.setdefault(name, (value, where))
            if known != value:
                raise _contradiction(name, known, known_where, value, where)
    return found


def resolve_facts(
    config: Config, key: str, spec: Mapping[str, Any], facts: Declared, names: Collection[str]
) -> dict[str, int]:
    """Return the declared values of `names`.

    Raises:
        UserError: `spec`, which stands at the dotted `key`, has another value.
    """
    known = {name: facts[name] for name in names if name in facts}
    for name, (value, where) in known.items():
        if spec.get(name) not in (None, value):
            raise _contradiction(name, spec[name], config.where(f"{key}.{name}"), value, where)
    return {name: value for name, (value, _) in known.items()}


def describe(config: Config, section: str, dataset: Callable[..., Any]) -> DatasetInfo:
    """Return the declaration of the data set of class `dataset` under `section`.

    Raises:
        UserError: the number of classes is not declared, or names or colours are not as many.
    """
    spec, facts = config.section(section), declared(config, {section: dataset})
    if "num_classes" not in facts:
        raise UserError(
            f"{config.where(section)}: the number of classes is missing; add {section}.num_classes"
        )
    count, _ = facts["num_classes"]
    classes, palette = (spec.get(name, getattr(dataset, name, None)) for name in ("classes", "palette"))
    if classes is None:
        classes = [f"class {index}" for index in range(count)]
    if palette is None:
        palette = voc_palette(count)
    is_names = isinstance(classes, (list, tuple)) and len(classes) == count
    expect(config, f"{section}.classes", classes, f"a list of {count} names", is_names)
    is_colours = np.shape(palette) == (count, 3)
    expect(config, f"{section}.palette", palette, f"a list of {count} colours [red, green, blue]", is_colours)
    in_channels, _ = facts.get("in_channels", (3, ""))
    ignored, _ = facts.get("ignore_index", (255, ""))
    return DatasetInfo(count, in_channels, tuple(classes), np.asarray(palette, np.uint8), ignored)


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
