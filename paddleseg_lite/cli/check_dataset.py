"""Check the data sets of a config before training: every image, every label, every id.

  %(prog)s --config C.yml --save_dir output/check

Reads all pairs of train_dataset and val_dataset and prints files that are missing, broken or don't fit
together, ids that are no classes, with the probable cause and the remedy, how often each class occurs, image
sizes, and class weights. With --save_dir it also writes report.txt, report.json (with every single file),
classes.png (a histogram) and samples.png (labels over their images; what is ignored or not allowed is
hatched). The exit code is 2 if training would be wrong or impossible.
"""

import argparse
import json
from functools import partial
from pathlib import Path

from paddleseg_lite.cli import flags
from paddleseg_lite.errors import UserError
from paddleseg_lite.printable import say


def add_flags(parser: argparse.ArgumentParser) -> None:
    flags.add_config(parser)
    parser.add_argument("--save_dir", type=Path, help="folder for report.txt, report.json and two pictures")
    flags.add_processes(parser)


def work(args: argparse.Namespace) -> None:
    from paddleseg_lite.config.data import DataPlan
    from paddleseg_lite.datasets.check.check import check_datasets
    from paddleseg_lite.datasets.check.pictures import write_pictures
    from paddleseg_lite.datasets.check.report import as_dict, as_text
    from paddleseg_lite.files import atomic_write

    plan = DataPlan(args.config)
    if not plan.sections:
        raise UserError(f"{args.config.path} has neither train_dataset nor val_dataset to check; add one")
    builders = {section: partial(plan.dataset, section) for section in plan.sections}
    results = check_datasets(builders, args.num_workers)
    text = as_text(results)
    say(*text.split("\n"))
    if args.save_dir:
        atomic_write(args.save_dir / "report.txt", f"{text}\n")
        values = json.dumps(as_dict(results), indent=1, ensure_ascii=False)
        atomic_write(args.save_dir / "report.json", values)
        missing = write_pictures(args.save_dir, results)
        say("", f"report and pictures are in {args.save_dir}", *missing)
    wrong = [f"{len(found.problems)} in {found.section}" for found in results if found.problems]
    if wrong:
        raise UserError(f"training would be wrong: {' and '.join(wrong)} problem(s), listed above")
