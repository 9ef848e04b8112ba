"""Make a data set of photos and somebody's annotations: labels, lists, and a config that trains.

  %(prog)s photos --save_dir data/mine
  %(prog)s photos --save_dir data/mine --unlabeled drop --group '^(\\w+)_'
  %(prog)s photos --save_dir data/mine --classes 'Car=car' 'unsure='
  %(prog)s photos --save_dir data/mine --colors colors.txt

SOURCE is a folder with images and their masks, labelme's JSON, COCO's JSON, CVAT's XML, or shaped as Pascal
VOC or Cityscapes; which one is found out, and nothing is written to it. Writes labels/ (palette PNGs),
images/ (copies, but for images that lie in --save_dir), train.txt, val.txt, config.yml with a reason beside
each line, fingerprint.json, and samples.html to look at, and prints how to go on. Called again it changes
nothing, goes on where it was interrupted, and keeps what was edited. docs/own_data.md says more.
"""

import argparse
import os
import shlex
import sys
from itertools import chain, count
from pathlib import Path

from paddleseg_lite.cli import flags
from paddleseg_lite.errors import UserError, missing_modules
from paddleseg_lite.prepare.networks import NETWORKS
from paddleseg_lite.printable import counted, say

_NETWORK = "lpsnet_s"


def add_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("source", type=Path, metavar="SOURCE", help="folder with images and annotations")
    add("--save_dir", type=Path, required=True, help="folder of the data set")
    add("--format", help="labelme, coco, cvat, voc, cityscapes or masks; default: found out")
    others = ", ".join(name for name in NETWORKS if name != _NETWORK)
    add("--network", default=_NETWORK, help=f"of the config: {_NETWORK} (default; fast on a CPU), {others}")

    add = parser.add_argument_group("what counts").add_argument
    text = "images without annotation, and pixels that nothing covers: background, ignore or drop"
    add("--unlabeled", choices=("background", "ignore", "drop"), help=text)
    text = "the class that a name in SOURCE becomes; NAME= does not count, NAME=NAME keeps one nobody drew"
    add("--classes", nargs="+", action="extend", default=[], metavar="NAME=CLASS", help=text)
    add("--colors", type=Path, metavar="FILE", help="lines R G B NAME: the colors of masks")
    add("--line_width", type=int, default=10, help="pixels, of lines and points; default 10")
    add("--img_channels", type=int, default=3, help="channels of the images; default 3")

    add = parser.add_argument_group("which images are evaluated on").add_argument
    add("--val_share", type=float, default=0.2, help="share of them, where SOURCE has no split; default 0.2")
    add("--seed", type=int, default=0, help="of the split; default 0")
    text = "regular expression, whose first group is what images of one video or place have in common"
    add("--group", metavar="PATTERN", help=text)
    flags.add_processes(parser)


def work(args: argparse.Namespace) -> None:
    from paddleseg_lite.annotations import Choices, open_source
    from paddleseg_lite.annotations.colors import read_colors
    from paddleseg_lite.files import check_utf8
    from paddleseg_lite.prepare.choices import check_decided, class_choices
    from paddleseg_lite.prepare.dataset import InitOptions, prepare_dataset
    from paddleseg_lite.prepare.layout import CONFIG, PAGE, check_apart

    for name, least in (("line_width", 1), ("img_channels", 1), ("seed", 0)):
        if getattr(args, name) < least:
            raise UserError(f"--{name} is {getattr(args, name)}; give {least} or more")
    check_apart(args.source, args.save_dir)
    check_utf8(args.save_dir, "a config")
    classes = class_choices(args.classes)
    colors = read_colors(args.colors) if args.colors else {}
    choices = Choices(classes, colors, args.line_width, args.img_channels, args.num_workers)
    source = open_source(args.source, args.format, choices)
    check_decided(source, [*classes, *(name for name in classes.values() if name is not None)])
    run = Path("output") / _run_name(args.save_dir, args.network)
    head = [
        f"{args.save_dir.name}: {source.format}, made by the command init; change what you like, it is kept.",
        "",
        *(f"  {command}" for command in next_commands(args.save_dir, run)),
    ]
    settings = {
        "source": _relative(args.source, args.save_dir),
        "format": source.format,
        "unlabeled": args.unlabeled,
        "classes": args.classes,
        "colors": [f"{list(color)} {name}" for color, name in colors.items()],
        "line_width": args.line_width,
        "img_channels": args.img_channels,
        "val_share": args.val_share,
        "seed": args.seed,
        "group": args.group,
    }
    names = ("save_dir", "val_share", "seed", "group", "unlabeled", "network", "num_workers")
    options = {name: getattr(args, name) for name in names}
    made = prepare_dataset(source, InitOptions(**options, settings=settings, head=head))
    say(*made.lines)
    say(
        f"{args.save_dir / CONFIG} has a reason beside each line; look at {args.save_dir / PAGE}; go on with",
        "",
    )
    say(*(f"  {command}" for command in next_commands(args.save_dir, _free(run))))
    if made.left_out:
        say("", *(f"left out: {problem}" for problem in made.left_out.values()))
    if number := len(made.left_out) + made.lost:
        ready = counted(sum(made.images.values()), "image")
        raise UserError(f"{counted(number, 'file')} left out, as told above; {ready} ready")


def _relative(path: Path, folder: Path) -> str:
    """Return a path that stays the same if both are moved together."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive of Windows
        return str(path.absolute())


def _run_name(save_dir: Path, network: str) -> str:
    name = save_dir.absolute().name
    return name if network == _NETWORK else f"{name}_{network}"


def _free(run: Path) -> Path:
    """Return a folder for a run, the first of RUN, RUN_2, RUN_3 ... that holds none: train refuses others."""
    from paddleseg_lite.checkpoint.folders import holds_run

    names = chain([run], (run.with_name(f"{run.name}_{number}") for number in count(2)))
    return next(folder for folder in names if not holds_run(folder))


def next_commands(save_dir: Path, run: Path) -> list[str]:
    """Return the commands that train, predict and export, as this one was called.

    Args:
        save_dir: folder of the data set.
        run: folder of the run.
    """
    config = save_dir / "config.yml"
    weights = run / "best_model" / "model.pdparams"
    kind = "paddle" if missing_modules("paddle2onnx", "onnx", "onnxruntime") else "onnx"
    arguments = {
        "train": ["--do_eval", "--save_dir", run, "--save_interval", 200, "--num_workers", 1],
        "predict": [
            "--model_path",
            weights,
            "--image_path",
            save_dir / "val.txt",
            "--save_dir",
            run / "result",
        ],
        "export": ["--model_path", weights, "--save_dir", run / "export", "--format", kind],
    }
    return [
        shlex.join([*_program(name), "--config", str(config), *map(str, given)])
        for name, given in arguments.items()
    ]


def _program(command: str) -> list[str]:
    called = Path(sys.argv[0])
    if called.suffix == ".py":
        return ["python", str(called.with_name(f"{command}.py"))]
    return ["paddleseg-lite", command]
