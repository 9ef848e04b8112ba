"""Make a classification set of segmentation data: crops of objects, cut out by their masks.

  python tools/make_streetscenes.py --save_dir data/streetscenes
  python benchmarks/make_crops.py --save_dir data/crops

Writes SAVE_DIR/train/CLASS/*.jpg and SAVE_DIR/val/CLASS/*.jpg, for ImageNetDataset, from the images to train
on and to validate. CamVid and StreetScenes share the 19 classes of Cityscapes. A crop is the square around a
connected region of a class, with a margin; of a region larger than --largest, such as road, or long and thin,
such as a pole, it is a part. It needs --share of its class. Of each class and data set the same number at
most is drawn, by --seed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from paddleseg_lite.config import load_config
from paddleseg_lite.config.data import MODES, DataPlan
from paddleseg_lite.datasets import SegmentationDataset
from paddleseg_lite.datasets.cityscapes import Cityscapes

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
SOURCES = {  # config of the data, by the flag for their folder
    "camvid": CONFIGS / "_base_" / "camvid.yml",
    "streetscenes": CONFIGS / "quickstart" / "lpsnet_streetscenes.yml",
}
OF_CITYSCAPES = {  # CamVid's names that are others
    "pavement": "sidewalk",
    "tree": "vegetation",
    "sign": "traffic sign",
    "pedestrian": "person",
    "bicyclist": "rider",
}
MARGIN = 0.2  # of a region's sides, on each side


def squares(
    label: np.ndarray, class_id: int, rng: np.random.Generator, smallest: int, largest: int
) -> Iterator[tuple[int, int, int]]:
    """Yield (top, left, side) around each connected region of a class, inside of the image.

    Args:
        label: uint8 [H, W].
        class_id: the class.
        rng: chooses the part of a large region.
        smallest: regions whose longer side has fewer pixels are left out.
        largest: of a region larger than that with its margin, or than four times its shorter side, a square
            of this side around one of its pixels is taken.
    """
    count, regions, facts, _ = cv2.connectedComponentsWithStats((label == class_id).astype(np.uint8))
    for number in range(1, count):
        left, top, width, height, _ = (int(fact) for fact in facts[number])
        if max(width, height) < smallest:
            continue
        x, y, side = left + width / 2, top + height / 2, max(width, height) * (1 + 2 * MARGIN)
        limit = max(min(largest, 4 * min(width, height)), smallest)
        if side > limit:
            ys, xs = np.nonzero(regions[top : top + height, left : left + width] == number)
            place = int(rng.integers(len(ys)))
            x, y, side = left + float(xs[place]), top + float(ys[place]), limit
        side = min(round(side), *label.shape)
        yield (
            int(np.clip(round(y - side / 2), 0, label.shape[0] - side)),
            int(np.clip(round(x - side / 2), 0, label.shape[1] - side)),
            side,
        )


def crops_of(dataset: SegmentationDataset, args: argparse.Namespace) -> dict[str, list[np.ndarray]]:
    """Return the crops of each class, uint8 [SIZE, SIZE, 3] RGB, as many as there are."""
    found: dict[str, list[np.ndarray]] = {}
    for index in range(len(dataset)):
        image, label = (np.asarray(array) for array in dataset.reader(index))
        rng = np.random.default_rng([args.seed, index])
        for class_id, name in enumerate(dataset.classes):
            for top, left, side in squares(label, class_id, rng, args.smallest, args.largest):
                part = np.s_[top : top + side, left : left + side]
                if (label[part] == class_id).mean() < args.share:
                    continue
                crop = cv2.resize(image[part], (args.size, args.size), interpolation=cv2.INTER_AREA)
                found.setdefault(OF_CITYSCAPES.get(name, name), []).append(crop)
    return found


def write(
    crops: dict[str, list[np.ndarray]], folder: Path, prefix: str, most: int, seed: int
) -> dict[str, int]:
    """Write at most so many crops of each class, spread at random, and return how many."""
    counts = {}
    for name in Cityscapes.classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
        own = crops.get(name, [])
        chosen = sorted(np.random.default_rng(seed).permutation(len(own))[:most])
        counts[name] = len(chosen)
        for number in chosen:
            path = folder / name / f"{prefix}_{number:05}.jpg"
            if not cv2.imwrite(str(path), own[number][..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95]):
                raise OSError(f"cannot write {path}")
    return counts


def main() -> None:
    """Cut and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--save_dir", type=Path, required=True, help="folder to write to; new, or empty")
    for name in SOURCES:
        add(f"--{name}", type=Path, default=Path("data") / name, help=f"default data/{name}")
    add("--size", type=int, default=96, help="side of the crops, pixels; default 96")
    add("--smallest", type=int, default=16, help="least side of a region, pixels; default 16")
    add("--largest", type=int, default=128, help="largest side of a crop in its image, pixels; default 128")
    add("--share", type=float, default=0.15, help="least share of a crop that is of its class; default 0.15")
    add(
        "--most",
        type=int,
        default=500,
        help="crops of a class in each data set; for validation a fifth; default 500",
    )
    add("--seed", type=int, default=0, help="of what is chosen; default 0")
    args = parser.parse_args()
    if args.save_dir.exists() and any(args.save_dir.iterdir()):
        parser.error(f"--save_dir {args.save_dir} is not empty; give another, or remove it")
    for section, mode in MODES.items():
        for name, config in SOURCES.items():
            root = f"{section}.dataset_root={getattr(args, name)}"
            dataset = DataPlan(load_config(config, [root])).dataset(section)
            most = args.most if mode == "train" else args.most // 5
            counts = write(crops_of(dataset, args), args.save_dir / mode, name, most, args.seed)
            print(f"{mode}, {name}: {sum(counts.values())} crops, {counts}")


if __name__ == "__main__":
    main()
