"""A component's arguments, checked against its signature before anything is built."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from paddleseg_lite.config.core import Config
from paddleseg_lite.config.schema import check_keys, expect, is_number
from paddleseg_lite.errors import UserError


@dataclass(frozen=True)
class Plan:
    """A component and its checked arguments, which may be plans themselves; calling it builds.

    Attributes:
        where: "FILE: KEY" of the config entry, put before any UserError of the component.
        component: a class or factory.
        arguments: by name.
        is_foreign: the component is Paddle's own: its TypeError and ValueError are about the arguments,
            and become a UserError.
    """

    where: str
    component: Callable[..., Any]
    arguments: dict[str, Any]
    is_foreign: bool = False

    def __call__(self, **injected: Any) -> Any:
        """Build the component; `injected` are the arguments that no config can hold."""
        arguments = {name: _built(value) for name, value in self.arguments.items()}
        try:
            return self.component(**arguments, **injected)
        except UserError as error:
            raise UserError(f"{self.where}: {error}") from error
        except (TypeError, ValueError) as error:
            if not self.is_foreign:
                raise
            raise UserError(f"{self.where}: the arguments do not fit: {error}") from error


def _built(value: Any) -> Any:
    """Build a plan, or the plans in a list; anything else is returned as it is."""
    if isinstance(value, list):
        return [_built(item) for item in value]
    return value() if isinstance(value, Plan) else value


def plan(
    config: Config,
    key: str,
    component: Callable[..., Any],
    spec: Mapping[str, Any],
    defaults: Mapping[str, Any] | None = None,
    injected: Collection[str] = (),
    is_foreign: bool = False,
) -> Plan:
    """Check `spec` against the signature of `component`.

    Args:
        config: for the origins of values.
        key: the dotted key at which `spec` stands.
        component: a class or factory.
        spec: `type` and the arguments.
        defaults: arguments to fill in where `spec` has none and the component takes them.
        injected: arguments that are given when it is built, and must not be in `spec`.
        is_foreign: see Plan.

    Raises:
        UserError: an argument is unknown (with the closest name) or missing.
    """
    parameters = parameters_of(component)
    arguments = {name: value for name, value in spec.items() if name != "type"}
    for name, value in (defaults or {}).items():
        if name in parameters and arguments.get(name) is None:
            arguments[name] = value

    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        check_keys(config, key, arguments, ["type", *(name for name in parameters if name not in injected)])
    for name, value in arguments.items():
        if name in parameters and name in spec:
            arguments[name] = _of_kind(config, f"{key}.{name}", value, str(parameters[name].annotation))
    for name, parameter in parameters.items():
        is_given = name in arguments or name in injected
        if (
            not is_given
            and parameter.default is parameter.empty
            and parameter.kind is not parameter.VAR_KEYWORD
        ):
            raise UserError(f"{config.where(key)}: {spec['type']} needs '{name}'; add {key}.{name}")
    return Plan(config.where(key), component, arguments, is_foreign)


def _is_whole(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and float(value).is_integer()


def _is_list_of(is_kind: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, (list, tuple)) and all(is_kind(item) for item in value)


# What an annotation admits of the values that YAML has; other annotations are the component's own affair.
_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "bool": ("True or False", lambda value: isinstance(value, bool)),
    "int": ("a whole number", _is_whole),
    "float": ("a number", is_number),
    "str": ("a text", lambda value: isinstance(value, str)),
    "Sequence[int]": ("a list of whole numbers", _is_list_of(_is_whole)),
    "Sequence[float]": ("a list of numbers", _is_list_of(is_number)),
    "Sequence[str]": ("a list of texts", _is_list_of(lambda value: isinstance(value, str))),
}


def _of_kind(config: Config, key: str, value: Any, annotation: str) -> Any:
    """Return the value, 1e5 as 100000; refuse one of another kind than the constructor's annotation says."""
    kind = annotation.replace(" | None", "")
    if kind not in _KINDS or isinstance(value, Plan) or (value is None and kind != annotation):
        return value
    allowed, is_allowed = _KINDS[kind]
    expect(config, key, value, allowed, is_allowed(value))
    return int(value) if kind == "int" else value


def parameters_of(component: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Return the parameters of a class's constructor or of a function, by name, without *args."""
    parameters = inspect.signature(component).parameters
    return {name: p for name, p in parameters.items() if p.kind is not p.VAR_POSITIONAL}


def import_components(config: Config) -> None:
    """Import what is under `imports`, modules and .py files, once each, so that its components register.

    Raises:
        UserError: there is no such module or file. What its code raises passes through.
    """
    for name in config.imports():
        if name in sys.modules:
            continue
        where = config.where("imports")
        if name.endswith(".py"):
            _import_file(name, where)
            continue
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise  # the module is there; what it imports is not
            message = f"{where} names '{name}', which is not installed; the name of a file must end in .py"
            raise UserError(message) from error


def _import_file(path: str, where: str) -> None:
    """Run a .py file as a module that is known by its path."""
    spec = importlib.util.spec_from_file_location(path, path)
    if spec is None or spec.loader is None:
        raise UserError(f"{where} names {path}, which is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[path]
        if isinstance(error, FileNotFoundError) and error.filename == path:
            raise UserError(f"{where} names {path}, but there is no such file") from error
        raise
