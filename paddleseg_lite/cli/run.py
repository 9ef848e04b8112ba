"""How a command runs: log format, processor, device, and how a mistake ends."""

from __future__ import annotations

import argparse
import codecs
import contextlib
import ctypes
import io
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, TextIO

from paddleseg_lite.cli.paths import check_paths, config_of
from paddleseg_lite.config import load_config
from paddleseg_lite.errors import UserError
from paddleseg_lite.kernels.threads import cpu_facts, thread_count
from paddleseg_lite.printable import LogFormatter, escape_unencodable

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of <malloc.h>
INTERRUPTED, BROKEN_PIPE = 130, 141


def run(work: Callable[[argparse.Namespace], None], args: argparse.Namespace) -> NoReturn:
    """Do the work of a command and exit: 0 when done, 2 for a user's mistake, 3 if a training diverged.

    A mistake is told in one sentence, a bug keeps its trace. Sets up what a library must not touch: log
    format, CPU threads, device. `args` has `debug`, and `device` if the command computes; the others run
    without Paddle. For `work`, `args.config` is no longer the path, but the Config.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        codecs.register_error("printable", escape_unencodable)
        sys.stdout.reconfigure(errors="printable")  # a name need not be text that it can write
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(LogFormatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    # Where nobody reads the log any more, as in `val.py | head`, each line would print a trace.
    logging.raiseExceptions = False
    logging.captureWarnings(True)  # printed past the log, they would tear a progress bar
    # Ours alone, for Paddle 2.6 and 3.2 put the root logger back to warnings when they are imported.
    logging.getLogger("paddleseg_lite").setLevel(logging.INFO)
    _prepare_cpu()
    try:
        if "config" in args:
            overrides = args.overrides(args) if "overrides" in args else []
            args.config = load_config(config_of(args), [*args.opts, *overrides])
        check_paths(args)
        if "device" in args:
            set_device(args.device)
        work(args)
        sys.stdout.flush()
    except UserError as error:
        if args.debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # as in `val.py | head`: nobody reads on
        if not _is_closed(sys.stdout):
            raise  # another pipe: a defect
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what Python still flushes at its end
        sys.exit(BROKEN_PIPE)
    sys.exit(0)


def _is_closed(stream: TextIO) -> bool:
    try:
        stream.write("\n")  # what failed before may have left nothing to flush
        stream.flush()
    except BrokenPipeError:
        return True
    return False


def _prepare_cpu() -> None:
    """Set what Paddle and its matrix library read once, when they are loaded."""
    keep_freed_memory()
    os.environ.setdefault("OMP_NUM_THREADS", str(thread_count()))  # Paddle would compute on one core
    facts = cpu_facts()
    if "AuthenticAMD" in facts and " avx2" in facts:
        # Paddle's MKL takes its slowest path on any CPU that is not Intel's; this names its AVX2 one instead,
        # with which matrix products are three times as fast.
        os.environ.setdefault("MKL_DEBUG_CPU_TYPE", "5")


def keep_freed_memory() -> None:
    """Let this process use freed memory again instead of giving it back; for glibc, elsewhere nothing.

    A training step frees gigabytes in large pieces. glibc returns each to the system, which must clear it
    page by page when the next step asks for it.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, -1)


def _import_paddle() -> Any:
    """Import Paddle without what it says at import: a compiler cache is missing, threads are not 1."""
    warnings.filterwarnings("ignore", message="When training, we now always track global mean")
    with warnings.catch_warnings(), _muted(sys.stderr):
        warnings.simplefilter("ignore")
        try:
            import paddle
        except ModuleNotFoundError as error:
            if error.name != "paddle":
                raise
            raise UserError(
                "PaddlePaddle is not installed; pip install 'paddleseg_lite[cpu]', or [gpu] for NVIDIA GPUs"
            ) from error
    return paddle


@contextlib.contextmanager
def _muted(stream: TextIO) -> Iterator[None]:
    """Let nothing of what is written to a stream be seen.

    The stream itself stays, for Paddle makes handlers of its log when it is imported, which write to it ever
    after.
    """
    try:
        number = stream.fileno()
    except (OSError, AttributeError):  # somebody else's, without a file
        yield
        return
    stream.flush()
    seen = os.dup(number)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), number)
    try:
        yield
    finally:
        stream.flush()
        os.dup2(seen, number)
        os.close(seen)


def set_device(device: str) -> None:
    paddle = _import_paddle()
    from paddleseg_lite import parallel
    from paddleseg_lite.paddle_compat import devices

    found = devices()  # asked first: Paddle ends the process for a GPU that is not there
    kinds = [name.partition(":")[0] for name in found]
    if device == "auto":
        device = kinds[0]
    kind = device.partition(":")[0]
    if kind == "gpu" and kind not in kinds:
        is_for_gpus = paddle.device.is_compiled_with_cuda()
        reason = "Paddle finds no GPU" if is_for_gpus else "this Paddle is built for CPUs"
        raise UserError(
            f"--device {device}: {reason}; use --device cpu, or install paddlepaddle-gpu on such a machine"
        )
    if device not in (*found, *kinds):
        raise UserError(
            f"--device is '{device}', but here Paddle finds {', '.join(found)}; give one, or auto"
        )
    # Of several ranks, the launcher gives each a device of its own.
    paddle.set_device(kind if parallel.world_size() > 1 else device)
    parallel.join()
    if not parallel.is_main():  # the others would say the same; what goes wrong on them is told
        logging.getLogger("paddleseg_lite").setLevel(logging.WARNING)
