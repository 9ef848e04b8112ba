"""A component's arguments, checked against its signature before anything is built."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from paddleseg_lite.config.core import Config
from paddleseg_lite.config.schema import check_keys, expect, is_list_of, is_number
from paddleseg_lite.errors import UserError
from paddleseg_lite.registry import Registry


@dataclass(frozen=True)
class BoundComponent:
    """A component and its checked arguments, which may be bound components themselves; calling it builds.

    Attributes:
        where: "FILE: KEY" of the config entry, put before any UserError of the component.
        component: a class or factory.
        arguments: by name.
        is_foreign: the component is Paddle's own: its TypeError and ValueError are about the arguments,
            and become a UserError.
        places: of each argument "FILE: KEY", put before a UserError that blames it.
    """

    where: str
    component: Callable[..., Any]
    arguments: Mapping[str, Any]
    is_foreign: bool = False
    places: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, **injected: Any) -> Any:
        """Build the component; `injected` are further arguments, or others in the place of the config's."""
        arguments = {name: built(value) for name, value in self.arguments.items() if name not in injected}
        try:
            return self.component(**arguments, **injected)
        except UserError as error:
            raise UserError(f"{self.places.get(error.argument or '', self.where)}: {error}") from error
        except (TypeError, ValueError) as error:
            if not self.is_foreign:
                raise
            raise UserError(f"{self.where}: the arguments do not fit: {error}") from error

    def without(self, dropped: str) -> BoundComponent:
        """Return the same without an argument, in the components that are arguments as well."""
        kept = {name: value for name, value in self.arguments.items() if name != dropped}
        kept = {n: v.without(dropped) if isinstance(v, BoundComponent) else v for n, v in kept.items()}
        return replace(self, arguments=kept)


def built(value: Any) -> Any:
    """Build a bound component, or those in a list; anything else is returned as it is."""
    if isinstance(value, list):
        return [built(item) for item in value]
    return value() if isinstance(value, BoundComponent) else value


def bind(
    config: Config,
    registry: Registry,
    key: str,
    spec: Mapping[str, Any],
    defaults: Mapping[str, Any] | None = None,
    injected: Collection[str] = (),
    is_foreign: bool = False,
) -> BoundComponent:
    """Look up the component that `spec` names, and check the arguments in `spec` against its signature.

    Args:
        config: for the origins of values.
        registry: has the component.
        key: the dotted key at which `spec` stands.
        spec: `type` and the arguments.
        defaults: arguments to fill in where `spec` has none and the component takes them.
        injected: arguments that are given when it is built, and must not be in `spec`.
        is_foreign: see BoundComponent.

    Raises:
        UserError: the name or an argument is unknown (with the closest one), or an argument is missing.
    """
    try:
        component = registry.get(spec["type"])
    except UserError as error:
        raise UserError(f"{config.where(key + '.type')}: {error}") from error
    parameters = parameters_of(component)
    arguments = {name: value for name, value in spec.items() if name != "type"}
    for name, value in (defaults or {}).items():
        if name in parameters and arguments.get(name) is None:
            arguments[name] = value

    named = {name: p for name, p in parameters.items() if p.kind is not p.VAR_KEYWORD}
    if named.keys() == parameters.keys():
        check_keys(config, key, arguments, ["type", *(name for name in named if name not in injected)])
    for name, parameter in named.items():
        if name in arguments:
            arguments[name] = _of_kind(config, f"{key}.{name}", arguments[name], parameter)
        elif name not in injected and parameter.default is parameter.empty:
            raise UserError(f"{config.where(key)}: {spec['type']} needs '{name}'; add {key}.{name}")
    places = {name: config.where(f"{key}.{name}") for name in arguments}
    return BoundComponent(config.where(key), component, arguments, is_foreign, places)


def _is_whole(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and float(value).is_integer()


# What an annotation admits of the values that YAML has; other annotations are the component's own affair.
_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "bool": ("True or False", lambda value: isinstance(value, bool)),
    "int": ("a whole number", _is_whole),
    "float": ("a number", is_number),
    "str": ("a text", lambda value: isinstance(value, str)),
    "Sequence[int]": ("a list of whole numbers", is_list_of(_is_whole)),
    "Sequence[float]": ("a list of numbers", is_list_of(is_number)),
    "Sequence[str]": ("a list of texts", is_list_of(lambda value: isinstance(value, str))),
}


def _of_kind(config: Config, key: str, value: Any, parameter: inspect.Parameter) -> Any:
    """Return the value, 1e5 as 100000; refuse one of another kind than the constructor's annotation says."""
    kinds = _kinds(parameter.annotation)
    kind = kinds[0] if len(kinds) == 1 or kinds[1:] == ["None"] else ""
    if (
        kind not in _KINDS
        or isinstance(value, BoundComponent)
        or (value is None and (parameter.default is None or "None" in kinds))
    ):
        return value
    allowed, is_allowed = _KINDS[kind]
    expect(config, key, value, allowed, is_allowed(value))
    return int(value) if kind == "int" else value


def _kinds(annotation: object) -> list[str]:
    """Return an annotation's alternatives as `_KINDS` names them, None last, however it is written.

    A user's own component may have strings, types or typing's: `"int | None"`, `int`, `Optional[list[int]]`.
    """
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    text = re.sub(r"\b\w+\.", "", text)  # "typing.", "collections.abc."
    text = re.sub(r"^Optional\[(.*)\]$", r"\1 | None", text)
    text = re.sub(r"\b[lL]ist\[", "Sequence[", text)
    return sorted(text.split(" | "), key=lambda kind: kind == "None")


def parameters_of(component: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Return the parameters of a class's constructor or of a function, by name, without *args."""
    parameters = inspect.signature(component).parameters
    return {name: p for name, p in parameters.items() if p.kind is not p.VAR_POSITIONAL}
