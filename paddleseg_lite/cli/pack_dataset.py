"""Pack the data sets of a config: decoded once, so that training reads them as fast as memory.

  %(prog)s --config C.yml --save_dir data/packed
  paddleseg-lite train --config C.yml --opts train_dataset.cache=data/packed val_dataset.cache=data/packed

Writes --save_dir/train and --save_dir/val (default: the `cache` of each data set in the config). Interrupted,
run the same command again: it goes on. On a complete pack, it verifies each byte and writes again what is
damaged or stale. An image of 2048x1024 pixels with its label takes 8.4 MB.
"""

import argparse
from pathlib import Path

from paddleseg_lite.cli import flags
from paddleseg_lite.errors import UserError
from paddleseg_lite.printable import counted, say

SECTIONS = ("train_dataset", "val_dataset")


def add_flags(parser: argparse.ArgumentParser) -> None:
    flags.add_config(parser)
    add = parser.add_argument
    add("--save_dir", type=Path, help="folder to write to; default: `cache` in the config")
    add("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="default: both")
    flags.add_processes(parser)


def work(args: argparse.Namespace) -> None:
    from paddleseg_lite.config.data import DataPlan
    from paddleseg_lite.datasets.packed.writer import pack

    plan = DataPlan(args.config)
    sections = [section for section in args.sections if section in plan.sections]
    if not sections:
        raise UserError(
            f"{args.config.path} has none of {', '.join(args.sections)}; there is nothing to pack"
        )
    for section in sections:
        cache = plan.config.section(section).get("cache")
        save_dir = args.save_dir or cache
        if save_dir is None:
            where = plan.config.where(section)
            raise UserError(f"{where} has no cache; say where to write with --save_dir or {section}.cache")
        # The data set is built from its files: a cache that is stale, or not there yet, must not matter.
        dataset = plan.dataset(section, **({"cache": None} if cache else {}))
        folder = Path(save_dir) / dataset.mode
        done = pack(dataset, folder, args.num_workers)
        say(
            f"{folder}: {counted(done.images, 'image')}, {done.nbytes / 1e9:.2f} GB, of which {done.kept} "
            f"were whole already; read it with {section}.cache={save_dir}"
        )
