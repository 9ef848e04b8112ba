"""Draw StreetScenes, a small data set of road scenes with the 19 classes of Cityscapes, into a folder.

  python tools/make_streetscenes.py --save_dir data/streetscenes --train 300 --val 40

The folder looks like Cityscapes itself, so whatever reads Cityscapes reads it: images are
leftImg8bit/{train,val}/streets/*_leftImg8bit.png, labels gtFine/{train,val}/streets/*_gtFine_labelIds.png.
The same --seed and size draw the same files, whatever --num_workers is. Files that exist are kept: run the
command again to continue after an interruption, or with more scenes to enlarge a data set.
"""

import argparse
from functools import partial
from pathlib import Path

from paddleseg_lite.cli.run import run
from paddleseg_lite.errors import UserError
from paddleseg_lite.kernels.threads import cpu_count


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--save_dir", type=Path, required=True, help="folder to write to: new, empty, or made by this tool")
    add("--train", type=int, default=300, help="scenes to train on; default 300")
    add("--val", type=int, default=40, help="scenes to evaluate on, all different from those; default 40")
    add("--width", type=int, default=512, help="pixels; default 512 (Cityscapes has 2048)")
    add("--height", type=int, default=256, help="pixels; half the width looks best; default 256")
    add("--seed", type=int, default=0, help="another seed draws other scenes; default 0")
    add("--num_workers", type=int, default=cpu_count(), help="processes; default: one for each core")
    add("--debug", action="store_true", help="show the whole trace of an error")
    return parser.parse_args()


def draw(job: "tuple[str, int]", args: argparse.Namespace) -> None:
    import cv2

    from demo.streetscenes.files import write_scene

    cv2.setNumThreads(1)  # each process draws on one core
    write_scene(args.save_dir, *job, args.seed, args.width, args.height)


def work(args: argparse.Namespace) -> None:
    from demo.streetscenes.files import claim_folder
    from paddleseg_lite.datasets.loading.process_map import process_map

    for name in ("train", "val", "width", "height", "seed", "num_workers"):
        low = {"width": 64, "height": 32}.get(name, 0)
        if getattr(args, name) < low:
            raise UserError(f"--{name} is {getattr(args, name)}, but must be at least {low}")
    claim_folder(args.save_dir, args.seed, args.width, args.height)
    jobs = [(split, number) for split in ("train", "val") for number in range(getattr(args, split))]
    for _ in process_map(partial(draw, args=args), jobs, args.num_workers, "draw", "scene"):
        pass
    print(f"{args.train} scenes to train on and {args.val} to evaluate on are in {args.save_dir}")


def main() -> None:
    """Run the command with the arguments of this process, and exit."""
    run(work, parse_args())
