"""Reading pickles as data."""

from __future__ import annotations

import collections
import os
import pickle
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddleseg_lite.checkpoint.unpickle import read_pickle
from paddleseg_lite.errors import UserError


class Payload:
    """Pickles to a call of `function(*args)`, then to a change of the result."""

    def __init__(self, function: Any, args: tuple[Any, ...], state: Any = None) -> None:
        self.reduced = (function, args) if state is None else (function, args, state)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reduced


def stored(tmp_path: Path, content: Any, protocol: int = 4) -> Path:
    path = tmp_path / "file.pdparams"
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, protocol))
    return path


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "uint16", "int64", "bool", ">f4"])
def test_arrays_and_containers_come_back(tmp_path: Path, protocol: int, dtype: str) -> None:
    """Every protocol and byte order in use, Fortran order, scalars, empty arrays, nested containers."""
    array = np.arange(6).reshape(2, 3).astype(dtype)
    content = {
        "a": array,
        "nested": collections.OrderedDict(f=np.asfortranarray(array), pair=("name", array[:1])),
        "empty": np.zeros((0, 3), dtype),
        "zero-d": np.array(1, dtype),
        "scalar": array.dtype.type(1),
        "plain": [1, 2.5, True, None, "text"],
    }
    read = read_pickle(stored(tmp_path, content, protocol))
    np.testing.assert_array_equal(read["a"], array)
    assert read["a"].dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(read["nested"]["f"], array)
    np.testing.assert_array_equal(read["nested"]["pair"][1], array[:1])
    assert read["empty"].shape == (0, 3)
    assert read["zero-d"].shape == ()
    assert read["zero-d"] == 1
    assert read["scalar"] == 1
    assert read["plain"] == [1, 2.5, True, None, "text"]


def test_what_paddle_saves_is_read(tmp_path: Path) -> None:
    """paddle.save writes a flat state dict and a nested one in two ways; both hold arrays only."""
    weight = paddle.nn.Linear(2, 3).weight
    path = tmp_path / "w.pdparams"
    for content in ({"w": weight}, {"inner": {"w": weight}, "step": 3}):
        paddle.save(content, str(path))
        read = read_pickle(path)
        inner = read.get("inner", read)["w"]
        array = inner[1] if isinstance(inner, tuple) else inner
        np.testing.assert_array_equal(array, weight.numpy())


def hostile_programs() -> dict[str, bytes]:
    """Programs of a few bytes, or of a repeated step, that asked for a process's stack, memory or time."""
    latin1 = b"c_codecs\nencode\n"
    doubled = b")" + b"q\x00h\x00\x86" * 60  # 60 levels of pairs that hold the same pair twice
    return {
        "160,000 nested tuples": b")" + b"\x85" * 160_000,
        "160,000 nested tuples as a key": b"})" + b"\x85" * 160_000 + b"K\x01s",
        "160,000 nested lists": b"]" * 160_000 + b"a" * 159_999,
        "a list that holds itself": b"]\x94h\x00a",
        "shared tuples as a key": b"}" + doubled + b"K\x01s",
        "shared tuples in a set": b"(" + doubled + b"\x91",
        "shared tuples in a set, added": b"\x8f(" + doubled + b"\x90",
        "shared tuples as a dtype": b"cnumpy\ndtype\n" + doubled + b"\x85R",
        "shared tuples as a name": doubled + b"\x8c\x01x\x93",
        "shared tuples as a shape": b"cnumpy.core.numeric\n_frombuffer\n(C\x01a" + doubled + doubled + b"NtR",
        "keys that collide": b"}("
        + b"".join(b"\x8a\x0c" + (n * (2**61 - 1)).to_bytes(12, "little") + b"N" for n in range(1, 9999))
        + b"u",
        "a memo index of four bytes": b"Nr\xff\xff\xff\x7f0N",
        "text of terabytes": b"\x8d" + (1 << 42).to_bytes(8, "little"),
        "a dtype of a gigabyte": b"cnumpy\ndtype\nX\x0b\x00\x00\x00S1000000000\x85R",
        "one text encoded again and again": b"X\x10\x27\x00\x00"
        + b"a" * 10_000
        + b"q\x00"
        + (latin1 + b"h\x00\x85R") * 2000,
        "steps without end": b"N" * 1_000_001,
        "a number of megabytes": b"\x8b" + (1 << 20).to_bytes(4, "little") + b"\x01" * (1 << 20),
        "a number in decimal": b"I" + b"9" * 100_000 + b"\n",
        "nothing": b"",
        "a mark alone": b"(",
        "a mark as an item": b"](a",
        "an odd count of items": b"}(Nu",
        "an item of a number": b"K\x01Na",
        "a memo of nothing": b"h\x07",
    }


