"""Is what a search has found worth it? A network of its frontier beside LPSNet-S, trained at full length.

  OMP_NUM_THREADS=1 python benchmarks/bench_found.py --search output/search_camvid --network NAME

Three sides: LPSNet-S and the network at the size of the search, and the network at the largest multiple of
that size (by eighths) at which it is no slower than LPSNet-S, with crops and scales as much larger. Latencies
are measured first, by ONNX Runtime, as a search does it, on an otherwise idle machine. Then all seeds are
trained; killed, the same command goes on where it was. Writes docs/benchmarks/found.md.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import report

from paddleseg_lite.config import load_config
from paddleseg_lite.engine.curves import EVALUATE, read_metrics
from paddleseg_lite.engine.run_logger import METRICS
from paddleseg_lite.kernels.threads import thread_count
from paddleseg_lite.printable import counted
from paddleseg_lite.scaling.latency import measure

BASE = "configs/camvid/lpsnet_scale_camvid_240x176.yml"  # its network is LPSNet-S
SIZE, STEP = (240, 176), 8  # width, height; sizes are tried by eighths of it
RUNTIME = report.version("onnxruntime")
SCALES = (0.375, 0.75, 0.125)  # of ResizeStepScaling in that config


@dataclass(frozen=True)
class Side:
    """A network at a size: its name, config, overrides and width and height."""

    name: str
    config: str
    opts: tuple[str, ...]
    size: tuple[int, int]

    def latency(self) -> float:
        """Return the milliseconds of an image."""
        return median(measure(load_config(self.config, list(self.opts)), "onnxruntime", self.size))


def side(name: str, config: str, roots: list[str], eighths: int) -> Side:
    """Return a network at so many eighths of the size of the search."""
    size = (SIZE[0] * eighths // STEP, SIZE[1] * eighths // STEP)
    least, most, step = (scale * eighths / STEP for scale in SCALES)
    opts = [
        f"train_dataset.transforms.0.min_scale_factor={least}",
        f"train_dataset.transforms.0.max_scale_factor={most}",
        f"train_dataset.transforms.0.scale_step_size={step}",
        f"train_dataset.transforms.1.crop_size={list(size)}",
        f"val_dataset.transforms.0.target_size={list(size)}",
    ]
    return Side(name, config, tuple(roots + opts), size)


def sides(args: argparse.Namespace) -> list[tuple[Side, float]]:
    """Return what is compared, with latencies, which are kept in a file."""
    roots = [f"{mode}_dataset.dataset_root={args.camvid}" for mode in ("train", "val")]
    found = str(args.search / "frontier" / f"{args.network}.yml")
    kept = args.work / "latency.json"
    times: dict[str, float] = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}

    def timed(own: Side) -> tuple[Side, float]:
        key = f"{own.name} {own.size}, {RUNTIME}, {thread_count()} threads"
        if key not in times:
            times[key] = own.latency()
            print(f"{key}: {times[key]:.3f} ms", flush=True)
            kept.write_text(json.dumps(times), encoding="utf-8")
        return own, times[key]

    reference = timed(side("LPSNet-S", BASE, roots, STEP))
    network = timed(side(args.network, found, roots, STEP))
    larger = network
    for eighths in range(STEP + 1, 4 * STEP):
        tried = timed(side(args.network, found, roots, eighths))
        if tried[1] > reference[1]:
            break
        larger = tried
    return [reference, network, larger] if larger is not network else [reference, network]


def train(args: argparse.Namespace, own: Side, seed: int) -> float:
    """Train to the end, and return mIoU in percent then."""
    folder = args.work / f"{own.name}_{own.size[0]}x{own.size[1]}_{seed}"
    line = [sys.executable, str(report.ROOT / "tools/train.py"), "--config", own.config, "--seed", str(seed)]
    line += ["--iters", str(args.iters), "--save_interval", str(args.iters), "--do_eval", "--device", "cpu"]
    line += ["--save_dir", str(folder), "--resume_model", "auto", "--keep_checkpoint_max", "1"]
    print("$", shlex.join(line), flush=True)
    report.run_tool([*line, "--opts", *own.opts], report.ROOT, report.ROOT, 1)
    miou = 100 * float(read_metrics(folder / METRICS)[EVALUATE][-1]["miou"])
    print(f"{folder.name}: {miou:.2f}", flush=True)
    return miou


def train_all(args: argparse.Namespace, compared: Sequence[Side]) -> dict[tuple[Side, int], float]:
    """Return mIoU by side and seed; Ctrl-C or a training that fails lets no other one begin."""
    runs = [(own, seed) for own in compared for seed in args.seeds]
    return dict(zip(runs, report.train_all(lambda run: train(args, *run), runs, args.jobs)))


def main() -> None:
    """Measure, train all, and write the page."""
    parser = report.parser(__doc__, "found.md")
    add = parser.add_argument
    add("--search", type=Path, default=Path("output/search_camvid"), help="folder of the search")
    add("--network", required=True, help="of its frontier")
    add("--camvid", type=Path, default=Path("data/camvid"), help="default data/camvid")
    add("--work", type=Path, default=Path("output/bench_found"), help="folder of the runs")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default 0 1 2")
    add("--iters", type=int, default=2000, help="default 2000")
    add("--jobs", type=int, default=2, help="trainings at a time, of one thread each; default 2")
    args = parser.parse_args()
    for name in ("search", "camvid", "work"):
        setattr(args, name, getattr(args, name).absolute())
    args.work.mkdir(parents=True, exist_ok=True)
    compared = sides(args)
    scores = train_all(args, [own for own, _ in compared])
    rows = []
    for own, milliseconds in compared:
        found = [scores[own, seed] for seed in args.seeds]
        by_seed = ", ".join(f"{miou:.2f}" for miou in found)
        size = f"{own.size[0]}x{own.size[1]}"
        rows.append(f"| {own.name} | {size} | {milliseconds:.2f} | {by_seed} | {report.mean_of(found)} |")
    page = [
        "# What a search has found, beside LPSNet-S",
        "",
        f"{report.circumstances()}. CamVid, {args.iters} iterations of batch 8 from random weights; mIoU "
        f"at the end, in percent, of 101 validation images; latencies by {RUNTIME} with "
        f"{counted(thread_count(), 'thread')}.",
        "",
        f"`OMP_NUM_THREADS={thread_count()} python benchmarks/bench_found.py --network {args.network} "
        f"--seeds {' '.join(map(str, args.seeds))} --iters {args.iters}`",
        "",
        "| network | image | ms | mIoU by seed | mean |",
        "| --- | --- | --- | --- | --- |",
        *rows,
        "",
    ]
    report.save("\n".join(page), args.output)


if __name__ == "__main__":
    main()
