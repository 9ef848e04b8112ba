"""Reading pickles as data: no file, however it was made, gets to run code here."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, Union

import numpy as np

from paddleseg_lite.errors import UserError

PathLike = Union[str, Path]
_DTYPES = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"}


class _Refused(pickle.UnpicklingError):
    """The file asks for something that is neither an array nor a plain container."""


class _StandIn:
    """What the unpickler hands out in place of a constructor: it can be called, but not changed.

    NumPy's own constructors and `__setstate__` methods trust their input; no file gets near them.
    """

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __setstate__(self, state: object) -> NoReturn:
        raise _Refused("a change to a constructor")


class _Dtype:
    """A NumPy dtype as a file describes it."""

    __slots__ = ("_code", "_order")

    def __init__(self, code: str) -> None:
        if code not in _DTYPES:
            raise _Refused(f"arrays of dtype {str(code)[:20]!r}")
        self._code = code
        self._order: Any = "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] not in ("<", ">", "=", "|"):
            raise _Refused("a malformed dtype")
        self._order = state[1]

    def numpy(self) -> np.dtype:
        return np.dtype(self._code).newbyteorder(self._order)


class _Array:
    """An array under construction: made empty, then given its state."""

    __slots__ = ("_value",)

    def __init__(self) -> None:
        self._value: np.ndarray | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        *_, shape, dtype, is_fortran, raw = state
        self._value = _array(raw, dtype, shape, "F" if is_fortran else "C")

    def numpy(self) -> np.ndarray:
        if self._value is None:
            raise _Refused("an array without values")
        return self._value


def _array(raw: object, dtype: _Dtype, shape: Sequence[int], order: str = "C") -> np.ndarray:
    if isinstance(raw, str):  # written by Python 2
        raw = raw.encode("latin1")
    if not isinstance(dtype, _Dtype) or not isinstance(raw, (bytes, bytearray)) or any(n < 0 for n in shape):
        raise _Refused("a malformed array")
    value = np.frombuffer(raw, dtype.numpy()) if raw else np.empty(0, dtype.numpy())
    value = value.reshape(tuple(shape), order="F" if order == "F" else "C")
    return value.astype(value.dtype.newbyteorder("="), copy=False)


def _refuse(*args: object) -> NoReturn:
    raise _Refused("an unexpected call")


_ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy", "dtype"): _StandIn(lambda code, align=False, copy=True: _Dtype(code)),
    ("numpy", "ndarray"): _StandIn(_refuse),
    ("numpy.core.multiarray", "_reconstruct"): _StandIn(lambda kind, shape, typecode: _Array()),
    ("numpy.core.multiarray", "scalar"): _StandIn(lambda dtype, raw: _array(raw, dtype, ())[()]),
    ("numpy.core.numeric", "_frombuffer"): _StandIn(_array),
    # By which pickle protocol 2 writes bytes, and b""; bytes(number) would take that much memory.
    ("_codecs", "encode"): _StandIn(lambda text, encoding="latin1": text.encode("latin1")),
    ("builtins", "bytes"): _StandIn(lambda: b""),
    ("collections", "OrderedDict"): OrderedDict,
    **{("builtins", kind.__name__): kind for kind in (tuple, list, dict)},
}


class _Unpickler(pickle.Unpickler):
    """Admits NumPy arrays and plain containers; anything else in the file ends the reading."""

    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("numpy._core", "numpy.core").replace("__builtin__", "builtins")
        if (module, name) not in _ADMITTED:
            raise _Refused(f"{module}.{name}")
        return _ADMITTED[module, name]


def read_pickle(path: PathLike) -> Any:
    """Read a pickle of NumPy arrays, numbers, strings and plain containers, and nothing else.

    Raises:
        UserError: the file is missing, damaged, or holds anything else; nothing in it was run.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path} is a folder; give the weights file in it, such as {path / 'model.pdparams'}")
    try:
        with path.open("rb") as file:
            return _plain(_Unpickler(file, encoding="latin1").load(), {})
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}; check the path") from error
    except _Refused as error:
        raise UserError(
            f"{path} asks for {error}, which weights never need, and was refused: only NumPy arrays and "
            "plain containers are read; do not trust this file"
        ) from error
    except Exception as error:  # a damaged pickle can fail in any way
        raise UserError(
            f"{path} is not a readable weights file ({type(error).__name__}: {error}); it may be damaged or "
            "cut short: get it again"
        ) from error


def _plain(value: Any, seen: dict[int, Any]) -> Any:
    """Replace the arrays under construction within nested containers; `seen` keeps shared parts shared."""
    if id(value) in seen:
        return seen[id(value)]
    if isinstance(value, _Array):
        result: Any = value.numpy()
    elif isinstance(value, Mapping):
        result = {_key(key): _plain(item, seen) for key, item in value.items()}
    elif isinstance(value, (list, tuple)):
        result = type(value)(_plain(item, seen) for item in value)
    elif value is None or isinstance(value, (str, bytes, bytearray, int, float, np.ndarray, np.generic)):
        result = value
    else:
        raise _Refused(f"a {type(value).__name__}")
    seen[id(value)] = result
    return result


def _key(key: object) -> Any:
    if not isinstance(key, (str, int)):
        raise _Refused(f"a dictionary key that is a {type(key).__name__}")
    return key
