"""A key for all that decides what a network computes."""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib.util
import logging
import sys
import sysconfig
import types
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn

from paddleseg_lite.deploy.export import versions, weights_sha256
from paddleseg_lite.paddle_compat import forward_hooks

_log = logging.getLogger(__name__)

_LAYOUT = "4"  # of what is kept; another one does not read it
_DEEPEST = 20  # containers in containers; a deeper one holds itself
_PACKAGE = Path(__file__).resolve().parents[1]
_STDLIB = {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")}
_INSTALLED = {"site-packages", "dist-packages"}


class _Unknown(Exception):
    """A value that cannot be told from others of its type."""


def structure_key(model: nn.Layer, kind: str, in_channels: int) -> str | None:
    """Return a hash of all that decides what an export computes, or None if something cannot be hashed.

    Networks may share their weights and differ in strides or scales (LRASPP at two output strides, LPSNet-S
    and -M), so the layers' settings count too, buffers that are not saved, functions that a layer holds, and
    the code of layers that are not Paddle's own: their classes, bases, and whatever those import.
    """
    _sources.cache_clear()  # a file may have been edited, and its module imported again, since the last key
    digest = hashlib.sha256()
    facts = [_LAYOUT, kind, in_channels, "dynamic", versions(kind), repr(model), weights_sha256(model)]
    if kind == "onnx":  # onnxruntime's optimiser and onnx write the file that is kept
        facts += [_version("onnxruntime"), _version("onnx")]
    digest.update("\n".join(map(str, facts)).encode())
    for path in _package_files():
        digest.update(path.read_bytes())
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
    own["hooks"] = forward_hooks(layer)
    paddles = _is_paddles(type(layer).__module__)
    if not paddles:
        own["forward"] = type(layer).forward
        own["classes"] = type(layer).__mro__
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
        return f"class {module} {name} {_sources(module)}"
    if isinstance(value, types.FunctionType):
        if _is_paddles(module):
            return f"function {module} {name}"
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        parts: list[Any] = [value.__code__, cells, value.__defaults__, value.__kwdefaults__]
        return f"function {module} {name} {_sources(module)} {_token(parts, depth + 1)}"
    raise _Unknown(f"a {type(value).__name__}")


def _is_paddles(module: str | None) -> bool:
    return (module or "").split(".")[0] == "paddle"


def _version(package: str) -> str:
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return f"{package} none"


def _package_files() -> list[Path]:
    """Return our files that define networks or write exports; an edited data set keeps the exports."""
    folders = (_PACKAGE / "kernels", _PACKAGE / "models", _PACKAGE / "deploy")
    return [path for folder in folders for path in sorted(folder.rglob("*.py"))]


@functools.cache
def _sources(root: str | None) -> str:
    """Return a hash of a module's file and of the files that it imports, and these, and so on.

    Imports are read from the source: a constant does not tell where it came from, and a package's globals
    depend on what else the process has imported. Installed packages and our own are not followed.

    Raises:
        _Unknown: the code has no file, as in a notebook, where the functions it calls can change unseen.
    """
    if _is_paddles(root) or root in sys.builtin_module_names:
        return ""
    first = _file(root)
    if first is None:
        raise _Unknown(f"code of {root}, which has no file")
    found = {str(root): first.read_bytes()}
    top = sys.modules.get(str(root).split(".")[0]) if _is_installed(first) else None
    waiting = [] if _is_installed(first) else [str(root)]
    while waiting:
        module = waiting.pop()
        for name in _imports(module, found[module]):
            path = _file(name)
            if name not in found and path is not None and not _is_installed(path):
                found[name] = path.read_bytes()
                waiting.append(name)
    files = [f"{name} {hashlib.sha256(content).hexdigest()}" for name, content in sorted(found.items())]
    return hashlib.sha256(f"{getattr(top, '__version__', '')} {files}".encode()).hexdigest()


def _file(module: str | None) -> Path | None:
    path = getattr(sys.modules.get(module or ""), "__file__", None)
    return Path(path) if path and Path(path).is_file() else None


def _is_installed(path: Path) -> bool:
    """Whether a file is the standard library's, another package's, or ours (see `_package_files`)."""
    parents = path.resolve().parents
    return _PACKAGE in parents or not _INSTALLED.isdisjoint(path.parts) or not _STDLIB.isdisjoint(parents)


def _imports(module: str, source: bytes) -> Iterator[str]:
    """Yield the names that a module's source imports; some are of modules, some of what is in them."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # a compiled extension
        return
    package = getattr(sys.modules[module], "__package__", None)
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                with contextlib.suppress(ImportError):  # beyond the package: it cannot run either
                    base = importlib.util.resolve_name("." * node.level + base, package)
            names = [f"{base}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            yield from (".".join(parts[:count]) for count in range(1, len(parts) + 1))
