"""Export trained weights: files of Paddle's inference format and ONNX, which run without this library.

  %(prog)s --config C.yml --model_path M --save_dir output/export --format all
  %(prog)s --config C.yml --model_path M --input_shape 1 3 512 1024 --output_op softmax
  %(prog)s --config C.yml --model_path M --format onnx --quantize int8 --calibration photos

Writes model.json (model.pdmodel with Paddle 2.6), model.pdiparams, model.onnx, and inference.yml, which says
how to prepare an image and what the output means. Every file is compared with the live network first.
"""

import argparse
from pathlib import Path

from paddleseg_lite.cli import flags
from paddleseg_lite.errors import UserError
from paddleseg_lite.printable import say


def add_flags(parser: argparse.ArgumentParser) -> None:
    flags.add_config(parser, is_required=False)
    flags.add_device(parser)
    flags.add_model_path(parser)
    add = parser.add_argument
    add("--save_dir", type=Path, default=Path("output/export"), help="default ./output/export")
    add(
        "--input_shape",
        nargs="+",
        type=int,
        metavar="SIDE",
        help="N C H W, -1 for any of N, H, W; default: any N, H and W",
    )
    add("--output_op", default="argmax", help="argmax (class ids), softmax or none (logits); default argmax")
    add("--format", default="paddle", help="paddle, onnx or all; default paddle")
    add("--no_verify", dest="verify", action="store_false", help="do not compare with the live network")
    add("--verify", action="store_true", default=True, help="compare with the live network; the default")
    add("--quantize", choices=["int8"], help="also write model_int8.onnx; needs --format onnx or all")
    add("--calibration", type=Path, help="images to measure ranges on, with --quantize: a folder or a list")


def work(args: argparse.Namespace) -> None:
    from paddleseg_lite.checkpoint import load_weights
    from paddleseg_lite.config.build import Plan
    from paddleseg_lite.deploy.export import ExportOptions, input_shape
    from paddleseg_lite.deploy.quantize import check_images
    from paddleseg_lite.deploy.verified_export import export_verified
    from paddleseg_lite.files import check_utf8
    from paddleseg_lite.predictor import export_metadata
    from paddleseg_lite.visualize import to_rgb

    if args.quantize and (args.calibration is None or args.format == "paddle"):
        raise UserError("--quantize needs --calibration DIR and --format onnx or all")
    if args.calibration is not None and not args.quantize:
        raise UserError("--calibration does nothing by itself; add --quantize int8")
    check_utf8(args.save_dir, "Paddle")
    plan = Plan(args.config)
    card = export_metadata(plan)
    if args.calibration is not None:  # before the work, and before an earlier export is replaced
        check_images(args.calibration, card.data.in_channels, plan.separator("val_dataset"))
    options = ExportOptions(input_shape(args.input_shape, card.data.in_channels), args.output_op, args.format)
    model = plan.model(pretrained=False)
    load_weights(model, args.model_path)
    try:
        dataset = plan.dataset("val_dataset")
    except UserError as error:  # an export needs no data; it is then compared on drawn images alone
        say(f"going on without val_dataset: {error}")
        dataset = None
    count = 0 if dataset is None else min(2, len(dataset))
    pictures = [to_rgb(dataset.reader(index)[0]) for index in range(count)] if dataset else []
    files, findings = export_verified(model, args.save_dir, card, options, args.verify, pictures)
    say(*findings)
    if args.quantize:
        from paddleseg_lite.deploy.quantize import quantize

        report = quantize(args.save_dir, args.calibration, dataset, separator=plan.separator("val_dataset"))
        say(*report.text().split("\n"))
        files.append(report.path)
    say("wrote " + ", ".join(str(path) for path in files))
