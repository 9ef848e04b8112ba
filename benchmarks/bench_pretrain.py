"""Does pretraining on crops start segmentation better than random weights? LPSNet-S on CamVid, on a CPU.

  python benchmarks/bench_pretrain.py --camvid data/camvid --seeds 0 1 2

For each seed: LPSNet-S is pretrained on crops (configs/lpsnet/lpsnet_s_crops_64_6e.yml), then trained on
CamVid from these weights, and from random ones with the same seed, data and rates, and evaluated at equal
iterations. StreetScenes and the crops are made if they are not there. One process at a time; killed, the same
command goes on where it was. Writes the table into docs/benchmarks/pretraining.md.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import report

from paddleseg_lite.engine.curves import EVALUATE, read_metrics
from paddleseg_lite.engine.run_logger import METRICS

ROOT = report.ROOT
PRETRAINING = "configs/lpsnet/lpsnet_s_crops_64_6e.yml"
SEGMENTATION = "configs/camvid/lpsnet_s_camvid_480x352_1k.yml"
STARTS = {"random": "random weights", "pretrained": "pretrained on crops"}


def run(*command: object) -> None:
    """Run a Python script of the repository to its end; end with its exit code if it fails."""
    words = [str(word) for word in command]
    print("$ python", *words, flush=True)
    if code := subprocess.run([sys.executable, *words], cwd=ROOT).returncode:
        sys.exit(code)


def evaluations(folder: Path) -> list[dict[str, Any]]:
    """Return the evaluations of a run."""
    return read_metrics(folder / METRICS)[EVALUATE]


def make_data(args: argparse.Namespace) -> None:
    """Draw StreetScenes and cut crops, unless that was done before."""
    if not args.streetscenes.exists():
        run("tools/make_streetscenes.py", "--save_dir", args.streetscenes)
    if not args.crops.exists():
        made = args.crops.with_name(args.crops.name + ".part")  # half of them must not be taken for all
        sources = ("--camvid", args.camvid, "--streetscenes", args.streetscenes)
        run("benchmarks/make_crops.py", "--save_dir", made, *sources)
        made.rename(args.crops)


def train(args: argparse.Namespace, seed: int) -> None:
    """Pretrain, and train from both starts, each to its end."""
    flags = (
        "--device",
        "cpu",
        "--do_eval",
        "--seed",
        seed,
        "--resume_model",
        "auto",
        "--keep_checkpoint_max",
        1,
    )
    folder = args.work / f"crops_{seed}"
    roots = [f"{mode}_dataset.image_root={args.crops / mode}" for mode in ("train", "val")]
    run(
        "tools/pretrain.py",
        "--config",
        PRETRAINING,
        *flags,
        "--save_dir",
        folder,
        "--save_interval",
        300,
        "--opts",
        *roots,
    )
    weights = f"model.pretrained={folder / 'best_model' / 'model.pdparams'}"
    roots = [f"{mode}_dataset.dataset_root={args.camvid}" for mode in ("train", "val")]
    for start, opts in (("random", []), ("pretrained", [weights])):
        flags_of_run = ("--save_dir", args.work / f"{start}_{seed}", "--save_interval", args.interval)
        own = ("--config", SEGMENTATION, "--iters", args.iters, "--log_iters", 50)
        run("tools/train.py", *own, *flags, *flags_of_run, "--opts", *roots, *opts)


def table(args: argparse.Namespace) -> list[str]:
    """Return the rows: mIoU of each seed and their mean, at equal iterations."""
    iterations = range(args.interval, args.iters + 1, args.interval)
    lines = [f"| start | seed | {' | '.join(f'mIoU at {n}' for n in iterations)} |"]
    lines.append("| --- " * (2 + len(iterations)) + "|")
    scores: dict[str, list[list[float]]] = {}
    for start, name in STARTS.items():
        for seed in args.seeds:
            found = {
                line["iteration"]: 100 * line["miou"] for line in evaluations(args.work / f"{start}_{seed}")
            }
            scores.setdefault(start, []).append([found[n] for n in iterations])
            lines.append(f"| {name} | {seed} | {' | '.join(f'{found[n]:.2f}' for n in iterations)} |")
    gains = [
        [after - before for before, after in zip(*pair)]
        for pair in zip(scores["random"], scores["pretrained"])
    ]
    for name, rows in (
        (STARTS["random"], scores["random"]),
        (STARTS["pretrained"], scores["pretrained"]),
        ("gain", gains),
    ):
        cells = [report.mean_of(column) for column in zip(*rows)]
        lines.append(f"| {name} | mean | {' | '.join(cells)} |")
    return lines


def main() -> None:
    """Train all, and write the page."""
    parser = report.parser(__doc__, "pretraining.md")
    add = parser.add_argument
    for name in ("camvid", "streetscenes", "crops"):
        add(f"--{name}", type=Path, default=Path("data") / name, help=f"default data/{name}")
    add("--work", type=Path, default=Path("output/bench_pretrain"), help="folder of the runs")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default 0 1 2")
    add("--iters", type=int, default=500, help="of segmentation; default 500")
    add("--interval", type=int, default=125, help="iterations between evaluations; default 125")
    args = parser.parse_args()
    for name in ("camvid", "streetscenes", "crops", "work"):
        setattr(args, name, getattr(args, name).absolute())
    make_data(args)
    for seed in args.seeds:
        train(args, seed)
    scored = [evaluations(args.work / f"crops_{seed}") for seed in args.seeds]
    best = [max(100 * line["top1"] for line in lines) for lines in scored]
    pretrained = ", ".join(f"{top1:.1f}" for top1 in best)
    page = [
        "# Does pretraining on crops help segmentation?",
        "",
        f"{report.circumstances()}. LPSNet-S on CamVid, 480x352, batch 4, {args.iters} iterations.",
        "",
        f"`python benchmarks/bench_pretrain.py --seeds {' '.join(map(str, args.seeds))}`",
        "",
        f"Pretraining: {scored[0][-1]['iteration']} iterations on crops of 64x64, best top-1 on "
        f"{scored[0][-1]['images']} crops of validation images, by seed: {pretrained} %. mIoU in percent, "
        "beside each mean the deviation over the seeds.",
        "",
        *table(args),
        "",
    ]
    report.save("\n".join(page), args.output)


if __name__ == "__main__":
    main()
