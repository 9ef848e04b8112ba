"""Lay out predictions beside the truth: image | truth | prediction | overlay, with a legend of the classes.

  %(prog)s --config C.yml --prediction_dir output/result --save_path sheet.png

Takes images and labels of the config's val_dataset and the class ids that the command predict wrote for them.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from paddleseg_lite.cli import flags
from paddleseg_lite.errors import UserError
from paddleseg_lite.printable import counted, say


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

    from paddleseg_lite.config.data import DataPlan
    from paddleseg_lite.datasets.reading.images import read_image
    from paddleseg_lite.datasets.reading.png import encode_png
    from paddleseg_lite.files import atomic_write
    from paddleseg_lite.inference.segmentation import KINDS
    from paddleseg_lite.visualize import contact_sheet, to_rgb

    if args.rows < 1:
        raise UserError(f"--rows is {args.rows}; give 1 or more")
    dataset = DataPlan(args.config).dataset("val_dataset")
    predictions = args.prediction_dir / KINDS["raw"].folder
    predicted = pair_predictions([Path(image) for image, _ in dataset.pairs], predictions)
    rows = []
    for index in np.linspace(0, len(dataset) - 1, min(args.rows, len(dataset))).round().astype(int):
        path = Path(dataset.pairs[index][0])
        if path not in predicted:
            raise UserError(
                f"no prediction of {path} in {predictions}; run the command predict on the "
                f"images of val_dataset with --save_dir {args.prediction_dir}"
            )
        image, label = dataset.reader(index)
        rows.append((to_rgb(image), np.asarray(label), read_image(predicted[path], 1)[:, :, 0]))
    atomic_write(args.save_path, encode_png(contact_sheet(rows, dataset.classes, dataset.palette)))
    say(f"{counted(len(rows), 'sample')}, in {args.save_path}")


def pair_predictions(images: Sequence[Path], folder: Path) -> dict[Path, Path]:
    """Return the predictions of those images that have one in a folder.

    Predict names a result by its image's path below the folder, or list, that it was given; which that was
    is not known, so the longest end of an image's path that is there counts.

    Raises:
        UserError: one file could be the prediction of two images.
    """
    known = {path.relative_to(folder).parts: path for path in folder.rglob("*.png")}
    owners: dict[Path, Path] = {}
    for image in images:
        parts = Path(os.path.abspath(image)).with_suffix(".png").parts
        found = next((known[parts[i:]] for i in range(1, len(parts)) if parts[i:] in known), None)
        if found is not None and owners.setdefault(found, image) != image:
            raise UserError(
                f"{found} could be the prediction of {owners[found]} and of {image}; run the command predict "
                "on the folder that holds both"
            )
    return {image: found for found, image in owners.items()}
