"""Time tools/val.py and tools/predict.py beside PaddleSeg's, as a user types them, on the CPU.

  python benchmarks/bench_inference.py --peer ../PaddleSeg --peer_python ../PaddleSeg/.venv/bin/python

Draws 2048x1024 road scenes into Cityscapes' folders and saves random weights that both sides load. Every
measurement is a process of its own, once with few and once with many images (ours with three times as many):
the difference is the time of an image, from its file to the confusion matrix or to the result's file, without
start and export. The sides take turns, so that a slow moment of the machine hits both. Reported are medians
with their spread, and the peak of resident memory. PaddleSeg is needed as a checkout at its repository's
head, with a Python in which it runs and Paddle of our version. The last table compares exports with the bare
network in ONNX Runtime. Linux only.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import paddle
import report
import yaml
from report import ROOT
from tqdm import tqdm

from demo.streetscenes.files import claim_folder, write_scene
from paddleseg_lite.checkpoint import save_weights
from paddleseg_lite.config import load_config
from paddleseg_lite.config.build import Plan
from paddleseg_lite.config.zoo import config_path
from paddleseg_lite.datasets import Cityscapes
from paddleseg_lite.deploy.backend import build_runtime
from paddleseg_lite.deploy.export import ExportOptions, export
from paddleseg_lite.deploy.runtimes import OnnxRuntime
from paddleseg_lite.inference.augment import PLAIN, infer_labels
from paddleseg_lite.predictor import export_metadata

NETWORKS = {
    "LRASPP os8": "lraspp_mobilenetv3_cityscapes_1024x512_80k",
    "LRASPP os32": "lraspp_mobilenetv3_cityscapes_1024x512_80k_os32",
    "LPSNet-M": "lpsnet_m_cityscapes_1536x768_200k",
}
COMMANDS = {
    "val": ["tools/val.py"],
    "val, flip": ["tools/val.py", "--aug_eval", "--flip_horizontal"],
    "predict": ["tools/predict.py"],
}
SIDES = ("ours", "PaddleSeg")
BEFORE = "before"  # with --before


def draw_data(folder: Path, count: int, size: tuple[int, int]) -> Path:
    """Draw `count` scenes, with labels of train ids as PaddleSeg wants them."""
    root = folder / f"data{count}"
    claim_folder(root, 0, *size)
    for number in range(count):
        write_scene(root, "val", number, 0, *size)
    dataset = Cityscapes([], root, "val")
    for index, (_, label) in enumerate(dataset.pairs):
        ids = dataset.reader(index)[1]
        cv2.imwrite(str(label).replace("labelIds", "labelTrainIds"), np.asarray(ids))
    return root


def write_case(folder: Path, name: str, roots: dict[int, Path]) -> Path:
    """Write a network's random weights, and a config for each number of images, which both sides read."""
    config = load_config(config_path(NETWORKS[name]))
    paddle.seed(0)
    model = Plan(config).model(pretrained=False)
    model.train()
    for layer in model.sublayers():
        if isinstance(layer, paddle.nn.BatchNorm2D):  # statistics that fit the weights, as after training
            layer._momentum = 0.0
    with paddle.no_grad():
        model(paddle.randn([1, 3, 512, 512]))
    case = folder / name.replace(" ", "_")
    save_weights(model, case)
    for count, root in roots.items():
        values = {key: config.section(key) for key in config.values}
        values["model"].pop("pretrained", None)
        if "backbone" in values["model"]:
            values["model"]["backbone"].pop("pretrained", None)
        for section in ("train_dataset", "val_dataset"):
            values[section]["dataset_root"] = str(root)
        (case / f"config{count}.yml").write_text(yaml.safe_dump(values), encoding="utf-8")
    return case


def run(
    side: str, command: str, case: Path, count: int, root: Path, args: argparse.Namespace
) -> tuple[float, int]:
    """Run a tool; return its seconds and the peak of resident memory in bytes."""
    is_peer = side == "PaddleSeg"
    home = (args.peer if is_peer else args.before if side == BEFORE else ROOT).resolve()
    tool, *flags = COMMANDS[command]
    line = [str(args.peer_python) if is_peer else sys.executable, str(home / tool), *flags]
    line += ["--config", str(case / f"config{count}.yml"), "--model_path", str(case / "model.pdparams")]
    line += ["--device", "cpu"]
    with tempfile.TemporaryDirectory() as results:
        if command == "predict":
            line += ["--image_path", str(root / "leftImg8bit" / "val"), "--save_dir", results]
        used = report.run_tool(line, home, Path(results), args.threads)
    return used.seconds, used.peak


def measure(command: str, case: Path, roots: dict[int, Path], args: argparse.Namespace) -> dict[str, tuple]:
    """Return for each side the seconds per image of every round, and the peak of memory."""
    few, many, more = sorted(roots)
    sides = (*SIDES, BEFORE) if args.before else SIDES
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    peaks = dict.fromkeys(sides, 0)
    for side in sides:
        if side != "PaddleSeg":
            run(side, command, case, few, roots[few], args)  # exports the network, once
    for _ in tqdm(range(args.rounds), desc=f"{case.name} {command}"):
        for side in sides:
            most = (
                many if side == "PaddleSeg" else more
            )  # as many seconds, or our start would be most of them
            short, _ = run(side, command, case, few, roots[few], args)
            long, peak = run(side, command, case, most, roots[most], args)
            seconds[side].append((long - short) / (most - few))
            peaks[side] = max(peaks[side], peak)
    return {side: (seconds[side], peaks[side]) for side in sides}


