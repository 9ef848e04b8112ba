"""Compare what a network is trained from: random weights, or weights from elsewhere, at equal iterations.

    python benchmarks/bench_start.py --work output/start

LPSNet-S learns StreetScenes (drawn road scenes, 19 classes) from 30 and from 300 scenes, from random weights
and from `zoo:lpsnet_s_camvid`, whose classifier is left out; scored on the same 40 other scenes. Each start
has both learning rates and each seed. Every run is `tools/train.py` in a folder of its own below --work; what
is there is not trained again, and an interrupted run goes on. Each of --jobs runs takes one core.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

import report
from report import ROOT

from paddleseg_lite.engine.curves import EVALUATE, read_metrics
from paddleseg_lite.engine.run_logger import METRICS

CONFIG = """\
# Recipe and augmentation of the weights in the box, on another data set.
_base_: {base}
batch_size: 4
iters: {iters}
train_dataset: &data
  type: Cityscapes
  dataset_root: {root}
  transforms:
    - type: ResizeStepScaling
      min_scale_factor: 0.5
      max_scale_factor: 2.0
      scale_step_size: 0.25
    - type: RandomPaddingCrop
      crop_size: [512, 256]
    - type: RandomHorizontalFlip
    - type: RandomDistort
    - type: Normalize
val_dataset:
  <<: *data
  mode: val
  transforms:
    - type: Normalize
"""
RANDOM = "random"
EVALUATIONS = 4  # of each run, at equal distances


@dataclass(frozen=True)
class Run:
    """One training: on so many scenes, from a start, at a learning rate, with a seed."""

    scenes: int
    start: str
    rate: float
    seed: int

    @property
    def name(self) -> str:
        """The run's folder."""
        return f"{self.scenes}_{self.start.rpartition(':')[2]}_{self.rate}_{self.seed}"


def train(run: Run, args: argparse.Namespace) -> list[float]:
    """Do a run, or what is left of it; return the mIoU of each evaluation."""
    root, folder = args.work / f"scenes_{run.scenes}", args.work / run.name
    config = args.work / f"scenes_{run.scenes}.yml"
    found = evaluations(folder)
    if len(found) < EVALUATIONS:
        command = [sys.executable, ROOT / "tools" / "train.py", "--config", config, "--save_dir", folder]
        command += ["--do_eval", "--resume_model", "auto", "--seed", run.seed]
        command += ["--save_interval", args.iters // EVALUATIONS, "--keep_checkpoint_max", 1]
        command += ["--opts", f"train_dataset.dataset_root={root}", f"val_dataset.dataset_root={root}"]
        command += [f"lr_scheduler.learning_rate={run.rate}"]
        if run.start != RANDOM:
            command.append(f"model.pretrained={run.start}")
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        done = subprocess.run([str(x) for x in command], env=environment, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{run.name}: {done.stderr}")
        found = evaluations(folder)
    return found


def evaluations(folder: Path) -> list[float]:
    """Return the mIoU of each evaluation of a run, in percent."""
    file = folder / METRICS
    found = read_metrics(file).get(EVALUATE, []) if file.exists() else []
    return [100 * record["miou"] for record in found]


def draw_scenes(args: argparse.Namespace) -> None:
    """Draw the data sets, and write a config for each."""
    base = ROOT / "configs" / "camvid" / "lpsnet_s_camvid_480x352_16k.yml"
    for scenes in args.scenes:
        root = args.work / f"scenes_{scenes}"
        command = [sys.executable, ROOT / "tools" / "make_streetscenes.py", "--save_dir", root]
        subprocess.run([*command, "--train", str(scenes), "--val", "40"], check=True, capture_output=True)
        text = CONFIG.format(base=base, root=root, iters=args.iters)
        root.with_suffix(".yml").write_text(text, encoding="utf-8")


def page(results: dict[Run, list[float]], args: argparse.Namespace) -> str:
    """Return the tables."""
    lines = [
        "# What a start from the weights in the box gives",
        "",
        f"{report.circumstances()}. `python benchmarks/bench_start.py --work output/start`: LPSNet-S on "
        f"StreetScenes, batch 4, 512x256, {args.iters} iterations; mIoU in percent on 40 other scenes, mean "
        "of the seeds and standard deviation.",
        "",
    ]
    steps = [args.iters * (k + 1) // EVALUATIONS for k in range(EVALUATIONS)]
    heads = ["scenes", "start", "learning rate", *(f"at {step}" for step in steps), "each seed at the end"]
    lines.append(f"| {' | '.join(heads)} |")
    lines.append("| --- " * len(heads) + "|")
    groups = itertools.groupby(results, lambda run: (run.scenes, run.start, run.rate))
    for (scenes, start, rate), runs in groups:
        table = list(zip(*(results[run] for run in runs)))
        cells = " | ".join(f"{mean(column):.1f}{spread(column)}" for column in table)
        ends = ", ".join(f"{value:.1f}" for value in table[-1])
        lines.append(f"| {scenes} | {start} | {rate} | {cells} | {ends} |")
    return "\n".join(lines) + "\n"


def spread(values: Sequence[float]) -> str:
    """Return the standard deviation of a few values, as text; of one alone nothing."""
    return f" +- {stdev(values):.1f}" if len(values) > 1 else ""


def all_runs(args: argparse.Namespace) -> Iterator[Run]:
    """Yield the runs in the page's order."""
    for scenes, start, rate, seed in itertools.product(args.scenes, args.starts, args.rates, args.seeds):
        yield Run(scenes, start, rate, seed)


def main() -> None:
    """Train, and write the page."""
    parser = report.parser(__doc__, "start.md")
    parser.add_argument("--work", type=Path, required=True, help="folder of the runs, kept to go on from")
    parser.add_argument("--scenes", type=int, nargs="+", default=[30, 300])
    parser.add_argument("--starts", nargs="+", default=[RANDOM, "zoo:lpsnet_s_camvid"])
    parser.add_argument("--rates", type=float, nargs="+", default=[0.001, 0.004])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--iters", type=int, default=400)
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--done", action="store_true", help="train nothing, write the page of what is done")
    args = parser.parse_args()
    args.work = args.work.resolve()
    args.work.mkdir(parents=True, exist_ok=True)
    draw_scenes(args)
    runs = list(all_runs(args))
    if args.done:
        runs = [run for run in runs if len(evaluations(args.work / run.name)) == EVALUATIONS]
    found = report.train_all(lambda run: train(run, args), runs, args.jobs)
    report.save(page(dict(zip(runs, found)), args), args.output)


if __name__ == "__main__":
    main()
