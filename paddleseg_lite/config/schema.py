"""What a config may hold: its top-level keys and their structure.

The arguments of models, data sets and the like are checked later, against their signatures.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from paddleseg_lite.errors import UserError
from paddleseg_lite.registry import did_you_mean

if TYPE_CHECKING:
    from paddleseg_lite.config.core import Config


def validate(config: Config) -> None:
    """Check the top-level keys and the structure below them.

    Raises:
        UserError: a key is unknown, or a value is not of the kind it must be.
    """
    check_keys(config, "", config.values, _CHECKS)
    for key, check in _CHECKS.items():
        if config.has(key):
            check(config, key, config.values[key])


def check_keys(config: Config, place: str, found: dict[str, Any], allowed: Collection[str]) -> None:
    """Refuse keys of `found`, which stands at the dotted `place`, that are not in `allowed`."""
    for key in found:
        if key not in allowed:
            dotted = f"{place}.{key}" if place else str(key)
            raise UserError(
                f"{config.source(dotted)}: unknown key '{dotted}'{did_you_mean(key, allowed)}"
                f" (allowed{' below ' + place if place else ''}: {', '.join(allowed)})"
            )


def expect(config: Config, key: str, value: Any, allowed: str, is_allowed: bool) -> None:
    """Refuse `value` at the dotted `key` unless `is_allowed`; `allowed` says in words what would be."""
    if not is_allowed:
        raise UserError(f"{config.where(key)} is {value!r}; allowed is {allowed}")


def is_number(value: Any) -> bool:
    """Return whether `value` is an int or a float; True and False are not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_count(value: Any, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _count(config: Config, key: str, value: Any) -> None:
    expect(config, key, value, "a whole number of at least 1", _is_count(value))


def _component(config: Config, key: str, value: Any) -> None:
    example = "a mapping with the component's name under 'type' and its arguments"
    expect(config, key, value, example, isinstance(value, dict) and isinstance(value.get("type"), str))


def _model(config: Config, key: str, value: Any) -> None:
    _component(config, key, value)
    if value.get("backbone") is not None:
        _component(config, f"{key}.backbone", value["backbone"])


def _dataset(config: Config, key: str, value: Any) -> None:
    _component(config, key, value)
    transforms = value.get("transforms", [])
    expect(config, f"{key}.transforms", transforms, "a list of transforms", isinstance(transforms, list))
    for index, transform in enumerate(transforms):
        _component(config, f"{key}.transforms.{index}", transform)


def _schedule(config: Config, key: str, value: Any) -> None:
    _component(config, key, value)
    if "learning_rate" in value:
        rate = value["learning_rate"]
        expect(config, f"{key}.learning_rate", rate, "a positive number", is_number(rate) and rate > 0)
    iters, start = value.get("warmup_iters"), value.get("warmup_start_lr")
    if (iters is None) != (start is None):
        given, missing = ("warmup_iters", "warmup_start_lr")[:: 1 if start is None else -1]
        where = config.where(f"{key}.{given}")
        raise UserError(f"{where} is {value[given]!r} but {missing} is missing; give both or neither")
    if iters is not None:
        whole = "a whole number of at least 0"
        expect(config, f"{key}.warmup_iters", iters, whole, _is_count(iters, least=0))
        number = is_number(start) and start >= 0
        expect(config, f"{key}.warmup_start_lr", start, "a number of at least 0", number)


def _loss(config: Config, key: str, value: Any) -> None:
    expect(config, key, value, "a mapping with 'types' and 'coef'", isinstance(value, dict))
    check_keys(config, key, value, ("types", "coef"))
    types, coef = value.get("types"), value.get("coef")
    is_list = isinstance(types, list) and bool(types)
    expect(config, f"{key}.types", types, "a list of losses, each with its name under 'type'", is_list)
    for index, loss in enumerate(value["types"]):
        _component(config, f"{key}.types.{index}", loss)
    is_list = isinstance(coef, list) and bool(coef) and all(is_number(factor) for factor in value["coef"])
    expect(config, f"{key}.coef", coef, "a list of one factor for each output of the model", is_list)
    if len(value["types"]) not in (1, len(value["coef"])):
        raise UserError(
            f"{config.where(key + '.types')} has {len(value['types'])} entries and "
            f"{config.where(key + '.coef')} has {len(value['coef'])}; give one loss for all of the model's "
            "outputs, or as many losses as factors"
        )


def _test_config(config: Config, key: str, value: Any) -> None:
    expect(config, key, value, "a mapping of evaluation options", isinstance(value, dict))
    check_keys(config, key, value, _TEST_OPTIONS)
    for option, setting in value.items():
        if setting is not None:
            allowed, is_allowed = _TEST_OPTIONS[option]
            expect(config, f"{key}.{option}", setting, allowed, is_allowed(setting))


def _imports(config: Config, key: str, value: Any) -> None:
    is_names = isinstance(value, list) and all(isinstance(name, str) for name in value)
    expect(config, key, value, "a list of modules or of .py files relative to this YAML", is_names)


def _is_scales(value: Any) -> bool:
    scales = value if isinstance(value, list) else [value]
    return bool(scales) and all(is_number(scale) and scale > 0 for scale in scales)


def _is_size(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(_is_count(side) for side in value)


def _is_switch(value: Any) -> bool:
    return isinstance(value, bool)


_SWITCH = ("True or False", _is_switch)
_SIZE = ("[width, height] in pixels", _is_size)
_TEST_OPTIONS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "aug_eval": _SWITCH,
    "scales": ("a positive number or a list of them", _is_scales),
    "flip_horizontal": _SWITCH,
    "flip_vertical": _SWITCH,
    "is_slide": _SWITCH,
    "crop_size": _SIZE,
    "stride": _SIZE,
}
_CHECKS: dict[str, Callable[[Config, str, Any], None]] = {
    "batch_size": _count,
    "iters": _count,
    "model": _model,
    "train_dataset": _dataset,
    "val_dataset": _dataset,
    "optimizer": _component,
    "lr_scheduler": _schedule,
    "loss": _loss,
    "test_config": _test_config,
    "imports": _imports,
}
