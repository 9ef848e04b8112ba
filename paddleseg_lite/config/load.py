"""YAML files -> one validated Config; `_base_`, `_inherited_`, overrides, and where each value came from.

Nothing here imports Paddle or looks at a data set: a mistake in a config is found within milliseconds.
"""

from __future__ import annotations

import os
import re
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from paddleseg_lite.config.core import BASE, OPTS, Config, Place
from paddleseg_lite.config.schema import validate
from paddleseg_lite.errors import UserError
from paddleseg_lite.files import nearest_path, read_regular
from paddleseg_lite.yaml_loader import BoundedLoader, refuse

_INHERITED = "_inherited_"
_MAX_FILES = 100
_MAX_BYTES = 256 << 10  # of a file


def load_config(path: str | os.PathLike[str], opts: Iterable[str] = ()) -> Config:
    """Read a YAML file and what it is based on, apply overrides, and validate the result.

    `_base_` names one file or a list of files, relative to the file it stands in. Dicts merge
    recursively, lists and scalars replace; a dict with `_inherited_: False` replaces its base's.
    Where several bases set the same key, the first one listed wins, as in PaddleSeg.

    Args:
        path: the YAML file.
        opts: overrides "a.b=c", list items by index ("loss.types.0.min_kept=50000"); values parse as
            YAML, and PaddleSeg's `None` and `0.75,1.0` mean null and a list too.

    Raises:
        UserError: a file is missing or no YAML mapping, a key is unknown, a value of the wrong kind, or
            an override does not fit.
    """
    path = os.fspath(path)
    values: dict[str, Any] = {}
    origins: dict[Place, str] = {}
    layers: list[tuple[str, dict[str, Any]]] = []
    _collect(path, (), layers)
    for source, layer in layers:
        _merge(values, origins, layer, source)
    for opt in opts:
        _override(values, origins, opt)
    config = Config(path, values, origins)
    validate(config)
    return config


def _collect(path: str, including: tuple[str, ...], layers: list[tuple[str, dict[str, Any]]]) -> None:
    """Add (file, its mapping) of what `path` is based on, weakest first, and itself; `including` led here."""
    identity = os.path.realpath(path)
    if identity in including:
        raise UserError(f"{path}: '{BASE}' leads back to this file; remove one link of the circle")
    if max(len(including), len(layers)) >= _MAX_FILES:
        raise UserError(f"{path}: '{BASE}' leads to more than {_MAX_FILES} files; name each base once")
    own = _read_yaml(path)
    bases = own.pop(BASE, [])
    bases = [bases] if isinstance(bases, str) else bases
    if not isinstance(bases, list) or not all(isinstance(base, str) for base in bases):
        raise UserError(f"{path}: '{BASE}' is {bases!r}; allowed is a file's name or a list of them")

    for base in reversed(bases):  # the first one listed comes last, and wins
        base_path = os.path.normpath(os.path.join(os.path.dirname(path), base))
        if not os.path.isfile(base_path):
            raise UserError(
                f"{path}: '{BASE}' names {base}, but there is no file {base_path}{nearest_path(base_path)}"
            )
        _collect(base_path, (*including, identity), layers)
    layers.append((path, own))


def _merge(
    values: dict[str, Any],
    origins: dict[Place, str],
    layer: Mapping[Any, Any],
    source: str,
    place: Place = (),
) -> None:
    """Merge `layer`, which `source` holds, into `values` at `place`, in place, and note the origins."""
    for key, value in layer.items():
        here = (*place, str(key))
        if not isinstance(value, dict):
            _set(values, origins, key, _copied(value), here, source)
            continue
        inherits = value.get(_INHERITED, True)
        if not isinstance(inherits, bool):
            raise UserError(
                f"{source}: {'.'.join(here)}.{_INHERITED} is {inherits!r}; allowed is True or False"
            )
        if not inherits or not isinstance(values.get(key), dict):
            _set(values, origins, key, {}, here, source)
        _merge(values[key], origins, {k: v for k, v in value.items() if k != _INHERITED}, source, here)


def _set(node: Any, origins: dict[Place, str], key: Any, value: Any, here: Place, source: str) -> None:
    """Replace node[key] and with it the origins of all that was below."""
    # A key of a label_map may stand there as a number and as text: one place, two keys.
    is_there = isinstance(node, list) or key in node
    if is_there and isinstance(node[key], (dict, list)):
        for old in [old for old in origins if old[: len(here)] == here]:
            del origins[old]
    node[key] = value
    origins[here] = source


