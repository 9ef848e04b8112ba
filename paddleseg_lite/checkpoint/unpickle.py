"""Reading pickles as data: no file, however it was made, gets to run code here, or to ask for much.

A pickle is a program for a stack machine. Python's own machine builds whatever it is told to, and some of it
ends the process before there is anything to check: thousands of nested tuples as a key overflow the stack,
nine bytes ask for a table of gigabytes. So the programs run on a machine of their own, which knows only the
steps that arrays and plain containers take.
"""

from __future__ import annotations

import io
import os
import pickletools
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Union

import numpy as np

from paddleseg_lite.checkpoint.limits import MAX_BYTES, max_bytes
from paddleseg_lite.errors import UserError
from paddleseg_lite.files import read_regular

PathLike = Union[str, Path]
DTYPES = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"}
_MAX_STEPS = 1_000_000  # about two seconds; a tensor takes 30 steps
_MAX_DEPTH = 100  # of containers; an optimizer's state has 3
_MAX_COPIES = 4  # times the file's size; bytes of protocol 2 and foreign byte orders are copied, once each
_MARK = object()


class _Refused(Exception):
    """The file asks for something that is neither an array nor a plain container, or for too much."""


def read_pickle(path: PathLike) -> Any:
    """Read a pickle of NumPy arrays, numbers, strings and plain containers, and nothing else.

    Time and memory are in proportion to the file's size, at most $PADDLESEG_LITE_MAX_BYTES.

    Raises:
        UserError: the file is missing, damaged, or holds anything else; nothing in it was run.
    """
    path = Path(path)
    if os.path.isdir(path):  # unlike Path's, no error for a name that is too long
        raise UserError(f"{path} is a folder; give the weights file in it, such as {path / 'model.pdparams'}")
    data = read_regular(path, max_bytes(), f"{MAX_BYTES} raises the limit")
    try:
        return _finished(_Machine(data).run(), {})
    except _Refused as error:
        raise UserError(
            f"{path} asks for {error}, which weights never need, and was refused: only NumPy arrays and "
            "plain containers are read; do not trust this file"
        ) from error
    except Exception as error:  # a damaged pickle can fail in any way
        raise UserError(
            f"{path} is not a readable weights file ({type(error).__name__}: {str(error)[:200]}); it may be "
            "damaged or cut short: get it again"
        ) from error


class _Dtype:
    """A NumPy dtype as a file describes it."""

    def __init__(self, code: object, align: object = False, copy: object = True) -> None:
        if not isinstance(code, str) or code not in DTYPES:
            shown = repr(code[:20]) if isinstance(code, str) else f"a {type(code).__name__}"
            raise _Refused(f"arrays of dtype {shown}")
        self._code, self._order = code, "="

    def build(self, state: Any, machine: _Machine) -> None:
        """Take the byte order from what NumPy pickles of a dtype."""
        if state[1] not in ("<", ">", "=", "|"):
            raise _Refused("a malformed dtype")
        self._order = state[1]

    def numpy(self) -> np.dtype:
        return np.dtype(self._code).newbyteorder(self._order)  # type: ignore[arg-type]


class _Array:
    """An array under construction: made empty, then given its values."""

    def __init__(self, kind: object, shape: object, typecode: object) -> None:
        self.value: np.ndarray | None = None

    def build(self, state: Any, machine: _Machine) -> None:
        *_, shape, dtype, is_fortran, raw = state
        self.value = machine.array(raw, dtype, shape, "F" if is_fortran else "C")


