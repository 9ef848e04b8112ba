"""What a config may hold: its top-level keys, and what may stand where below them.

The arguments of models, data sets and the like are checked later, against their signatures.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from paddleseg_lite.errors import UserError
from paddleseg_lite.paddleseg_names import ARGUMENTS, IDLE_KEYS
from paddleseg_lite.registry import did_you_mean

if TYPE_CHECKING:
    from paddleseg_lite.config.core import Config

log = logging.getLogger(__name__)

ANCHORS = "x-"  # top-level keys that begin so are the user's own place for YAML anchors


def validate(config: Config) -> None:
    """Check keys, structure, and the values that are nobody's arguments.

    Raises:
        UserError: a key is unknown, or a value is not of the kind it must be.
    """
    _check_top(config)
    for pattern, rule in _RULES.items():
        for key, value in _found(config.values, pattern.split(".")):
            if key in ("loss", "test_config") and isinstance(value, dict):
                below = dict.fromkeys(name.split(".")[1] for name in _RULES if f"{key}." in name)
                check_keys(config, key, value, below)
            if value is not None or not rule.may_be_null:
                expect(config, key, value, rule.allowed, rule.is_allowed(value))
    _check_loss(config, config.values.get("loss"))
    _check_warmup(config, config.values.get("lr_scheduler"))
    if config.has("iters") and config.has("epochs"):
        raise UserError(
            f"{config.where('iters')} is {config.values['iters']} and {config.where('epochs')} "
            f"{config.values['epochs']}; give one, and set the other to null"
        )


def _found(node: Any, parts: list[str], place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) of all that a pattern fits; what is above it has been checked."""
    part, *below = parts
    children = enumerate(node) if part == "*" else [(part, node[part])] if part in node else []
    for key, child in children:
        if not below:
            yield f"{place}{key}", child
        elif child is not None:
            yield from _found(child, below, f"{place}{key}.")


def _check_top(config: Config) -> None:
    """Refuse unknown top-level keys; those of the user's own and those without effect are none."""
    own = {key: value for key, value in config.values.items() if not str(key).startswith(ANCHORS)}
    for key in own:
        if key in IDLE_KEYS:
            log.warning("%s is PaddleSeg's and does nothing here", config.where(key))
    used = {key: value for key, value in own.items() if key not in IDLE_KEYS}
    check_keys(config, "", used, [pattern for pattern in _RULES if "." not in pattern])


def check_keys(config: Config, place: str, found: dict[str, Any], allowed: Collection[str]) -> None:
    """Refuse keys of `found`, which stands at the dotted `place`, that are not in `allowed`."""
    for key in found:
        if key not in allowed:
            dotted = f"{place}.{key}" if place else str(key)
            file, base = config.file_and_base(dotted)
            hint = ", which is PaddleSeg's and not here" if key in ARGUMENTS else did_you_mean(key, allowed)
            room = f"below {place}" if place else f"at the top, besides {ANCHORS}* for YAML anchors"
            raise UserError(
                f"{file}: unknown key '{dotted}'{base}{hint} (allowed {room}: {', '.join(allowed)})"
            )


def expect(config: Config, key: str, value: Any, allowed: str, is_allowed: bool) -> None:
    """Refuse `value` at the dotted `key` unless `is_allowed`; `allowed` says in words what would be."""
    if not is_allowed:
        raise UserError(f"{config.where(key)} is {value!r}; allowed is {allowed}")


