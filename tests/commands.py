"""The commands as processes of their own, forked from one that has Paddle imported, which takes seconds.

The process to fork from is the standard library's fork server; it starts with the first command.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import resource
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.paths import ENVIRONMENT, TOOLS

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    [
        "cv2",
        "matplotlib.figure",
        "matplotlib.backends.backend_agg",
        "paddleseg_lite.config.build",
        "paddleseg_lite.engine.train",
    ]
)


class Command:
    """`python tools/NAME.py ARGS` in a folder, under way.

    Args:
        folder: where it runs.
        name: of the tool.
        args: its arguments.
        file_bytes: limit on the size of a file that it writes, which stands for a full disk.

    Attributes:
        process: what runs.
        out, err: files with what it has printed so far.
    """

    def __init__(self, folder: Path, name: str, *args: object, file_bytes: int | None = None) -> None:
        printed = Path(tempfile.mkdtemp(prefix="printed-"))
        self.out, self.err = printed / "out", printed / "err"
        self.out.touch()
        self.args = [str(TOOLS / f"{name}.py"), *map(str, args)]
        arguments = (self.args, str(folder), str(self.out), str(self.err), file_bytes)
        self.process = start_process(_run, *arguments)

    def wait_for(self, text: str, timeout: float = 60) -> None:
        """Wait until it has printed a text."""
        deadline = time.monotonic() + timeout
        while text not in self.out.read_text(encoding="utf-8"):
            if time.monotonic() > deadline or not self.process.is_alive():
                raise TimeoutError(f"{self.args} did not print {text!r}")
            time.sleep(0.01)

    def result(self, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Wait for its end, and return it as subprocess.run would."""
        self.process.join(timeout)
        if self.process.exitcode is None:
            self.process.kill()
            raise TimeoutError(f"{self.args} takes more than {timeout} s")
        texts = [path.read_text(encoding="utf-8") for path in (self.out, self.err)]
        return subprocess.CompletedProcess(self.args, self.process.exitcode, *texts)


def start_process(target: Callable[..., object], *args: object) -> BaseProcess:
    """Call a module's function in a process of its own, which has Paddle."""
    with _environment():  # read by the server when it starts
        process = CONTEXT.Process(target=target, args=args)
        process.start()
    return process


def run_command(folder: Path, name: str, *args: object, **options: int) -> subprocess.CompletedProcess[str]:
    """Run `python tools/NAME.py ARGS` in a folder to its end, whatever that is; see `Command`."""
    return Command(folder, name, *args, **options).result()


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(ENVIRONMENT)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _run(args: list[str], folder: str, out: str, err: str, file_bytes: int | None) -> None:
    """Be the command, in a process of its own."""
    os.chdir(folder)
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), number)
    sys.stdout, sys.stderr = (open(number, "w", buffering=1, encoding="utf-8") for number in (1, 2))  # noqa: SIM115
    if file_bytes is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    logging.getLogger().handlers.clear()  # Paddle's; a command sets up its log before it imports Paddle
    sys.argv = args
    runpy.run_path(args[0], run_name="__main__")
