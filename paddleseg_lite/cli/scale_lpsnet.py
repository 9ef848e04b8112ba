"""Search LPSNets for your data, device and runtime: progressive scaling.

  %(prog)s --config C.yml --size 240 176 --save_dir output/search
  %(prog)s --config C.yml --size 2048 1024 --max_latency 30ms --budget 8h --save_dir output/search30
  %(prog)s --config C.yml --size 2048 1024 --objective macs --jobs 2 --save_dir output/macs

From the smallest network on, each step tries ten directions (depth, width, ratio of a path), each as often as
makes all of them as slow as the slowest, trains them for a short time, and goes on from the one with the
largest gain in mIoU by gain in latency. The config says what to train on and how; its network is replaced.

Writes to --save_dir: search.json (where it stands), latency.json, runs/ (each training), frontier/ (configs
and weights of the networks that no other one beats), search.md, search.png, search.html, search.log. Ctrl-C
saves, and the same command goes on. docs/progressive_search.md says more.
"""

import argparse
import shlex
import sys
from pathlib import Path

from paddleseg_lite.cli import flags
from paddleseg_lite.errors import UserError
from paddleseg_lite.kernels.threads import thread_count
from paddleseg_lite.printable import say
from paddleseg_lite.scaling.architecture import REFERENCES


def add_flags(parser: argparse.ArgumentParser) -> None:
    flags.add_config(parser)
    flags.add_device(parser)
    add = parser.add_argument
    add("--save_dir", type=Path, required=True, help="folder of the search; one that is there goes on")
    text = "of the image that a network gets, in pixels"
    add("--size", nargs=2, type=int, required=True, metavar=("W", "H"), help=text)
    parser.set_defaults(data=("train_dataset", "val_dataset"))

    group = parser.add_argument_group("what it costs to run a network")
    add = group.add_argument
    text = "latency, measured here, or macs, multiply-adds, which need no device; default latency"
    add("--objective", choices=["latency", "macs"], default="latency", help=text)
    flags.add_backend(group)

    group = parser.add_argument_group("how far")
    add = group.add_argument
    add("--steps", type=int, default=14, help="steps at most; default 14")
    text = "candidates to train in each step, in turns of depth, width and ratio; default: all"
    add("--candidates", type=int, help=text)
    add("--max_latency", metavar="TIME", help="of a candidate, such as 30ms")
    add("--budget", metavar="TIME", help="such as 2h: no training is begun that would end later")

    group = parser.add_argument_group("training of candidates")
    add = group.add_argument
    add("--proxy_iters", type=int, default=1000, help="iterations of each; default 1000")
    add("--seed", type=int, default=0, help="of weights, order and augmentation; default 0")
    text = "trainings at a time, which share the threads ($OMP_NUM_THREADS); default 1"
    add("--jobs", type=int, default=1, help=text)
    add("--num_workers", type=int, default=0, help="processes that read data, of each; default 0: none")
    text = "start from the parent's weights where shapes allow, which the paper does not"
    add("--inherit", action="store_true", help=text)
    text = f"networks to train likewise and compare with: {', '.join(REFERENCES)}"
    add("--references", nargs="+", choices=REFERENCES, default=[], metavar="NAME", help=text)


def work(args: argparse.Namespace) -> None:
    from tqdm.contrib.logging import logging_redirect_tqdm

    from paddleseg_lite.engine.signals import StopSignals
    from paddleseg_lite.scaling.estimate import duration
    from paddleseg_lite.scaling.run import Settings, run_search
    from paddleseg_lite.scaling.search import SearchOptions
    from paddleseg_lite.scaling.training import Stopped

    _check(args)
    limit = duration(args.max_latency, "--max_latency") * 1000 if args.max_latency else None
    if limit and not args.max_latency.endswith("s"):
        raise UserError(f"--max_latency is '{args.max_latency}'; give ms or s, as 30ms")
    settings = Settings(
        config=args.config,
        folder=args.save_dir,
        size=tuple(args.size),
        objective=args.objective,
        backend=args.backend,
        proxy_iters=args.proxy_iters,
        search=SearchOptions(
            steps=args.steps,
            candidates=args.candidates,
            budget=duration(args.budget, "--budget") if args.budget else None,
            max_cost=limit,
            inherit=args.inherit,
            jobs=args.jobs,
        ),
        references=args.references,
        seed=args.seed,
        device=args.device,
        num_workers=args.num_workers,
    )
    with StopSignals() as signals, logging_redirect_tqdm():
        try:
            reason = run_search(settings, signals.asked_to_stop)
        except Stopped:
            say(f"stopped by {signals.received}; go on with:", f"  {_command(args.objective)}")
            return
    say(f"the search ended: {reason}")


def _check(args: argparse.Namespace) -> None:
    """Refuse numbers that are too small, and flags without effect.

    Raises:
        UserError: there is one.
    """
    least_of = {"steps": 1, "candidates": 1, "proxy_iters": 1, "jobs": 1, "seed": 0, "num_workers": 0}
    for name, least in least_of.items():
        value = getattr(args, name)
        if value is not None and value < least:
            raise UserError(f"--{name} is {value}; give a whole number of {least} or more")
    if min(args.size) < 32:
        raise UserError(f"--size is {args.size[0]} {args.size[1]}; give at least 32 pixels")
    if args.objective == "macs" and (args.max_latency or args.backend != "auto"):
        flag = "--max_latency" if args.max_latency else "--backend"
        raise UserError(f"{flag} does nothing with --objective macs, which measures no latency; drop one")


def _command(objective: str) -> str:
    """Return the command line of this process, which goes on with its search: by the same threads."""
    threads = f"OMP_NUM_THREADS={thread_count()} " if objective == "latency" else ""
    start = ["python"] if sys.argv[0].endswith(".py") else []
    return threads + shlex.join([*start, *sys.argv])
