"""ONNX files, made from a saved Paddle program."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from paddleseg_lite.deploy.onnx_passes import remove_unused
from paddleseg_lite.errors import UserError, require_modules

EXTRA = "pip install 'paddleseg_lite[deploy]'"
if sys.version_info >= (3, 13):
    EXTRA += " (paddle2onnx is made for Python 3.9 to 3.12)"
OPSET = 17
_PROCESS_OUTPUT = threading.RLock()  # there is one terminal: two threads must not put it back crosswise

_CONVERT = """
import inspect, sys
import paddle2onnx
program, weights, target, opset = sys.argv[1:]
options = {"opset_version": int(opset), "verbose": False}
if "optimize_tool" in inspect.signature(paddle2onnx.export).parameters:
    options["optimize_tool"] = "None"  # onnxruntime optimises when it loads
paddle2onnx.export(program, weights, target, **options)
"""


def to_onnx(program: Path, weights: Path, target: Path) -> None:
    """Convert a saved Paddle program.

    Raises:
        UserError: paddle2onnx is missing, too old or new for this Paddle, or cannot convert the network.
    """
    require_modules("paddle2onnx", "onnx", install=EXTRA)
    files = [str(Path(path).absolute()) for path in (program, weights, target)]
    done = _run(_CONVERT, [*files, str(OPSET)])
    if done.returncode != 0 or not target.exists():
        said = " ".join(done.stdout.split())[-300:]
        raise UserError(
            f"paddle2onnx cannot convert {program.name}: {said or f'it ended with {done.returncode}'}; use "
            "--format paddle, or another paddle2onnx: 2.1 for Paddle 3, 1.3.1 for Paddle 2.6"
        )
    import onnx

    model = onnx.load(str(target))
    remove_unused(model)
    onnx.save(model, str(target))


def _run(program: str, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own: of some operators paddle2onnx's C++ part dies."""
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what a C++ library prints off the terminal."""
    sys.stdout.flush()
    sys.stderr.flush()
    with _PROCESS_OUTPUT, tempfile.TemporaryFile() as sink:
        saved = [os.dup(1), os.dup(2)]
        try:
            os.dup2(sink.fileno(), 1)
            os.dup2(sink.fileno(), 2)
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for descriptor, copy in zip((1, 2), saved):
                os.dup2(copy, descriptor)
                os.close(copy)
