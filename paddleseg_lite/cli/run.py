"""What the command-line tools share: common flags, device, log format, and how a mistake ends."""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from paddleseg_lite.cli.allocator import keep_freed_memory
from paddleseg_lite.errors import UserError
from paddleseg_lite.kernels.threads import thread_count

if TYPE_CHECKING:
    from paddleseg_lite.config.build import Plan
    from paddleseg_lite.inference.augment import InferenceOptions

USER_ERROR, INTERRUPTED, BROKEN_PIPE = 2, 130, 141


def parser(description: str | None, computes: bool = True) -> argparse.ArgumentParser:
    """Return a parser with the flags that every tool has: --config --device --opts --debug.

    Args:
        description: the tool's docstring; --help prints it as it is written.
        computes: False leaves --device out, for a tool that runs no network.
    """
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--config", required=True, type=Path, help="YAML file that says what to build")
    if computes:
        made.add_argument(
            "--device",
            default="auto",
            help="auto (a GPU if there is one, else the CPU), cpu, gpu or gpu:N; default auto",
        )
    made.add_argument(
        "--opts",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="override any key of the config: a.b=c, a.list.0.b=c",
    )
    made.add_argument("--debug", action="store_true", help="show the whole trace of an error")
    return made


def add_backend_flag(made: argparse.ArgumentParser) -> None:
    """Add --backend, the runtime that computes the logits."""
    made.add_argument(
        "--backend",
        default="auto",
        help="runtime: auto (on a GPU the live network, on a CPU the fastest one installed), paddle, "
        "paddle_inference or onnxruntime; default auto",
    )


def add_inference_flags(made: argparse.ArgumentParser, switch: str) -> None:
    """Add the flags of augmented inference; `switch` (--aug_eval or --aug_pred) turns scales and flips on."""
    group = made.add_argument_group("augmented inference")
    group.add_argument(switch, dest="aug_eval", action="store_true", help="average over --scales and flips")
    group.add_argument("--scales", nargs="+", type=float, metavar="S", help=f"with {switch}; default 1.0")
    group.add_argument(
        "--flip_horizontal", action="store_true", help=f"with {switch}: also mirror left to right"
    )
    group.add_argument(
        "--flip_vertical", action="store_true", help=f"with {switch}: also mirror top to bottom"
    )
    group.add_argument("--is_slide", action="store_true", help="slide a window of --crop_size by --stride")
    group.add_argument(
        "--crop_size", nargs=2, type=int, metavar=("W", "H"), help="window in pixels, with --is_slide"
    )
    group.add_argument(
        "--stride", nargs=2, type=int, metavar=("W", "H"), help="step in pixels, with --is_slide"
    )


def inference_options(args: argparse.Namespace, plan: Plan) -> InferenceOptions:
    """Return how images become logits: as the config's `test_config` says, but for the flags that are given.

    Raises:
        UserError: an augmentation flag without its switch, or a window without its size.
    """
    names = ("aug_eval", "scales", "flip_horizontal", "flip_vertical", "is_slide", "crop_size", "stride")
    flags = {name: getattr(args, name) for name in names if getattr(args, name)}
    switches = {**(plan.config.values.get("test_config") or {}), **flags}
    for name in flags:
        if name in ("scales", "flip_horizontal", "flip_vertical") and not switches.get("aug_eval"):
            raise UserError(f"--{name} does nothing by itself; add --aug_eval (val) or --aug_pred (predict)")
        if name in ("crop_size", "stride") and not switches.get("is_slide"):
            raise UserError(f"--{name} does nothing by itself; add --is_slide")
    return plan.inference(**flags)


def run(main: Callable[[argparse.Namespace], None], args: argparse.Namespace) -> NoReturn:
    """Run a tool and exit: 0 when done, 2 for a user's mistake, told in one sentence; a bug keeps its trace.

    Sets up what a library must not touch: log format, CPU threads, device.
    """
    logging.basicConfig(
        format="%(asctime)s [%(levelname)s]\t%(message)s", stream=sys.stdout, level=logging.WARNING
    )
    # Where nobody reads the log any more, as in `val.py | head`, each line would print a trace.
    logging.raiseExceptions = False
    logging.captureWarnings(True)  # printed past the log, they would tear a progress bar
    # Ours alone, for Paddle 2.6 and 3.2 put the root logger back to warnings when they are imported.
    logging.getLogger("paddleseg_lite").setLevel(logging.INFO)
    _prepare_cpu()
    try:
        _set_device(getattr(args, "device", None))
        main(args)
    except UserError as error:
        if args.debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(USER_ERROR)
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
    cpuinfo = Path("/proc/cpuinfo")
    facts = cpuinfo.read_text(encoding="utf-8", errors="replace") if cpuinfo.exists() else ""
    if "AuthenticAMD" in facts and " avx2" in facts:
        # Paddle's MKL takes its slowest path on any CPU that is not Intel's; this names its AVX2 one instead,
        # with which matrix products are three times as fast.
        os.environ.setdefault("MKL_DEBUG_CPU_TYPE", "5")


def _import_paddle() -> Any:
    """Import Paddle without what it says at import: a compiler cache is missing, threads are not 1."""
    warnings.filterwarnings("ignore", message="When training, we now always track global mean")
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
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


def _set_device(device: str | None) -> None:
    if device is None:  # a tool that never computes, and starts in a fraction of the time without Paddle
        return
    paddle = _import_paddle()
    has_gpu = paddle.device.is_compiled_with_cuda() and paddle.device.cuda.device_count() > 0
    if device == "auto":
        device = "gpu" if has_gpu else "cpu"
    kind = device.split(":")[0]
    if not re.fullmatch(r"cpu|gpu(:\d+)?", device):
        raise UserError(f"--device is '{device}'; give auto, cpu, gpu or gpu:N")
    if kind == "gpu" and not has_gpu:
        reason = (
            "Paddle finds no GPU"
            if paddle.device.is_compiled_with_cuda()
            else "this Paddle is built for CPUs"
        )
        raise UserError(
            f"--device {device}: {reason}; use --device cpu, or install paddlepaddle-gpu on such a machine"
        )
    from paddleseg_lite import parallel

    # Of several ranks, the launcher gives each a GPU of its own.
    paddle.set_device(kind if parallel.world_size() > 1 else device)
    parallel.join()
    if not parallel.is_main():  # the others would say the same; what goes wrong on them is told
        logging.getLogger("paddleseg_lite").setLevel(logging.WARNING)