def exported_seconds(name: str, size: tuple[int, int], rounds: int) -> list[float]:
    """Return the median seconds for one image in ONNX Runtime, with random weights, rounds taking turns.

    They are: the bare network, image to logits; its export by tools/export.py, image to labels; and
    `--backend onnxruntime`, image to labels.
    """
    paddle.seed(0)
    plan = Plan(load_config(config_path(NETWORKS[name])))
    model = plan.model(pretrained=False)
    runtime = build_runtime(model, "onnxruntime")
    with tempfile.TemporaryDirectory() as folder:
        networks = []
        for op in ("none", "argmax"):
            options = ExportOptions(output_op=op, format="onnx")
            export(model, Path(folder) / op, export_metadata(plan), options)
            networks.append(OnnxRuntime(Path(folder) / op / "model.onnx"))
    image = np.random.default_rng(0).standard_normal((1, 3, size[1], size[0])).astype(np.float32)
    works = [partial(network, image) for network in networks]
    works.append(partial(infer_labels, runtime, image, PLAIN))
    seconds: list[list[float]] = [[] for _ in works]
    for _ in range(rounds + 1):  # the first one warms up
        for work, found in zip(works, seconds):
            start = time.perf_counter()
            work()
            found.append(time.perf_counter() - start)
    return [median(found[1:]) for found in seconds]


def main() -> None:
    """Measure the chosen cases and write the page."""
    parser = report.parser(__doc__, "inference.md")
    report.add_peer_flags(parser)
    report.add_before_flag(parser)
    parser.add_argument("--rounds", type=int, default=3, help="turns of every side")
    parser.add_argument("--runs", type=int, default=10, help="runs of each export, of the last table")
    parser.add_argument(
        "--images", nargs=2, type=int, default=[2, 6], metavar=("FEW", "MANY"), help="of a run"
    )
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--commands", nargs="+", choices=COMMANDS, default=list(COMMANDS))
    parser.add_argument("--size", nargs=2, type=int, default=[2048, 1024], metavar=("W", "H"), help="pixels")
    parser.add_argument("--threads", type=int, default=2, help="OMP_NUM_THREADS of every side")
    args = parser.parse_args()
    rows, exported = [], []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        counts = [*args.images, 3 * args.images[1]]
        roots = {count: draw_data(folder, count, tuple(args.size)) for count in counts}
        for name in args.networks:
            case = write_case(folder, name, roots)
            for command in args.commands:
                found = measure(command, case, roots, args)
                (ours, our_peak), (peers, peer_peak) = found["ours"], found["PaddleSeg"]
                rows.append(
                    f"| {name} | {command} | {median(ours):.3f} ({min(ours):.3f} to {max(ours):.3f}) "
                    f"| {median(peers):.3f} ({min(peers):.3f} to {max(peers):.3f}) "
                    f"| {median(peers) / median(ours):.1f} | {our_peak / 1e6:.0f} | {peer_peak / 1e6:.0f} "
                    f"| {our_peak / peer_peak:.2f} |{_before_cells(found)}"
                )
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    for name in args.networks:
        bare, *others = exported_seconds(name, tuple(args.size), args.runs)
        shown = " | ".join(f"{found:.3f} | {found / bare:.2f}" for found in others)
        exported.append(f"| {name} | {bare:.3f} | {shown} |")
    report.save(_page(args, rows, exported), args.output)


def _before_cells(found: dict[str, tuple]) -> str:
    if BEFORE not in found:
        return ""
    seconds, peak = found[BEFORE]
    return f" {median(seconds):.3f} ({min(seconds):.3f} to {max(seconds):.3f}) | {peak / 1e6:.0f} |"


def _page(args: argparse.Namespace, rows: list[str], exported: list[str]) -> str:
    width, height = args.size
    lines = [
        "# Inference beside PaddleSeg on a CPU",
        "",
        f"{report.circumstances()}, {report.version('isal')}; {width}x{height}, "
        f"OMP_NUM_THREADS={args.threads}, {args.rounds} rounds "
        "in which the sides take turns. Ours runs with `--backend auto`.",
        "",
        f"`python benchmarks/bench_inference.py --peer PATH --peer_python PY --rounds {args.rounds} "
        f"--images {args.images[0]} {args.images[1]}{' --before PATH' if args.before else ''}`",
        "",
        "| network | tool | ours, s an image | PaddleSeg, s an image | times as fast | peak, MB "
        f"| PaddleSeg's peak, MB | ratio |{' before, s an image | before, peak MB |' if args.before else ''}",
        f"{'| --- ' * (10 if args.before else 8)}|",
        *rows,
        "",
        "In ONNX Runtime: the bare network, image to logits; `tools/export.py --format onnx`, image to "
        f"labels; and `--backend onnxruntime`, image to labels. Medians of {args.runs} runs that take turns.",
        "",
        "| network | bare, s | exported, s | / bare | backend, s | / bare |",
        "| --- | --- | --- | --- | --- | --- |",
        *exported,
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
