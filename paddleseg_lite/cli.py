"""What the command-line tools share: common flags, device, log format, and how a mistake ends."""

from __future__ import annotations

import argparse
import logging
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from paddleseg_lite.errors import UserError

if TYPE_CHECKING:
    from paddleseg_lite.engine.inference import InferenceOptions

USER_ERROR, INTERRUPTED = 2, 130


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the flags that every tool has: --config --device --opts --debug.

    Args:
        description: the tool's docstring; --help prints it as it is written.
    """
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--config", required=True, type=Path, help="YAML file that says what to build")
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


def add_inference_flags(made: argparse.ArgumentParser, switch: str) -> None:
    """Add the flags of augmented inference; `switch` (--aug_eval or --aug_pred) turns scales and flips on."""
    group = made.add_argument_group("augmented inference")
    group.add_argument(switch, dest="augment", action="store_true", help="average over --scales and flips")
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


def train_parser(description: str | None) -> argparse.ArgumentParser:
    """Return the parser of a training tool; what it parses goes to `config_overrides` and `train_options`."""
    made = parser(description)
    made.add_argument(
        "--save_dir", type=Path, default=Path("output"), help="folder of the run; default ./output"
    )
    group = made.add_argument_group("instead of the config's")
    group.add_argument("--iters", type=int, help="iterations, one update of the weights each")
    group.add_argument("--batch_size", type=int, help="images in a forward pass, of each process")
    group.add_argument("--learning_rate", type=float, help="learning rate")
    group = made.add_argument_group("going on, stopping")
    group.add_argument(
        "--resume_model",
        dest="resume",
        help="an iter_N folder to go on from, or auto: the newest valid one, if any",
    )
    group.add_argument(
        "--pretrained", help="path or URL of weights to start from, instead of model.pretrained"
    )
    group.add_argument(
        "--allow_missing",
        nargs="+",
        default=[],
        metavar="PREFIX",
        help="keys that --pretrained may lack or have in another shape, as those of a new head: head.",
    )
    group.add_argument(
        "--early_stop_intervals", type=int, help="stop after N evaluations without a better mIoU"
    )
    _add_counts(
        group,
        (
            "skip_nonfinite",
            0,
            "pass over so many iterations whose loss is NaN or infinite; then save and stop",
        ),
        ("save_interval", 1000, "iterations between checkpoints, and evaluations"),
        ("keep_checkpoint_max", 5, "newest checkpoints to keep"),
    )
    weights = ["pdparams", "safetensors"]
    group.add_argument("--weights_format", choices=weights, default="pdparams", help="default pdparams")
    group = made.add_argument_group("how to compute")
    _add_counts(
        group,
        ("num_workers", 0, "processes that read data; 0: none"),
        ("seed", 0, "of weights, order and augmentation"),
        ("accumulate", 1, "forward passes of an iteration, whose gradients are averaged"),
    )
    group.add_argument("--use_ema", action="store_true", help="also average the weights, as ema_best_model/")
    group.add_argument("--precision", choices=["fp32", "fp16", "bf16"], default="fp32", help="default fp32")
    group.add_argument("--amp_level", choices=["O1", "O2"], default="O1", help="with fp16, bf16; default O1")
    group = made.add_argument_group("what to tell")
    group.add_argument("--do_eval", action="store_true", help="evaluate every --save_interval iterations")
    _add_counts(group, ("log_iters", 10, "iterations between log lines"))
    group.add_argument("--use_vdl", action="store_true", help="write VisualDL scalars and pictures")
    group.add_argument(
        "--profile", action="store_true", help="measure the parts of an iteration: profile.txt"
    )
    return made


def _add_counts(group: argparse._ArgumentGroup, *flags: tuple[str, int, str]) -> None:
    for name, default, text in flags:
        group.add_argument(f"--{name}", type=int, default=default, help=f"{text}; default {default}")


def config_overrides(args: argparse.Namespace) -> list[str]:
    """Return the flags of `train_parser` that stand for keys of the config, as --opts has them."""
    keys = {"iters": "iters", "batch_size": "batch_size", "learning_rate": "lr_scheduler.learning_rate"}
    return [f"{key}={getattr(args, flag)}" for flag, key in keys.items() if getattr(args, flag) is not None]


def train_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the flags of `train_parser` that are options of the engine; none of them is in the config."""
    from paddleseg_lite.engine.options import TrainOptions

    names = {field.name for field in fields(TrainOptions)} - {"iters", "batch_size", "config"}
    return {name: value for name, value in vars(args).items() if name in names}


