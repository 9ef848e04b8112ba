"""A process with a device that is not the CPU, and a record of what is copied to it and from it.

    def answer(number): return float(paddle.to_tensor(number) * 2)  # of a module that can be imported

    def test_answer(fake_device):
        assert fake_device(answer, 21) == 42

Paddle loads plug-ins when it is imported, so this takes a fresh process. One runs all functions of a session,
one after the other: its start takes seconds. So tests of the device stand in few files of this folder.

What counts are the copies that a line of Python asks for. `Copies.all` also has those that Paddle makes
because the device has no kernels (plug_in.cpp says how they are told apart), and those within the device.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, TimeoutError
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.paths import ENVIRONMENT, REPOSITORY

NAME = "fake"  # what --device takes
SOURCE = Path(__file__).with_name("plug_in.cpp")
SECONDS = 120  # that a function may take
_DIRECTIONS = ("up", "down", "within")
_LISTENER = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_size_t, ctypes.c_bool, ctypes.c_bool)


@dataclass(frozen=True)
class Copy:
    """One copy. Downloads are of whole allocations, so of 64 bytes at least, as on GPUs of 256."""

    direction: str  # "up" to the device, "down" from it, or "within" it
    bytes: int
    is_async: bool  # the host does not wait for it
    is_fallback: bool  # Paddle's own, because a kernel runs on the CPU
    where: str  # the innermost line of paddleseg_lite that asked for it: "engine/step.py:97 values"


@dataclass
class Copies:
    """What `recorded` gives."""

    all: list[Copy] = field(default_factory=list)

    def uploads(self) -> list[Copy]:
        """Return the copies to the device that Python asked for."""
        return self._asked_for("up")

    def downloads(self) -> list[Copy]:
        """Return the copies to the host that Python asked for."""
        return self._asked_for("down")

    def _asked_for(self, direction: str) -> list[Copy]:
        return [copy for copy in self.all if copy.direction == direction and not copy.is_fallback]


@contextlib.contextmanager
def recorded() -> Iterator[Copies]:
    """Record copies, in a process that has the device."""
    library = ctypes.CDLL(str(Path(os.environ["CUSTOM_DEVICE_ROOT"], "libfake.so")))
    copies = Copies()

    @_LISTENER
    def listen(direction: int, size: int, is_async: bool, is_fallback: bool) -> None:
        where = "" if is_fallback else _where()
        copies.all.append(Copy(_DIRECTIONS[direction], size, is_async, is_fallback, where))

    library.set_listener(listen)
    try:
        yield copies
    finally:
        library.set_listener(_LISTENER())


def _where() -> str:
    for frame in reversed(traceback.extract_stack(sys._getframe(1))):
        _, found, path = frame.filename.rpartition("paddleseg_lite/")
        if found:
            return f"{path}:{frame.lineno} {frame.name}"
    return ""


def compile_plug_in(folder: Path) -> None:
    """Compile the device into `folder`, or skip the test."""
    if sys.platform != "linux":
        pytest.skip("Paddle takes plug-ins on Linux alone")
    headers = Path(find_spec("paddle").origin).parent / "include"
    if not (headers / "paddle/phi/backends/device_ext.h").exists():
        pytest.skip("this Paddle comes without the header for plug-ins")
    command = ["g++", "-std=c++17", "-O1", "-shared", "-fPIC", f"-I{headers}", str(SOURCE)]
    try:
        done = subprocess.run(
            [*command, "-o", str(folder / "libfake.so"), "-ldl"], capture_output=True, text=True
        )
    except FileNotFoundError:
        pytest.skip("no g++ to compile the device with")
    assert done.returncode == 0, done.stderr


@contextlib.contextmanager
def device_process(folder: Path) -> Iterator[Callable[..., Any]]:
    """Start a process that has the device of `folder`, and yield what calls a function in it; or skip.

    The function's arguments and result are pickled; what it raises is raised here. When a function starts,
    Paddle's device is the fake one.
    """
    settings = {
        "CUSTOM_DEVICE_ROOT": str(folder),
        "FLAGS_use_stride_kernel": "0",  # CPU kernels do not take a device's strided views
        "GLOG_minloglevel": "1",
    }
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        with _environment({**ENVIRONMENT, **settings}):
            process = pool.submit(_begin).result(SECONDS)
        if not process:
            pytest.skip("this Paddle takes no plug-ins, as those for GPUs")

        def call(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
            try:
                return pool.submit(_call, function, *args, **options).result(SECONDS)
            except TimeoutError:
                os.kill(process, signal.SIGKILL)  # or its end would be waited for
                raise

        yield call


def _begin() -> int:
    """Return this process's number, or 0 without the device."""
    import paddle  # not before: to compile the device does without

    os.chdir(REPOSITORY)
    return os.getpid() if NAME in paddle.device.get_all_custom_device_type() else 0


def on_both(function: Callable[..., Any], *args: Any, **options: Any) -> tuple[Any, Any]:
    """Return what a function returns on the CPU, and on the device; in a process that has it."""
    import paddle

    results = []
    for device in ("cpu", NAME):
        paddle.set_device(device)
        results.append(function(*args, **options))
    return results[0], results[1]


def _call(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    import paddle

    paddle.set_device(NAME)
    return function(*args, **options)


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
