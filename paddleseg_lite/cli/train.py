"""Train a network from a YAML config.

  %(prog)s --config configs/quickstart/lpsnet_streetscenes.yml --do_eval --save_dir output/mine
  %(prog)s --config C.yml --save_dir output/mine --resume_model auto
  %(prog)s --config C.yml --pretrained cityscapes.pdparams --allow_missing head.
  python -m paddle.distributed.launch --nproc_per_node 2 tools/train.py --config C.yml
  python -m paddle.distributed.launch --nproc_per_node 2 paddleseg-lite train --config C.yml

Writes to --save_dir: iter_N/ (all that --resume_model needs), config.yml, environment.json, train.log,
metrics.jsonl, curves.png, and with --do_eval best_model/, the weights with the highest mIoU, and
val_images.jpg, what they make of some images. Ctrl-C or SIGTERM: the iteration is finished and saved, and
the command that goes on is printed. docs/training.md says more.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from paddleseg_lite.cli import flags, val
from paddleseg_lite.errors import UserError
from paddleseg_lite.printable import counted, say


def add_flags(parser: argparse.ArgumentParser) -> None:
    flags.add_config(parser)
    flags.add_device(parser)
    text = "folder of the run; default ./output, or where the resumed one is"
    parser.add_argument("--save_dir", type=Path, help=text)

    add = parser.add_argument_group("instead of the config's").add_argument
    add("--iters", type=int, help="iterations, one update of the weights each")
    add("--batch_size", type=int, help="images in a forward pass, of each process")
    add("--learning_rate", type=float, help="learning rate")
    parser.set_defaults(overrides=config_overrides, data=("train_dataset",))

    group = parser.add_argument_group("going on, stopping")
    add = group.add_argument
    text = "an iter_N folder to go on from, or auto: the newest valid one in --save_dir, if any"
    add("--resume_model", dest="resume", help=text)
    add("--pretrained", help="path or URL of weights to start from, instead of model.pretrained")
    text = "keys that --pretrained may lack or have in another shape, as those of a new head: head."
    add("--allow_missing", nargs="+", default=[], metavar="PREFIX", help=text)
    add("--early_stop_intervals", type=int, help="stop after N evaluations without a better score")
    text = "pass over so many iterations whose loss is NaN or infinite before stopping"
    _add_count(group, "skip_nonfinite", 0, text)
    _add_count(group, "save_interval", 1000, "iterations between checkpoints, and evaluations")
    _add_count(group, "keep_checkpoint_max", 5, "newest checkpoints to keep")
    formats = ["pdparams", "safetensors"]
    add("--weights_format", choices=formats, default="pdparams", help="default pdparams")

    group = parser.add_argument_group("how to compute")
    add = group.add_argument
    _add_count(group, "num_workers", 0, "processes that read data; 0: none")
    _add_count(group, "seed", 0, "of weights, order and augmentation")
    _add_count(group, "accumulate", 1, "forward passes of an iteration, whose gradients are averaged")
    add("--use_ema", action="store_true", help="also average the weights, as ema_best_model/")
    text = "what an update keeps of the average, 0 to 1 (less in the first ones); default 0.999"
    add("--ema_decay", type=float, default=0.999, help=text)
    add("--precision", choices=["fp32", "fp16", "bf16"], default="fp32", help="default fp32")
    add("--amp_level", choices=["O1", "O2"], default="O1", help="with fp16, bf16; default O1")

    group = parser.add_argument_group("what to tell")
    add = group.add_argument
    add("--do_eval", action="store_true", help="evaluate every --save_interval iterations")
    text = "evaluate the best weights at the end, with --do_eval, and write report/ as val.py --report does"
    add("--report", action="store_true", help=text)
    _add_count(group, "log_iters", 10, "iterations between log lines")
    add("--use_vdl", action="store_true", help="write VisualDL scalars and pictures into --save_dir")
    add("--profile", action="store_true", help="measure the parts of an iteration: profile.txt")


def _add_count(group: argparse._ArgumentGroup, name: str, default: int, text: str) -> None:
    group.add_argument(f"--{name}", type=int, default=default, help=f"{text}; default {default}")


def work(args: argparse.Namespace) -> None:
    from paddleseg_lite import parallel
    from paddleseg_lite.checkpoint import load_pretrained
    from paddleseg_lite.config.build import Plan
    from paddleseg_lite.datasets.samples import TASKS
    from paddleseg_lite.engine.curves import CURVES
    from paddleseg_lite.engine.rng import seed_everything
    from paddleseg_lite.engine.showcase import SHEET
    from paddleseg_lite.engine.train import TrainOptions, train

    if args.report:
        from paddleseg_lite.report.page import check_installed

        check_installed()
    config, plan = args.config, Plan(args.config, TASKS)
    options = TrainOptions(
        **train_options(args),
        iters=config.iters,
        batch_size=config.batch_size,
        config=config.standalone(),
        inference=plan.inference(),
    )
    train_dataset = plan.dataset("train_dataset")
    if args.report and train_dataset.task != "segmentation":
        raise UserError("--report shows segmentations; leave it out, metrics.jsonl has the scores")
    of_iteration = options.batch_size * options.accumulate * parallel.world_size()
    plan = plan.with_epoch(len(train_dataset) / of_iteration)
    options = replace(options, iters=plan.config.iters)
    val_dataset = plan.dataset("val_dataset") if args.do_eval else None
    for dataset in (train_dataset, val_dataset):
        if dataset is not None and parallel.is_main():
            say(dataset.describe())
    seed_everything(args.seed)
    # A run that goes on has its weights in the checkpoint; the pretrained ones may be gone.
    model = plan.model(pretrained=not args.pretrained and not options.is_resuming)
    if args.pretrained and not options.is_resuming:
        load_pretrained(model, args.pretrained, args.allow_missing)
    optimizer, criterion = plan.optimizer(model), plan.criterion()
    result = train(model, train_dataset, optimizer, criterion, options, val_dataset)
    if args.report and not result.stopped_by:
        val.report_of_run(config, options.save_dir, args.weights_format, args.num_workers)
    if not parallel.is_main():
        return
    pictures = [path for path in (options.save_dir / CURVES, options.save_dir / SHEET) if path.exists()]
    if pictures:
        say(f"pictures: {', '.join(map(str, pictures))}")
    if result.stopped_by:
        say(f"stopped by {result.stopped_by} after iteration {result.iteration}; go on with:")
        say(f"  {resume_command(options.save_dir, parallel.world_size())}")
        return
    say(f"{counted(result.iteration, 'iteration')} in {result.seconds:.0f} s, in {options.save_dir}")
    if result.best_miou is not None:
        best = f"best {result.headline} {result.best_miou:.4f} at iter {result.best_iteration}"
        say(f"{best}, in its best_model/")


def config_overrides(args: argparse.Namespace) -> list[str]:
    """Return the flags that stand for keys of the config, as --opts has them."""
    keys = {"iters": "iters", "batch_size": "batch_size", "learning_rate": "lr_scheduler.learning_rate"}
    given = [f"{key}={getattr(args, flag)}" for flag, key in keys.items() if getattr(args, flag) is not None]
    return given if args.iters is None else [*given, "epochs=null"]


def train_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the flags that are options of the engine; those for keys of the config are not among them.

    Raises:
        UserError: a flag without effect.
    """
    from paddleseg_lite.engine.options import AUTO, TrainOptions

    if args.report and not args.do_eval:
        raise UserError("--report shows the best weights, which evaluations find; add --do_eval")
    if args.allow_missing and not args.pretrained:
        raise UserError("--allow_missing does nothing by itself; add --pretrained, the weights to start from")
    given = args.resume if args.resume not in (None, AUTO) else None
    if args.pretrained and given:
        raise UserError(f"--pretrained does nothing with --resume_model {given}, which has weights; drop one")
    names = {field.name for field in fields(TrainOptions)} - {"iters", "batch_size", "config"}
    options = {name: value for name, value in vars(args).items() if name in names}
    options["save_dir"] = args.save_dir or (Path(given).parent if given else Path("output"))
    return options


def resume_command(save_dir: Path, world_size: int = 1) -> str:
    """Return the command line of this process, changed to go on from the newest checkpoint."""
    command = [] if world_size == 1 and not sys.argv[0].endswith(".py") else ["python"]
    if world_size > 1:
        command += ["-m", "paddle.distributed.launch", "--nproc_per_node", str(world_size)]
    dropped = ("--resume_model", "--save_dir", "--pretrained", "--allow_missing")
    is_dropped = False
    command.append(sys.argv[0])
    for argument in sys.argv[1:]:
        if argument.startswith("--"):
            is_dropped = argument.partition("=")[0] in dropped
        if not is_dropped:
            command.append(argument)
    return shlex.join([*command, "--save_dir", str(save_dir), "--resume_model", "auto"])