class _Machine:
    """Runs one pickle, on numbers, text, bytes, lists, tuples, dicts, arrays and what arrays are made of."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._copies_left = _MAX_COPIES * len(data)

    def run(self) -> Any:
        """Return what the pickle describes; arrays in it may still be under construction."""
        for steps, (opcode, argument, _) in enumerate(pickletools.genops(io.BytesIO(self._data))):
            if steps == _MAX_STEPS:
                raise _Refused(f"more than {_MAX_STEPS} steps")
            if _VALUE.fullmatch(opcode.name):
                self._stack.append(argument)
            elif opcode.name in _STEPS:
                _STEPS[opcode.name](self, argument)
            elif opcode.name != "STOP":
                raise _Refused(f"{opcode.name}, a step of Python's pickle")
        return self._pop()

    def array(self, raw: Any, dtype: Any, shape: Any, order: Any = "C") -> np.ndarray:
        """Return the array of these bytes."""
        if isinstance(raw, str):  # written by Python 2
            raw = self.latin1(raw)
        is_shape = isinstance(shape, tuple) and all(isinstance(n, int) and n >= 0 for n in shape)
        if not isinstance(dtype, _Dtype) or not isinstance(raw, (bytes, bytearray)) or not is_shape:
            raise _Refused("a malformed array")
        value = np.frombuffer(raw, dtype.numpy()) if raw else np.empty(0, dtype.numpy())
        value = value.reshape(shape, order="F" if order == "F" else "C")
        if value.dtype.isnative:
            return value
        self._spend(len(raw))
        return value.astype(value.dtype.newbyteorder("="))

    def scalar(self, dtype: Any, raw: Any) -> Any:
        return self.array(raw, dtype, ())[()]

    def latin1(self, text: Any, encoding: Any = "latin1") -> bytes:
        """Stand in for _codecs.encode, by which protocol 2 writes bytes."""
        self._spend(len(text))
        return text.encode("latin1")

    def empty_bytes(self) -> bytes:
        """Stand in for bytes(), by which protocol 2 writes b""; with a number it would take memory."""
        return b""

    def tuple(self, items: Any) -> tuple:
        """Stand in for tuple(), by which Paddle writes a parameter: (name, array)."""
        if not isinstance(items, tuple):
            raise _Refused("an unexpected call")
        return items

    def ordered_dict(self, pairs: Any = ()) -> OrderedDict:
        if not isinstance(pairs, (list, tuple)):
            raise _Refused("an unexpected call")
        self._spend(len(pairs))
        return OrderedDict((_key(key), value) for key, value in pairs)

    def _spend(self, count: int) -> None:
        """Count what is copied, since a few bytes suffice to have the same thing copied again."""
        self._copies_left -= count
        if self._copies_left < 0:
            raise _Refused("more memory than its size explains")

    def _pop(self) -> Any:
        if not self._stack or self._stack[-1] is _MARK:
            raise _Refused("more than is on its stack")
        return self._stack.pop()

    def _pop_to_mark(self) -> list[Any]:
        items = []
        while self._stack and self._stack[-1] is not _MARK:
            items.append(self._stack.pop())
        if not self._stack:
            raise _Refused("more than is on its stack")
        self._stack.pop()
        return items[::-1]

    def _pops(self, count: int) -> list[Any]:
        return [self._pop() for _ in range(count)][::-1]

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _put(self, index: int | None) -> None:
        value = self._pop()
        self._memo[len(self._memo) if index is None else index] = value
        self._push(value)

    def _append(self, items: list[Any]) -> None:
        target = self._pop()
        if not isinstance(target, list):
            raise _Refused(f"items in a {type(target).__name__}")
        target.extend(items)
        self._push(target)

    def _set_items(self, items: list[Any]) -> None:
        target = self._pop()
        if not isinstance(target, dict) or len(items) % 2:
            raise _Refused(f"items in a {type(target).__name__}")
        for key, value in zip(items[::2], items[1::2]):
            target[_key(key)] = value
        self._push(target)

    def _constructor(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise _Refused("a name that is no text")
        module = module.replace("numpy._core", "numpy.core").replace("__builtin__", "builtins")
        if (module, name) not in _CONSTRUCTORS:
            raise _Refused(f"{module[:60]}.{name[:60]}")
        self._push(_CONSTRUCTORS[module, name])

    def _reduce(self) -> None:
        constructor, arguments = self._pops(2)
        if not isinstance(constructor, _Constructor) or not isinstance(arguments, tuple):
            raise _Refused("an unexpected call")
        self._push(constructor.call(self, *arguments))

    def _build(self) -> None:
        target, state = self._pops(2)
        if not isinstance(target, (_Dtype, _Array)) or not isinstance(state, tuple):
            raise _Refused(f"a change to a {type(target).__name__}")
        target.build(state, self)
        self._push(target)


class _Constructor:
    """What a file may name; `call(machine, *arguments)` makes the thing."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self.call = call


