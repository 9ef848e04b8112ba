"""Time every stage of prediction: decode, preprocess, network, postprocess, write.

  %(prog)s --config C.yml --size 2048 1024
  %(prog)s --config C.yml --model_path M --backend onnxruntime paddle --json times.json

Without --model_path the weights are random ones, which takes the same time. Prints medians and 90th
percentiles, the network's multiply-adds, and its GFLOP/s beside those of a large matrix product here.
OMP_NUM_THREADS sets the threads.
"""

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path

from paddleseg_lite.cli import flags
from paddleseg_lite.errors import UserError
from paddleseg_lite.printable import say


def add_flags(parser: argparse.ArgumentParser) -> None:
    flags.add_config(parser, is_required=False)
    flags.add_device(parser)
    flags.add_model_path(parser, is_required=False)
    parser.add_argument("--size", nargs=2, type=int, default=[2048, 1024], metavar=("W", "H"), help="pixels")
    parser.add_argument("--runs", type=int, default=20, help="timed runs; default 20")
    parser.add_argument("--warmup", type=int, default=3, help="runs before; default 3")
    parser.add_argument("--backend", nargs="+", default=["auto"], help="one runtime or several; default auto")
    parser.add_argument("--json", type=Path, help="also write the figures into this file")


def work(args: argparse.Namespace) -> None:
    from paddleseg_lite.checkpoint import load_weights
    from paddleseg_lite.config.build import Plan
    from paddleseg_lite.deploy.backend import build_runtime
    from paddleseg_lite.deploy.profile import matrix_ceiling, profile
    from paddleseg_lite.deploy.verify import drawn_picture
    from paddleseg_lite.files import atomic_write

    if args.runs < 1 or args.warmup < 0 or min(args.size) < 32:
        raise UserError("give at least 1 of --runs, 0 of --warmup and 32 pixels of --size")
    plan = Plan(args.config)
    data = plan.info("val_dataset")
    if data.in_channels != 3:
        raise UserError(f"the network takes {data.in_channels} channels; this tool draws RGB images")
    model = plan.model(pretrained=False)
    if args.model_path:
        load_weights(model, args.model_path)
    transforms = plan.transforms("val_dataset")
    picture = drawn_picture(0, *args.size)
    found, ceiling = [], matrix_ceiling()
    for backend in args.backend:
        network = build_runtime(model, backend)
        with tempfile.TemporaryDirectory() as folder:
            result = profile(
                network,
                model,
                transforms,
                data.palette,
                picture,
                folder=Path(folder),
                runs=args.runs,
                warmup=args.warmup,
                ceiling=ceiling,
            )
        found.append(result)
        say(*result.table().split("\n"))
    if args.json:
        atomic_write(args.json, json.dumps([asdict(result) for result in found], indent=1))
