"""Lay out predictions beside the truth: image | truth | prediction | overlay, with a legend of the classes.

  %(prog)s --config C.yml --prediction_dir output/result --save_path sheet.png

Takes images and labels of the config's val_dataset and the class ids that the command predict wrote for them.
"""

import argparse
from pathlib import Path

from paddleseg_lite.cli import flags
from paddleseg_lite.errors import UserError


def add_flags(parser: argparse.ArgumentParser) -> None:
    flags.add_config(parser)
    flags.add_device(parser)
    parser.add_argument(
        "--prediction_dir", type=Path, required=True, help="the --save_dir of the command predict"
    )
    parser.add_argument(
        "--save_path", type=Path, default=Path("output/contact_sheet.png"), help="PNG to write"
    )
    parser.add_argument("--rows", type=int, default=6, help="samples, spread over the data set; default 6")


def work(args: argparse.Namespace) -> None:
    import numpy as np

    from paddleseg_lite.config import load_config
    from paddleseg_lite.config.data import DataPlan
    from paddleseg_lite.datasets.reading.images import read_image
    from paddleseg_lite.datasets.reading.png import encode_png
    from paddleseg_lite.files import atomic_write
    from paddleseg_lite.inference.predict import LABELS
    from paddleseg_lite.visualize import contact_sheet, to_rgb

    if args.rows < 1:
        raise UserError(f"--rows is {args.rows}; give 1 or more")
    dataset = DataPlan(load_config(args.config, args.opts)).dataset("val_dataset")
    predicted = {path.stem: path for path in (args.prediction_dir / LABELS).rglob("*.png")}
    rows = []
    for index in np.linspace(0, len(dataset) - 1, min(args.rows, len(dataset))).round().astype(int):
        path = Path(dataset.pairs[index][0])
        if path.stem not in predicted:
            raise UserError(
                f"no prediction of {path} in {args.prediction_dir / LABELS}; run the command predict on the "
                f"images of val_dataset with --save_dir {args.prediction_dir}"
            )
        image, label = dataset.reader(index)
        rows.append((to_rgb(image), np.asarray(label), read_image(predicted[path.stem], 1)[:, :, 0]))
    atomic_write(args.save_path, encode_png(contact_sheet(rows, dataset.classes, dataset.palette)))
    print(f"{len(rows)} samples, in {args.save_path}")
