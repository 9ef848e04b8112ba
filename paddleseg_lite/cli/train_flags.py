"""The flags of a training, and the command that goes on with it."""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from paddleseg_lite.cli import run as cli
from paddleseg_lite.errors import UserError


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return the parser of a training tool; what it parses goes to `config_overrides` and `train_options`.

    Args:
        description: the tool's docstring.
    """
    made = cli.parser(description)
    made.add_argument(
        "--save_dir", type=Path, help="folder of the run; default ./output, or where the resumed one is"
    )
    group = made.add_argument_group("instead of the config's")
    group.add_argument("--iters", type=int, help="iterations, one update of the weights each")
    group.add_argument("--batch_size", type=int, help="images in a forward pass, of each process")
    group.add_argument("--learning_rate", type=float, help="learning rate")
    _add_going_on(made.add_argument_group("going on, stopping"))
    _add_computing(made.add_argument_group("how to compute"))
    group = made.add_argument_group("what to tell")
    group.add_argument("--do_eval", action="store_true", help="evaluate every --save_interval iterations")
    _add_counts(group, ("log_iters", 10, "iterations between log lines"))
    group.add_argument(
        "--use_vdl", action="store_true", help="write VisualDL scalars and pictures into --save_dir"
    )
    group.add_argument(
        "--profile", action="store_true", help="measure the parts of an iteration: profile.txt"
    )
    return made


def _add_going_on(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--resume_model",
        dest="resume",
        help="an iter_N folder to go on from, or auto: the newest valid one in --save_dir, if any",
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
        ("skip_nonfinite", 0, "pass over so many iterations whose loss is NaN or infinite before stopping"),
        ("save_interval", 1000, "iterations between checkpoints, and evaluations"),
        ("keep_checkpoint_max", 5, "newest checkpoints to keep"),
    )
    formats = ["pdparams", "safetensors"]
    group.add_argument("--weights_format", choices=formats, default="pdparams", help="default pdparams")


def _add_computing(group: argparse._ArgumentGroup) -> None:
    _add_counts(
        group,
        ("num_workers", 0, "processes that read data; 0: none"),
        ("seed", 0, "of weights, order and augmentation"),
        ("accumulate", 1, "forward passes of an iteration, whose gradients are averaged"),
    )
    group.add_argument("--use_ema", action="store_true", help="also average the weights, as ema_best_model/")
    group.add_argument("--precision", choices=["fp32", "fp16", "bf16"], default="fp32", help="default fp32")
    group.add_argument("--amp_level", choices=["O1", "O2"], default="O1", help="with fp16, bf16; default O1")


def _add_counts(group: argparse._ArgumentGroup, *flags: tuple[str, int, str]) -> None:
    for name, default, text in flags:
        group.add_argument(f"--{name}", type=int, default=default, help=f"{text}; default {default}")


def config_overrides(args: argparse.Namespace) -> list[str]:
    """Return the flags that stand for keys of the config, as --opts has them."""
    keys = {"iters": "iters", "batch_size": "batch_size", "learning_rate": "lr_scheduler.learning_rate"}
    return [f"{key}={getattr(args, flag)}" for flag, key in keys.items() if getattr(args, flag) is not None]


def train_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the flags that are options of the engine; those for keys of the config are not among them.

    Raises:
        UserError: a flag without effect.
    """
    from paddleseg_lite.engine.options import AUTO, TrainOptions

    if args.allow_missing and not args.pretrained:
        raise UserError("--allow_missing does nothing by itself; add --pretrained, the weights to start from")
    given = args.resume if args.resume not in (None, AUTO) else None
    if args.pretrained and given:
        raise UserError(f"--pretrained does nothing with --resume_model {given}, which has weights; drop one")
    names = {field.name for field in fields(TrainOptions)} - {"iters", "batch_size", "config"}
    options = {name: value for name, value in vars(args).items() if name in names}
    options["save_dir"] = args.save_dir or (Path(given).parent if given else Path("output"))
    return options


def resume_command(save_dir: Path, ranks: int = 1) -> str:
    """Return the command line of this process, changed to go on from the newest checkpoint.

    Args:
        save_dir: the run's folder, which the command line may not have named.
        ranks: processes that trained together; several are launched again, on one machine.
    """
    launcher = ["-m", "paddle.distributed.launch", "--nproc_per_node", str(ranks)] if ranks > 1 else []
    dropped = ("--resume_model", "--save_dir", "--pretrained", "--allow_missing")
    kept, is_dropped = sys.argv[:1], False
    for argument in sys.argv[1:]:
        if argument.startswith("--"):
            is_dropped = argument.partition("=")[0] in dropped
        if not is_dropped:
            kept.append(argument)
    return shlex.join(["python", *launcher, *kept, "--save_dir", str(save_dir), "--resume_model", "auto"])
