"""JSON files of our own, damaged or forged ones too: they are checked before any field is used."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import repeat
from pathlib import Path
from typing import Any

from paddleseg_lite.errors import UserError
from paddleseg_lite.files import read_regular

NUMBER = float  # a schema: whole or not
ANYTHING = object  # a schema
_MAX_BYTES = 256 << 20
_WORDS: dict[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    None: "null",
    list: "a list",
    dict: "a mapping",
}


def read_json(
    path: Path,
    schema: Any,
    remedy: str,
    object_hook: Callable[[dict[str, Any]], Any] | None = None,
    limit: int = _MAX_BYTES,
) -> Any:
    """Read a JSON file.

    Args:
        path: the file.
        schema: see `mismatch`.
        remedy: what a user can do if it is damaged, for the message.
        object_hook: see json.loads; may raise a ValueError or TypeError.
        limit: how many bytes the file may have.

    Raises:
        UserError: the file cannot be read, is no JSON, or not as the schema says.
    """
    data = read_regular(path, limit)
    try:
        value = json.loads(data, object_hook=object_hook)
    except (ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({error}); {remedy}") from error
    if problem := mismatch(value, schema):
        raise UserError(f"{path} is damaged: {problem}; {remedy}")
    return value


def mismatch(value: Any, schema: Any, where: str = "") -> str | None:
    """Say in what a value is not as a schema says, or return None.

    Args:
        value: as json.loads or yaml.safe_load return it.
        schema: a type (float takes whole numbers too, int no bool, ANYTHING takes all) or None; [s] for
            a list of s; [s, t, ...] for a list of just these; {"key": s} for a mapping that has such keys,
            among others, "key?" for one that it may lack, and str as a key for all the others; a tuple for
            one of several.
        where: the dotted key of the value, for the message.
    """
    if isinstance(schema, tuple):
        problems = [mismatch(value, option, where) for option in schema]
        return None if None in problems else problems[0]
    if isinstance(schema, list) and isinstance(value, (list, tuple)):
        if len(schema) > 1 and len(value) != len(schema):
            return f"'{where.lstrip('.')}' has {len(value)} items, allowed are {len(schema)}"
        each = schema if len(schema) > 1 else repeat(schema[0])
        parts = ((f"{where}.{index}", *pair) for index, pair in enumerate(zip(value, each)))
    elif isinstance(schema, dict) and isinstance(value, dict):
        if str in schema and not all(isinstance(key, str) for key in value):
            return f"'{where.lstrip('.')}' has a key that is no text"
        named = {key.rstrip("?"): key for key in schema if key is not str}
        for name, key in named.items():
            if name not in value and not key.endswith("?"):
                return f"it has no '{f'{where}.{name}'.lstrip('.')}'"
        parts = (
            (f"{where}.{key}", item, schema[named.get(key, str)])
            for key, item in value.items()
            if key in named or str in schema
        )
    else:
        return None if _is_a(value, schema) else _wrong(value, schema, where)
    return next((problem for part in parts if (problem := mismatch(part[1], part[2], part[0]))), None)


def _is_a(value: Any, schema: Any) -> bool:
    if not isinstance(schema, type):
        return schema is None and value is None
    if isinstance(value, bool):
        return schema in (bool, object)
    return isinstance(value, (int, float) if schema is float else schema)


def _wrong(value: Any, schema: Any, where: str) -> str:
    kind = type(schema) if isinstance(schema, (list, dict)) else schema
    allowed = _WORDS.get(kind) or kind.__name__
    shown = repr(value) if isinstance(value, (int, float, str, type(None))) else f"a {type(value).__name__}"
    return f"{f''''{where.lstrip('.')}' is ''' if where else 'it holds '}{shown[:60]}, allowed is {allowed}"