def _copied(value: Any) -> Any:
    """Copy lists and dicts without their sharing: a YAML alias must not tie two entries together."""
    if isinstance(value, list):
        return [_copied(item) for item in value]
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return value


def _override(values: dict[str, Any], origins: dict[Place, str], opt: str) -> None:
    """Apply one "a.b.0.c=value" to `values`; dicts on the way are made, list items must exist."""
    key, equals, text = opt.partition("=")
    if not key.strip() or not equals:
        raise UserError(f"{OPTS}: '{opt}' is no override; write key=value, as in iters=100 or loss.coef.0=1")
    parts = key.strip().split(".")
    value = _parse_value(text, opt)
    node: Any = values
    for depth, part in enumerate(parts):
        above = ".".join(parts[:depth])
        item = _child_key(node, part, above, opt)
        if depth == len(parts) - 1:
            _set(node, origins, item, value, tuple(parts), OPTS)
        elif isinstance(node, dict) and node.get(item) is None:
            _set(node, origins, item, {}, tuple(parts[: depth + 1]), OPTS)
        node = node[item]


def _child_key(node: Any, part: str, above: str, opt: str) -> Any:
    """Return what `part` of a dotted key means in `node`: a list's index, or a dict's key."""
    if isinstance(node, list):
        if not part.isdigit() or int(part) >= len(node):
            raise UserError(
                f"{OPTS}: '{opt}': '{part}' is no index of '{above}', a list of {len(node)}, counted from 0"
            )
        return int(part)
    if not isinstance(node, dict):
        raise UserError(f"{OPTS}: '{opt}': '{above}' is {node!r} and has nothing below it")
    # A key of a label_map is a number, as it would be in YAML.
    return next((key for key in node if str(key) == part), int(part) if part.isdigit() else part)


def _parse_value(text: str, opt: str) -> Any:
    """Parse an override's value as YAML; and as PaddleSeg does, "None" as null, "1,2" as a list."""
    if text.strip() == "None":
        return None
    try:
        value = yaml.load(text, _Loader)
        if isinstance(value, str) and "," in value:
            numbers = yaml.load(f"[{value}]", _Loader)
            if all(isinstance(number, (int, float)) for number in numbers):
                return numbers
    except yaml.reader.ReaderError as error:
        raise UserError(
            f"{OPTS}: '{opt}': YAML has no such characters; give a path with them relative to the folder in "
            "which the command runs, or a link to it"
        ) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise UserError(
            f"{OPTS}: '{opt}': the value is no YAML; quote text with special characters"
        ) from error
    return value


def _read_yaml(path: str) -> dict[str, Any]:
    """Read one YAML file, safely, refusing duplicate keys."""
    if not os.path.isfile(path):
        hint = nearest_path(path) or "; give the path of a .yml file, as those in configs/"
        raise UserError(f"there is no config file {path}{hint}")
    data = read_regular(Path(path), _MAX_BYTES, "a config is shorter")
    try:
        values = yaml.load(data.decode("utf-8"), _Loader)
    except yaml.MarkedYAMLError as error:
        said = " ".join(f"{error.context or ''} {error.problem or ''}".split())
        mark = error.problem_mark or error.context_mark
        place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise UserError(f"{path}: this is no YAML{place}: {said}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: this is no YAML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise UserError(f"{path}: lists or mappings are nested too deeply to be read") from error
    if not isinstance(values, dict):
        kind = "nothing" if values is None else f"a {type(values).__name__}"
        raise UserError(f"{path}: found {kind}; a config is a mapping of keys such as 'model' and 'iters'")
    return values


class _Loader(BoundedLoader):
    """The bounded loader, which also reads 1e-3 as a number (YAML 1.2) and refuses duplicate keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":  # "<<" may be overridden, that is its purpose
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                refuse(key_node, "a list or mapping cannot be a key; put text such as {{ }} in quotes")
            if key in seen:
                refuse(key_node, f"key '{key}' stands here twice")
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+|\d*\.\d+|\d+\.)[eE][-+]?\d+$"), list("-+.0123456789")
)