def payloads(marker: str) -> dict[str, Any]:
    """Files that would make `marker`, or worse, if anything in them ran."""
    touch = f"open({marker!r}, 'w').close()"
    system = f"touch {marker}"
    evil = Payload(os.system, (system,))
    reconstruct = np.zeros(1).__reduce__()[0]
    programs = {name: b"\x80\x04" + body + b"." for name, body in hostile_programs().items()}
    return {
        **programs,
        "os.system": evil,
        "eval": Payload(eval, (touch,)),
        "exec": Payload(exec, (touch,)),
        "open": Payload(open, (marker, "w")),
        "getattr": Payload(getattr, ("", "join")),
        "nested in a value": {"weight": np.zeros(2), "deep": [{"x": ("name", evil)}]},
        "in an object array": {"weight": np.array([evil], dtype=object)},
        "as a key": {evil: 1},
        "frozenset, a container nobody writes": frozenset([1]),
        "in the state of a container": Payload(collections.OrderedDict, (), {"x": evil}),
        "as the state of an array": Payload(reconstruct, (np.ndarray, (0,), b"b"), evil),
        "in a dtype": Payload(np.dtype, (evil,)),
        "a terabyte of zeros": Payload(bytes, (1 << 40,)),
        "numpy.load": Payload(np.load, (marker,)),
        "a class under an innocent name": b"cos\nsystem\n(S'" + system.encode() + b"'\ntR.",
        "a module of our own": b"cpaddleseg_lite.checkpoint.download\nfetch\n(S'http://localhost:1/x'\ntR.",
        "a dotted name": b"\x80\x04\x8c\x05numpy\x8c\x0dcore.os.system\x93\x8c"
        + bytes([len(system)])
        + system.encode()
        + b"\x85R.",
        "an inner attribute": b"\x80\x04\x8c\x0bcollections\x8c\x0e_sys.modules.os\x93.",
        "INST": b"(S'" + system.encode() + b"'\nios\nsystem\n.",
        "OBJ": b"(cos\nsystem\nS'" + system.encode() + b"'\no.",
        "NEWOBJ": b"\x80\x02csubprocess\nPopen\nS'" + system.encode() + b"'\n\x85\x81.",
        "a persistent id": b"Pabc\n.",
        "an extension code": b"\x80\x02\x82\x01.",
        "builtins through Python 2": b"c__builtin__\neval\n(S'1'\ntR.",
        "a changed constructor": b"\x80\x02cnumpy\ndtype\n}X\x08\x00\x00\x00__call__cnumpy\ndtype\nsb.",
        "a changed constructor's slots": b"\x80\x02cnumpy\ndtype\nN}X\x01\x00\x00\x00acnumpy\ndtype\ns\x86b.",
        "a called type": b"\x80\x02cnumpy\nndarray\nK\x05\x85R.",
        "a constructor as the result": b"\x80\x02cnumpy\ndtype\n.",
    }


@pytest.mark.parametrize("name", payloads("x"))
def test_malicious_files_are_refused_and_nothing_runs(tmp_path: Path, name: str) -> None:
    """Whatever opcode carries the call, and however innocent its name: an error, and no effect."""
    marker = tmp_path / "ran"
    path = stored(tmp_path, payloads(str(marker))[name])
    start = time.monotonic()
    with pytest.raises(UserError, match=r"file\.pdparams") as caught:
        read_pickle(path)
    assert time.monotonic() - start < 20  # seconds: most take milliseconds, the longest two seconds
    assert len(str(caught.value)) < 600
    assert not marker.exists()
    # and the reader is not spoilt for the next file
    np.testing.assert_array_equal(read_pickle(stored(tmp_path, {"a": np.arange(3.0)}))["a"], [0, 1, 2])


def array_state(**changes: Any) -> dict[str, Any]:
    """A pickled array with a forged state."""
    state = {"version": 1, "shape": (2,), "dtype": np.dtype("f4"), "fortran": False, "raw": b"\0" * 8}
    state.update(changes)
    return {"a": Payload(np.zeros(1).__reduce__()[0], (np.ndarray, (0,), b"b"), tuple(state.values()))}


