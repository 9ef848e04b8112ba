"""Evaluate weights on the val_dataset of a config: IoU, precision, recall and F1 of each class, and means.

  %(prog)s --config C.yml --model_path output/best_model/model.pdparams
  %(prog)s --config C.yml --model_path M --aug_eval --scales 0.75 1.0 1.25 --flip_horizontal
  %(prog)s --config C.yml --model_path M --is_slide --crop_size 1024 512 --stride 768 384

  %(prog)s --config C.yml --model_path M --report output/report --compare before/evaluation.json

--json keeps the numbers, and how they were measured: data, inference, runtime, weights' hash, versions.
--metrics names what else is measured (docs/evaluation.md has the definitions):

  intervals    95 %% intervals of mIoU and of each IoU, by a bootstrap over images
  boundary     boundary IoU
  trimap       IoU near the borders of classes
  size         IoU of small, medium and large objects
  rows         IoU in bands from the image's top to its bottom
  calibration  calibration error and reliability curve
  cityscapes   the scores of Cityscapes' benchmark: iIoU and categories too

Flags win over the config's test_config, one by one; where neither says a thing, --aug_eval means scale 1.0
and no flip.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paddleseg_lite.cli import flags
from paddleseg_lite.config import Config
from paddleseg_lite.files import atomic_write
from paddleseg_lite.printable import say

if TYPE_CHECKING:
    from paddleseg_lite.datasets.base import SegmentationDataset
    from paddleseg_lite.metrics import Metric


def add_flags(parser: argparse.ArgumentParser) -> None:
    flags.add_config(parser, is_required=False)
    parser.set_defaults(data=("val_dataset",))
    flags.add_device(parser)
    flags.add_model_path(parser)
    parser.add_argument("--batch_size", type=int, default=1, help="images in a forward pass; default 1")
    parser.add_argument(
        "--num_workers", type=int, default=0, help="processes that read images; 0: none; default 0"
    )
    parser.add_argument("--metrics", nargs="+", default=[], metavar="NAME", help="also measure, see above")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there as well")
    text = "write a page to look at there, with its numbers and pictures"
    parser.add_argument("--report", type=Path, metavar="DIR", help=text)
    text = "compare with another one: its report's evaluation.json, or --json with the intervals"
    parser.add_argument("--compare", type=Path, metavar="OTHER.json", help=text)
    text = "write the file there that Cityscapes' own evaluation writes; implies --metrics cityscapes"
    parser.add_argument("--save_cityscapes_json", type=Path, metavar="FILE", help=text)
    flags.add_backend(parser)
    flags.add_inference(parser, "--aug_eval")


def work(args: argparse.Namespace) -> None:
    from paddleseg_lite import parallel
    from paddleseg_lite.checkpoint import load_weights
    from paddleseg_lite.config.build import Plan
    from paddleseg_lite.deploy.backend import build_runtime
    from paddleseg_lite.deploy.fingerprint import hash_tensors
    from paddleseg_lite.deploy.runtimes import share_arena
    from paddleseg_lite.engine.protocol import protocol, protocol_lines
    from paddleseg_lite.inference.cityscapes_scores import CityscapesScores
    from paddleseg_lite.inference.evaluate import evaluate
    from paddleseg_lite.inference.stages import Stages
    from paddleseg_lite.report.compare import compare
    from paddleseg_lite.report.gallery import Gallery

    plan = Plan(args.config)
    inference = flags.inference_options(args, plan)
    dataset = plan.dataset("val_dataset")
    other = _other_evaluation(args, dataset)
    chosen = _chosen_metrics(args, dataset)
    gallery = Gallery(dataset.classes, dataset.ignore_index)
    stages = Stages(is_exact=args.report is not None)
    if parallel.is_main():
        say(dataset.describe())
    model = plan.model(pretrained=False)
    report = load_weights(model, args.model_path)
    weights_sha256 = hash_tensors(model.state_dict())
    share_arena()
    network = build_runtime(model, args.backend, dataset.in_channels)
    seen = [*chosen, gallery] if args.report else chosen
    scores = evaluate(
        network, dataset, inference, args.batch_size, args.num_workers, metrics=seen, stages=stages
    )
    if not parallel.is_main():
        return
    settings = plan.config.section("val_dataset")
    weights = (args.model_path, weights_sha256)
    facts = protocol(dataset, inference, network, *weights, plan.config.path, settings)
    say(f"{args.model_path}: {report}", *scores.table().split("\n"))
    for metric in chosen:
        say(*metric.lines())
        if args.save_cityscapes_json and isinstance(metric, CityscapesScores):
            atomic_write(args.save_cityscapes_json, metric.as_cityscapes())
            say(f"Cityscapes' result file in {args.save_cityscapes_json}")
    say(*protocol_lines(facts), f"[EVAL] #Images: {len(dataset)} {scores.summary()}")
    results = {metric.name: metric.result() for metric in chosen}
    counts = {"confusion": scores.confusion.tolist()}
    content = {"protocol": facts, "scores": {**scores.as_dict(), **counts}, "metrics": results}
    if args.json:
        atomic_write(args.json, json.dumps(content, allow_nan=False) + "\n")
        say(f"numbers in {args.json}")
    comparison = compare(content, other, str(args.compare)) if other else None
    if comparison:
        say(*comparison.lines())
    if args.report:
        from paddleseg_lite.report.write import Source, write_report  # only now: it takes matplotlib's 30 MB

        source = Source(gallery, lambda index: dataset.reader(index)[0], dataset.palette)
        record = {**content, "times": stages.means()}
        say(f"report in {write_report(args.report, record, source, comparison)}")


def _chosen_metrics(args: argparse.Namespace, dataset: SegmentationDataset) -> list[Metric]:
    """Return what --metrics names, and what other flags need."""
    from paddleseg_lite.inference.cityscapes_scores import CityscapesScores
    from paddleseg_lite.metrics import METRICS, make_metrics

    names = args.metrics
    if args.report:
        from paddleseg_lite.report.page import SHOWN_METRICS, check_installed

        check_installed()
        names = names or SHOWN_METRICS
    needed = {"cityscapes": args.save_cityscapes_json, "intervals": args.report or args.compare}
    names = [*names, *(name for name, flag in needed.items() if flag)]
    known: dict[str, type[Metric]] = {**METRICS, "cityscapes": CityscapesScores}
    return make_metrics(names, dataset.classes, dataset.ignore_index, known)


def _other_evaluation(args: argparse.Namespace, dataset: SegmentationDataset) -> dict[str, Any] | None:
    """Return what --compare names, if it is of the same images, which is known before an evaluation."""
    from paddleseg_lite.report.compare import check_same_images, read_evaluation

    if not args.compare:
        return None
    other = read_evaluation(args.compare)
    check_same_images(other, dataset.classes, [path for path, _ in dataset.pairs], str(args.compare))
    return other


def report_of_run(config: Config, save_dir: Path, weights_format: str, num_workers: int) -> None:
    """Evaluate the best weights of a training run, on all its ranks, and write a report into its folder."""
    parser = argparse.ArgumentParser()
    add_flags(parser)
    weights = save_dir / "best_model" / f"model.{weights_format}"
    given = ["--config", "", "--model_path", str(weights), "--report", str(save_dir / "report")]
    args = parser.parse_args([*given, "--num_workers", str(num_workers)])
    args.config = config
    work(args)
