"""A key for all that decides what a network computes."""

from __future__ import annotations

import functools
import hashlib
import inspect
import logging
import sys
import types
from typing import Any

import numpy as np
import paddle
from paddle import nn

from paddleseg_lite.deploy.export import versions, weights_sha256

_log = logging.getLogger(__name__)

_LAYOUT = "3"  # of what is kept; another one does not read it
_DEEPEST = 20  # containers in containers; a deeper one holds itself


class _Unknown(Exception):
    """A value that cannot be told from others of its type."""


def structure_key(model: nn.Layer, kind: str, in_channels: int) -> str | None:
    """Return a hash of all that decides what an export computes, or None if something cannot be hashed.

    Networks may share their weights and differ in strides or scales (LRASPP at two output strides, LPSNet-S
    and -M), so the layers' settings count too, buffers that are not saved, functions that a layer holds, and
    the code of layers that are not Paddle's own.
    """
    digest = hashlib.sha256()
    facts = [_LAYOUT, kind, in_channels, "dynamic", versions(kind), repr(model), weights_sha256(model)]
    digest.update("\n".join(map(str, facts)).encode())
    for module in sorted({type(layer).__module__ for layer in model.sublayers(include_self=True)}):
        if not _is_paddles(module):
            digest.update(_source(module))
    try:
        for name, buffer in sorted(model.named_buffers()):
            digest.update(f"{name} {_token(buffer)}\n".encode())
        for name, layer in model.named_sublayers(include_self=True):
            digest.update(f"{name} {type(layer).__qualname__} {_settings(layer)}\n".encode())
    except _Unknown as error:
        _log.info("the export is not kept: this network holds %s, which has no hash", error)
        return None
    return digest.hexdigest()[:32]


def _settings(layer: nn.Layer) -> list[tuple[str, str]]:
    """Return a layer's own attributes, hooks and code; Paddle's private ones differ between processes."""
    inherited = vars(nn.Layer())
    own = {
        name: value
        for name, value in vars(layer).items()
        if name not in inherited and not isinstance(value, paddle.ParamAttr)
    }
    own["hooks"] = [*layer._forward_pre_hooks.values(), *layer._forward_post_hooks.values()]
    paddles = _is_paddles(type(layer).__module__)
    if not paddles:
        own["forward"] = type(layer).forward
    found = []
    for name, value in own.items():
        try:
            found.append((name, _token(value)))
        except _Unknown:
            # Paddle's layers keep how they were initialised, and names: nothing that they compute with.
            if not paddles or name == "hooks":
                raise
    return sorted(found)


def _token(value: Any, depth: int = 0) -> str:
    """Return text that equal values have in common, in any process.

    Raises:
        _Unknown: there is none.
    """
    if depth > _DEEPEST:
        raise _Unknown("a container that holds itself")
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes, np.generic)):
        return f"{type(value).__name__} {value!r}"
    if isinstance(value, (list, tuple)):
        return f"{type(value).__name__} {[_token(item, depth + 1) for item in value]}"
    if isinstance(value, (set, frozenset)):
        return f"set {sorted(_token(item, depth + 1) for item in value)}"
    if isinstance(value, dict):
        return f"dict {[(_token(k, depth + 1), _token(v, depth + 1)) for k, v in value.items()]}"
    if isinstance(value, (np.ndarray, paddle.Tensor)):
        array = np.ascontiguousarray(value if isinstance(value, np.ndarray) else value.numpy())
        if array.dtype.hasobject:
            raise _Unknown("an array of objects")
        return f"array {array.dtype} {array.shape} {hashlib.sha256(array.tobytes()).hexdigest()}"
    if isinstance(value, functools.partial):
        return f"partial {_token([value.func, value.args, value.keywords], depth + 1)}"
    return _code_token(value, depth)


def _code_token(value: Any, depth: int) -> str:
    """`_token` of functions, classes and code."""
    if isinstance(value, types.CodeType):
        code: list[Any] = [value.co_code, list(value.co_names), list(value.co_consts)]
        return f"code {_token(code, depth + 1)}"
    if value is Ellipsis or isinstance(value, (np.dtype, paddle.dtype)):
        return repr(value)
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if isinstance(value, (types.BuiltinFunctionType, np.ufunc)):
        owner = getattr(value, "__self__", None)
        if owner is None or isinstance(owner, types.ModuleType):
            return f"builtin {module} {name or value.__name__}"
    if isinstance(value, type):
        source = b"" if _is_paddles(module) else _source(module)
        return f"class {module} {name} {hashlib.sha256(source).hexdigest()}"
    if isinstance(value, types.FunctionType):
        if _is_paddles(module):
            return f"function {module} {name}"
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        parts: list[Any] = [value.__code__, cells, value.__defaults__, value.__kwdefaults__]
        return f"function {module} {name} {_token(parts, depth + 1)}"
    raise _Unknown(f"a {type(value).__name__}")


def _is_paddles(module: str | None) -> bool:
    return (module or "").split(".")[0] == "paddle"


def _source(module: str | None) -> bytes:
    try:
        return inspect.getsource(sys.modules[module or ""]).encode()
    except (OSError, TypeError, KeyError):  # typed in at a prompt
        return str(module).encode()