@pytest.mark.parametrize(
    "content",
    [
        array_state(raw=b"\0" * 4),
        array_state(shape=(-1,)),
        array_state(shape=(1 << 40,)),
        array_state(dtype=np.dtype("O"), raw=[1, 2]),
        array_state(dtype=np.dtype([("x", "f4")])),
        array_state(dtype="f4"),
        array_state(raw="text beyond latin1 \u20ac"),
        Payload(np.zeros(1).__reduce__()[0], (np.ndarray, (0,), b"b")),
    ],
)
def test_forged_arrays_are_refused(tmp_path: Path, content: Any) -> None:
    """Sizes and types that contradict each other never reach NumPy's own unpickling, which trusts them."""
    with pytest.raises(UserError, match=r"file\.pdparams"):
        read_pickle(stored(tmp_path, content))


def test_every_truncation_is_an_error(tmp_path: Path) -> None:
    """A file cut short anywhere is reported as damaged, with its name."""
    whole = pickle.dumps({"a": np.arange(5.0), "b": [1, 2]}, 4)
    for length in range(len(whole)):
        with pytest.raises(UserError, match=r"file\.pdparams"):
            read_pickle(stored(tmp_path, whole[:length]))


def test_missing_file_and_folder(tmp_path: Path) -> None:
    """The two usual slips are named."""
    with pytest.raises(UserError, match="cannot read"):
        read_pickle(tmp_path / "none.pdparams")
    with pytest.raises(UserError, match="is a folder"):
        read_pickle(tmp_path)


def test_shared_parts_do_not_multiply(tmp_path: Path) -> None:
    """A small file of lists that hold the same list twice, 60 deep, must not take 2^60 steps."""
    value: list[Any] = []
    for _ in range(60):
        value = [value, value]
    assert len(read_pickle(stored(tmp_path, value))) == 2


def test_files_of_weights_are_not_slowed_by_the_checks(tmp_path: Path) -> None:
    """30 MB in 300 tensors, a tenth of a second; a file of 100 MB must not take minutes."""
    path = stored(tmp_path, {f"layer{n}.weight": np.ones((160, 160), np.float32) for n in range(300)})
    start = time.monotonic()
    assert len(read_pickle(path)) == 300
    assert time.monotonic() - start < 5


def test_the_limit_can_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a variable, which the message names; a slip in it is an error too."""
    path = stored(tmp_path, {"a": np.zeros(1000)})
    monkeypatch.setenv("PADDLESEG_LITE_MAX_BYTES", "4000")
    with pytest.raises(UserError, match="allowed are 4000; PADDLESEG_LITE_MAX_BYTES raises"):
        read_pickle(path)
    monkeypatch.setenv("PADDLESEG_LITE_MAX_BYTES", "4 GB")
    with pytest.raises(UserError, match="give a number of bytes"):
        read_pickle(path)


def is_plain(value: Any) -> bool:
    """Whether nothing but arrays and plain containers is in a value."""
    if isinstance(value, dict):
        return all(isinstance(key, (str, int)) and is_plain(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(is_plain, value))
    return value is None or isinstance(value, (str, bytes, bytearray, int, float, np.ndarray, np.generic))


WHOLE = [
    pickle.dumps(
        {"w": np.arange(6, dtype=">f4").reshape(2, 3), "n": ("b", np.zeros(2)), "o": [1, None, b"", 2.5]}, p
    )
    for p in (2, 4, 5)
]
STEPS = [bytes([code]) for code in b"])}(tasue0N\x85\x86\x87\x88\x89\x93\x94Rb"]
ARGUED = [b"K\x01", b"h\x00", b"h\x01", b"q\x00", b"r\xff\xff\xff\xff", b"C\x04abcd", b"\x8c\x02f4"]
NAMED = [b"cnumpy\ndtype\n", b"cnumpy.core.multiarray\n_reconstruct\n", b"c_codecs\nencode\n"]


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.sampled_from(WHOLE), st.lists(st.tuples(st.integers(0, 999), st.binary(max_size=9)), max_size=4))
def test_damaged_files_are_read_or_refused(whole: bytes, changes: list[tuple[int, bytes]]) -> None:
    """Whatever bytes are overwritten: plain data or one sentence, never another exception."""
    data = bytearray(whole)
    for place, new in changes:
        at = place * len(data) // 1000
        data[at : at + len(new)] = new
    read_or_refused(bytes(data))


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.lists(st.sampled_from([*STEPS, *ARGUED, *NAMED]), max_size=60))
def test_programs_of_any_steps_are_read_or_refused(steps: list[bytes]) -> None:
    """The same for steps put together at random, which reach further into the machine than flipped bytes."""
    read_or_refused(b"\x80\x04" + b"".join(steps) + b".")


def read_or_refused(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.pdparams"
        path.write_bytes(data)
        try:
            value = read_pickle(path)
        except UserError:
            return
        assert is_plain(value)
