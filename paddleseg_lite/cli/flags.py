"""Flags that several commands have, and what they stand for."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from paddleseg_lite.errors import UserError
from paddleseg_lite.kernels.threads import cpu_count

if TYPE_CHECKING:
    from paddleseg_lite.config.build import Plan
    from paddleseg_lite.inference.augment import InferenceOptions

_AUGMENTATIONS = ("scales", "flip_horizontal", "flip_vertical")
_WINDOW = ("crop_size", "stride")


def add_config(parser: argparse.ArgumentParser, is_required: bool = True) -> None:
    """Add --config and --opts; of a command with --model_path, zoo:NAME stands for its config too."""
    text = "YAML file that says what to build"
    text += "" if is_required else "; may be left out with --model_path zoo:NAME"
    parser.add_argument("--config", required=is_required, type=Path, help=text)
    parser.add_argument(
        "--opts",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="override any key of the config: a.b=c, a.list.0.b=c",
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add --device, where the network runs."""
    parser.add_argument(
        "--device",
        default="auto",
        help="auto (a GPU or another accelerator if Paddle finds one, else the CPU), cpu, gpu, gpu:N, or "
        "another of Paddle's, such as npu; default auto",
    )


def add_model_path(parser: argparse.ArgumentParser, is_required: bool = True) -> None:
    """Add --model_path; where it is not required, random weights do as well."""
    text = "weights: .pdparams or .safetensors, path or URL; or zoo:NAME of the package's own"
    text += "" if is_required else "; default: random"
    parser.add_argument("--model_path", required=is_required, help=text)


def add_backend(parser: argparse._ActionsContainer) -> None:
    """Add --backend, the runtime that computes the logits."""
    parser.add_argument(
        "--backend",
        default="auto",
        help="runtime: auto (on a GPU the live network, on a CPU the fastest one installed), paddle, "
        "paddle_inference or onnxruntime; default auto",
    )


def add_processes(parser: argparse.ArgumentParser) -> None:
    """Add --num_workers of a command that works through files."""
    text = "processes; 0: none; default: one for each core"
    parser.add_argument("--num_workers", type=int, default=cpu_count(), help=text)


def add_inference(parser: argparse.ArgumentParser, switch: str) -> None:
    """Add the flags of augmented inference; `switch` (--aug_eval or --aug_pred) turns scales and flips on."""
    add = parser.add_argument_group("augmented inference").add_argument
    add(switch, dest="aug_eval", action="store_true", help="average over --scales and flips")
    add("--scales", nargs="+", type=float, metavar="S", help=f"with {switch}; default 1.0")
    add("--flip_horizontal", action="store_true", help=f"with {switch}: also mirror left to right")
    add("--flip_vertical", action="store_true", help=f"with {switch}: also mirror top to bottom")
    add("--is_slide", action="store_true", help="slide a window of --crop_size by --stride")
    size = ("W", "H")
    add("--crop_size", nargs=2, type=int, metavar=size, help="window in pixels, with --is_slide")
    add("--stride", nargs=2, type=int, metavar=size, help="step in pixels, with --is_slide")


def inference_options(args: argparse.Namespace, plan: Plan, predicts: bool = False) -> InferenceOptions:
    """Return how images become logits: as the config's `test_config` says, but for the flags that are given.

    Args:
        args: with the flags of `add_inference`.
        plan: has the config.
        predicts: see `Plan.inference`.

    Raises:
        UserError: an augmentation flag without its switch, or a window without its size.
    """
    names = ("aug_eval", *_AUGMENTATIONS, "is_slide", *_WINDOW)
    flags = {name: getattr(args, name) for name in names if getattr(args, name)}
    switches = {**plan.test_config(predicts), **flags}
    for name in flags:
        if name in _AUGMENTATIONS and not switches.get("aug_eval"):
            switch = "--aug_pred" if predicts else "--aug_eval"
            raise UserError(f"--{name} does nothing by itself; add {switch}")
        if name in _WINDOW and not switches.get("is_slide"):
            raise UserError(f"--{name} does nothing by itself; add --is_slide")
    return plan.inference(predicts, **flags)