def is_number(value: Any) -> bool:
    """Return whether `value` is an int or a float; True and False are not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_list_of(is_kind: Callable[[Any], bool], least: int = 0) -> Callable[[Any], bool]:
    """Return a check of lists, of at least so many items that all pass `is_kind`."""
    return lambda value: isinstance(value, list) and len(value) >= least and all(map(is_kind, value))


def _is_positive(value: Any) -> bool:
    return is_number(value) and value > 0


def _is_count(value: Any, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_scales(value: Any) -> bool:
    scales = value if isinstance(value, list) else [value]
    return bool(scales) and all(map(_is_positive, scales))


def _check_loss(config: Config, loss: dict[str, Any] | None) -> None:
    if loss and len(loss["types"]) not in (1, len(loss["coef"])):
        types, coef = (f"{config.where(f'loss.{key}')} has {len(loss[key])}" for key in ("types", "coef"))
        raise UserError(
            f"{types} entries and {coef}; give one loss for all of the model's outputs, or as many losses as "
            "factors"
        )


def _check_warmup(config: Config, schedule: dict[str, Any] | None) -> None:
    names = ("warmup_iters", "warmup_start_lr")
    given = [name for name in names if (schedule or {}).get(name) is not None]
    if schedule and len(given) == 1:
        (missing,) = {*names} - {*given}
        where = config.where(f"lr_scheduler.{given[0]}")
        raise UserError(f"{where} is {schedule[given[0]]!r} but {missing} is missing; give both or neither")


class _Rule(NamedTuple):
    allowed: str  # in words
    is_allowed: Callable[[Any], bool]
    may_be_null: bool = False  # and is then the same as left out


def _is_any(value: Any) -> bool:
    return True


_COMPONENT = _Rule(
    "a mapping with the component's name under 'type' and its arguments",
    lambda value: isinstance(value, dict) and isinstance(value.get("type"), str),
)
_SECTION = _COMPONENT._replace(may_be_null=True)
_TRANSFORMS = _Rule("a list of transforms", is_list_of(_is_any))
_COUNT = _Rule("a whole number of at least 1", _is_count, True)
_SWITCH = _Rule("True or False", lambda value: isinstance(value, bool), True)
_SIZE = _Rule(
    "[width, height] in pixels", lambda value: is_list_of(_is_count, 2)(value) and len(value) == 2, True
)
_LOSSES = _Rule("a list of losses, each with its name under 'type'", is_list_of(_is_any, 1))
_FACTORS = _Rule("a list of one factor for each output of the model", is_list_of(is_number, 1))
_IMPORTS = _Rule(
    "a list of modules or of .py files relative to this YAML",
    is_list_of(lambda name: isinstance(name, str)),
    True,
)
# Dotted keys, * for each item of a list; each stands below the ones that it is in.
_RULES = {
    "batch_size": _COUNT,
    "iters": _COUNT,
    "epochs": _Rule("a positive number", _is_positive, True),
    "model": _SECTION,
    "model.backbone": _SECTION,
    "train_dataset": _SECTION,
    "train_dataset.transforms": _TRANSFORMS,
    "train_dataset.transforms.*": _COMPONENT,
    "train_dataset.batch_transforms": _TRANSFORMS._replace(may_be_null=True),
    "train_dataset.batch_transforms.*": _COMPONENT,
    "val_dataset": _SECTION,
    "val_dataset.transforms": _TRANSFORMS,
    "val_dataset.transforms.*": _COMPONENT,
    "val_dataset.batch_transforms": _TRANSFORMS._replace(may_be_null=True),
    "val_dataset.batch_transforms.*": _COMPONENT,
    "optimizer": _SECTION,
    "lr_scheduler": _SECTION,
    "lr_scheduler.learning_rate": _Rule("a positive number", _is_positive),
    "lr_scheduler.decay_epochs": _Rule("a list of positive numbers", is_list_of(_is_positive, 1)),
    "lr_scheduler.warmup_iters": _Rule("a whole number of at least 0", lambda n: _is_count(n, 0), True),
    "lr_scheduler.warmup_start_lr": _Rule("a number of at least 0", lambda n: is_number(n) and n >= 0, True),
    "loss": _Rule(
        "a mapping with 'types' and 'coef'", lambda loss: isinstance(loss, dict) and len(loss) == 2, True
    ),
    "loss.types": _LOSSES,
    "loss.types.*": _COMPONENT,
    "loss.coef": _FACTORS,
    "test_config": _Rule("a mapping of evaluation options", lambda value: isinstance(value, dict), True),
    "test_config.aug_eval": _SWITCH,
    "test_config.scales": _Rule("a positive number or a list of them", _is_scales, True),
    "test_config.flip_horizontal": _SWITCH,
    "test_config.flip_vertical": _SWITCH,
    "test_config.is_slide": _SWITCH,
    "test_config.crop_size": _SIZE,
    "test_config.stride": _SIZE,
    "imports": _IMPORTS,
}