def inference_options(args: argparse.Namespace, test_config: dict) -> InferenceOptions:
    """Merge the config's `test_config` with the flags; flags win.

    Raises:
        UserError: an augmentation flag without its switch, or a window without its size.
    """
    from paddleseg_lite.engine.inference import InferenceOptions

    given = {key: value for key, value in vars(args).items() if value}
    merged = {**test_config, **given}
    augment = merged.get("augment") or merged.get("aug_eval") or merged.get("aug_pred")
    for name in ("scales", "flip_horizontal", "flip_vertical"):
        if name in given and not augment:
            raise UserError(f"--{name} does nothing by itself; add --aug_eval (val) or --aug_pred (predict)")
    for name in ("crop_size", "stride"):
        if name in given and not merged.get("is_slide"):
            raise UserError(f"--{name} does nothing by itself; add --is_slide")
        if merged.get("is_slide") and not merged.get(name):
            raise UserError(f"--is_slide needs --{name} W H")
    scales = merged.get("scales") or (1.0,)
    slides = bool(merged.get("is_slide"))
    return InferenceOptions(
        scales=tuple(scales) if augment else (1.0,),
        flip_horizontal=bool(augment and merged.get("flip_horizontal")),
        flip_vertical=bool(augment and merged.get("flip_vertical")),
        crop_size=tuple(merged["crop_size"]) if slides else None,
        stride=tuple(merged["stride"]) if slides else None,
    )


def run(main: Callable[[argparse.Namespace], None], args: argparse.Namespace) -> NoReturn:
    """Run a tool and exit: 0 when done, 2 for a user's mistake, told in one sentence; a bug keeps its trace.

    Sets up what a library must not touch: log format, CPU threads, device.
    """
    logging.basicConfig(
        format="%(asctime)s [%(levelname)s]\t%(message)s", stream=sys.stdout, level=logging.INFO
    )
    logging.captureWarnings(True)  # printed past the log, they would tear a progress bar
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
    sys.exit(0)


def _prepare_cpu() -> None:
    """Set what Paddle and its matrix library read once, when they are loaded."""
    os.environ.setdefault("OMP_NUM_THREADS", str(cpu_count()))  # else Paddle computes on one core
    cpuinfo = Path("/proc/cpuinfo")
    facts = cpuinfo.read_text(encoding="utf-8", errors="replace") if cpuinfo.exists() else ""
    if "AuthenticAMD" in facts and " avx2" in facts:
        # Paddle's MKL takes its slowest path on any CPU that is not Intel's; this names its AVX2 one instead,
        # with which matrix products are three times as fast.
        os.environ.setdefault("MKL_DEBUG_CPU_TYPE", "5")


def resume_command() -> str:
    """Return the command line of this process, changed to go on from the newest checkpoint."""
    arguments, kept = iter(sys.argv), []
    for argument in arguments:
        if argument == "--resume_model":
            next(arguments, None)
        elif not argument.startswith("--resume_model="):
            kept.append(argument)
    return shlex.join(["python", *kept, "--resume_model", "auto"])


def cpu_count() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _set_device(device: str | None) -> None:
    if device is None:  # a tool that never computes
        return
    import paddle

    has_gpu = paddle.device.is_compiled_with_cuda() and paddle.device.cuda.device_count() > 0
    if device == "auto":
        device = "gpu" if has_gpu else "cpu"
    kind = device.split(":")[0]
    if kind not in ("cpu", "gpu"):
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
    from paddleseg_lite.engine import parallel

    # Of several ranks, Paddle gives each a GPU of its own.
    paddle.set_device(kind if parallel.ranks() > 1 else device)
    parallel.join()
    if not parallel.is_main():  # the others would say the same; what goes wrong on them is told
        logging.getLogger("paddleseg_lite").setLevel(logging.WARNING)