_CONSTRUCTORS = {
    ("numpy", "dtype"): _Constructor(lambda machine, *arguments: _Dtype(*arguments)),
    ("numpy", "ndarray"): None,  # named as an argument of _reconstruct, never called
    ("numpy.core.multiarray", "_reconstruct"): _Constructor(lambda machine, *arguments: _Array(*arguments)),
    ("numpy.core.multiarray", "scalar"): _Constructor(_Machine.scalar),
    ("numpy.core.numeric", "_frombuffer"): _Constructor(_Machine.array),
    ("_codecs", "encode"): _Constructor(_Machine.latin1),
    ("collections", "OrderedDict"): _Constructor(_Machine.ordered_dict),
    ("builtins", "bytes"): _Constructor(_Machine.empty_bytes),
    ("builtins", "tuple"): _Constructor(_Machine.tuple),
}

# The steps of protocols 2 to 5 for plain data; what is not here is refused.
_VALUE = re.compile("(SHORT_)?BIN(INT[12]?|FLOAT|STRING|UNICODE8?|BYTES8?)|LONG1|BYTEARRAY8")
_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys(("PROTO", "FRAME"), lambda machine, _: None),
    "NONE": lambda machine, _: machine._push(None),
    "NEWTRUE": lambda machine, _: machine._push(True),
    "NEWFALSE": lambda machine, _: machine._push(False),
    "MARK": lambda machine, _: machine._push(_MARK),
    "EMPTY_TUPLE": lambda machine, _: machine._push(()),
    "EMPTY_LIST": lambda machine, _: machine._push([]),
    "EMPTY_DICT": lambda machine, _: machine._push({}),
    "TUPLE1": lambda machine, _: machine._push(tuple(machine._pops(1))),
    "TUPLE2": lambda machine, _: machine._push(tuple(machine._pops(2))),
    "TUPLE3": lambda machine, _: machine._push(tuple(machine._pops(3))),
    "TUPLE": lambda machine, _: machine._push(tuple(machine._pop_to_mark())),
    "APPEND": lambda machine, _: machine._append(machine._pops(1)),
    "APPENDS": lambda machine, _: machine._append(machine._pop_to_mark()),
    "SETITEM": lambda machine, _: machine._set_items(machine._pops(2)),
    "SETITEMS": lambda machine, _: machine._set_items(machine._pop_to_mark()),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT", "MEMOIZE"), _Machine._put),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), lambda machine, index: machine._push(machine._memo[index])),
    "GLOBAL": lambda machine, name: machine._constructor(*name.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: machine._constructor(*machine._pops(2)),
    "REDUCE": lambda machine, _: machine._reduce(),
    "BUILD": lambda machine, _: machine._build(),
}


def _finished(value: Any, seen: dict[int, Any], depth: int = 0) -> Any:
    """Replace the arrays under construction within nested containers; `seen` keeps shared parts shared."""
    if id(value) in seen:
        return seen[id(value)]
    if depth > _MAX_DEPTH:
        raise _Refused(f"containers nested more than {_MAX_DEPTH} deep")
    if isinstance(value, _Array):
        if value.value is None:
            raise _Refused("an array without values")
        result: Any = value.value
    elif isinstance(value, Mapping):
        result = {key: _finished(item, seen, depth + 1) for key, item in value.items()}
    elif isinstance(value, (list, tuple)):
        result = type(value)(_finished(item, seen, depth + 1) for item in value)
    elif value is None or isinstance(value, (str, bytes, bytearray, int, float, np.ndarray, np.generic)):
        result = value
    else:
        raise _Refused(f"a {type(value).__name__.lstrip('_')}")
    seen[id(value)] = result
    return result


def _key(key: object) -> Any:
    """Return a dictionary's key, text or a small number: to hash or find others can take hours."""
    if not isinstance(key, (str, int)):
        raise _Refused(f"a dictionary key that is a {type(key).__name__}")
    if isinstance(key, int) and key.bit_length() > 63:
        raise _Refused("a dictionary key of more than 64 bits")
    return key
