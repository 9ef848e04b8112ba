"""Write Cityscapes' train ids: *_gtFine_labelTrainIds.png from every *_gtFine_labelIds.png.

  %(prog)s --dataset_root data/cityscapes

Training does not need it, as the data set type Cityscapes maps labelIds in memory; other programs do. Each
file is written beside its target and renamed, so that an interruption leaves no half file: run the command
again to go on where it stopped. Files that exist are kept as they are.
"""

import argparse
from pathlib import Path

from paddleseg_lite.cli import flags
from paddleseg_lite.errors import UserError
from paddleseg_lite.printable import counted, say


def add_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--dataset_root", type=Path, required=True, help="folder that holds gtFine")
    add("--overwrite", action="store_true", help="also write files that exist")
    flags.add_processes(parser)


def work(args: argparse.Namespace) -> None:
    from paddleseg_lite.datasets.loading.process_map import process_map
    from paddleseg_lite.datasets.train_ids import find_label_ids, train_ids_path, write_train_ids

    found = find_label_ids(args.dataset_root)
    todo = [path for path in found if args.overwrite or not train_ids_path(path).exists()]
    results = process_map(write_train_ids, todo, args.num_workers, "train ids", "file")
    failed = [message for message in results if message is not None]
    say(
        f"{counted(len(todo) - len(failed), 'file')} written, {len(found) - len(todo)} were there already, "
        f"in {args.dataset_root / 'gtFine'}"
    )
    if failed:
        more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
        raise UserError(f"{len(failed)} labels could not be converted: {'; '.join(failed[:3])}{more}")
