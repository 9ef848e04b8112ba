"""Time and memory of tools/val.py, plain, with a report, and with a report and all metrics, on the CPU.

  python benchmarks/bench_report.py --images 500 --rounds 2
  python benchmarks/bench_report.py --images 60 --rounds 7 --before ../older --sides before plain

Draws a few 2048x1024 road scenes into Cityscapes' folders, with instances, under as many names as images are
wanted, and evaluates random weights. Each side of a round is a process of its own, and the sides take turns,
in the opposite order every other round. Reported are medians with their spread, in wall-clock and in CPU
seconds, which other programs disturb less; each side's time by that of the first side of the same round; the
peak of resident memory; and the size of the page. An image takes LPSNet-M 0.4 s on two cores: the first
command takes 20 minutes, the second one 12.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import report
from bench_inference import NETWORKS, draw_data, write_case
from report import ROOT, Run, run_tool
from tqdm import tqdm

ALL = ("intervals", "boundary", "trimap", "size", "rows", "calibration", "cityscapes")
SIDES = {
    "plain": (),
    "report": ("--report", "report"),
    "all metrics": ("--report", "report", "--metrics", *ALL),
    "before": (),
}


def draw_set(folder: Path, scenes: int, count: int, size: tuple[int, int]) -> Path:
    """Draw some scenes with instances, and return a data set that has them under `count` names."""
    source = draw_data(folder, scenes, size)
    for path in sorted((source / "gtFine").rglob("*_labelIds.png")):
        labels = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).astype(np.uint16)
        # Vehicles and people by columns, as if each stood in one of eight places.
        numbers = np.arange(labels.shape[1], dtype=np.uint16) * 8 // labels.shape[1]
        ids = np.where(labels >= 24, 1000 * labels + numbers, labels).astype(np.uint16)
        cv2.imwrite(str(path).replace("labelIds", "instanceIds"), ids)
    root = folder / "many"
    for path in sorted(source.rglob("streets_*.png")):
        scene = int(path.name.split("_")[1])
        for number in range(scene, count, scenes):
            name = path.name.replace(f"_{scene:06d}_", f"_{number:06d}_", 1)
            link = root / path.relative_to(source).with_name(name)
            link.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, link)
    return root


def measure(side: str, config: Path, args: argparse.Namespace) -> tuple[Run, int]:
    """Evaluate once; return what it took, and the bytes of the page."""
    home = (args.before if side == "before" else ROOT).resolve()
    line = [sys.executable, str(home / "tools" / "val.py"), "--config", str(config), "--device", "cpu"]
    line += ["--model_path", str(config.with_name("model.pdparams")), *SIDES[side]]
    with tempfile.TemporaryDirectory() as results:
        used = run_tool(line, home, Path(results), args.threads)
        page = Path(results) / "report" / "report.html"
        return used, page.stat().st_size if page.exists() else 0


def row(side: str, used: list[tuple[Run, int]], first: list[tuple[Run, int]]) -> str:
    """Return the table's row of a side."""
    wall, cpu = ([getattr(own, name) for own, _ in used] for name in ("seconds", "cpu_seconds"))
    shares = [
        [getattr(own, name) / getattr(other, name) for (own, _), (other, _) in zip(used, first)]
        for name in ("seconds", "cpu_seconds")
    ]
    times = (f"{median(own):.1f} ({min(own):.1f} to {max(own):.1f})" for own in (wall, cpu))
    ratios = (f"{median(own):.3f} ({min(own):.3f} to {max(own):.3f})" for own in shares)
    peak, page = max(own.peak for own, _ in used), max(size for _, size in used)
    return f"| {side} | {' | '.join([*times, *ratios])} | {peak / 1e6:.0f} | {page / 1e6:.1f} |"


def main() -> None:
    """Measure the chosen sides and print a table."""
    parser = report.parser(__doc__, "report.md")
    report.add_before_flag(parser)
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=["plain", "report"])
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--scenes", type=int, default=6, help="different images")
    parser.add_argument("--rounds", type=int, default=2, help="turns of every side")
    parser.add_argument("--network", choices=NETWORKS, default="LPSNet-M")
    parser.add_argument("--size", nargs=2, type=int, default=[2048, 1024], metavar=("W", "H"), help="pixels")
    parser.add_argument("--threads", type=int, default=2, help="OMP_NUM_THREADS of every side")
    args = parser.parse_args()
    if "before" in args.sides and not args.before:
        parser.error("--sides before needs --before")
    used: dict[str, list[tuple[Run, int]]] = {side: [] for side in args.sides}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        roots = {
            count: draw_set(folder / str(count), min(args.scenes, count), count, tuple(args.size))
            for count in (1, args.images)
        }
        case = write_case(folder, args.network, roots)
        for side in args.sides:
            measure(side, case / "config1.yml", args)  # exports the network, once
        for number in tqdm(range(args.rounds)):
            for side in args.sides[:: -1 if number % 2 else 1]:
                used[side].append(measure(side, case / f"config{args.images}.yml", args))
    page = [
        "# What a report costs",
        "",
        f"{report.circumstances()}. `python benchmarks/bench_report.py`, tools/val.py on {args.network}, "
        f"{args.images} images of {'x'.join(map(str, args.size))}, OMP_NUM_THREADS={args.threads}, "
        f"{args.rounds} rounds in which the sides take turns; medians with least and most, and by the first "
        "side's of the same round.",
        "",
        "| side | seconds | CPU seconds | times | CPU times | peak, MB | page, MB |",
        "| --- " * 7 + "|",
        *(row(side, used[side], used[args.sides[0]]) for side in args.sides),
    ]
    report.save("\n".join(page) + "\n", args.output)


if __name__ == "__main__":
    main()
