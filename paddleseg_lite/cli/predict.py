"""Segment images, a video or a camera with trained weights.

  %(prog)s --config C.yml --model_path M --image_path photo.jpg
  %(prog)s --config C.yml --model_path M --image_path folder --aug_pred --flip_horizontal
  %(prog)s --config C.yml --model_path M --image_path drive.mp4
  %(prog)s --model_path zoo:lpsnet_s_camvid --image_path street.jpg --legend

The last one takes weights that come with the package, and their config: streets, by the 11 classes of CamVid.

--image_path is an image, a folder (with its subfolders), a text file with one path in each line, a video file
or a camera's number. --save names what is written of each image, in a folder of --save_dir:

  raw         label_prediction: class ids
  color       pseudo_color_prediction: class ids in their colors
  overlay     added_prediction: the colors over the image
  json        json_prediction: each class's share of the pixels, and polygons with holes
  polygons    polygon_prediction: labelme's files, to be corrected by hand
  confidence  confidence_prediction: the probability of each pixel's class, 0 to 255 for 0 to 1
  cityscapes  cityscapes_prediction: labelIds, as Cityscapes' benchmark takes them

The first three are the default. Polygons leave out regions of fewer than 16 pixels. Of a video its overlay is
written. An image or a frame that cannot be read is told and skipped, and the exit code is then 2. Of the
config's test_config the sliding window counts; scales and flips only with --aug_pred. --resume goes on after
an interruption; Ctrl-C ends a camera's recording.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from paddleseg_lite.cli import flags
from paddleseg_lite.errors import UserError
from paddleseg_lite.printable import counted, say, some

if TYPE_CHECKING:
    from paddleseg_lite.inference.predict import PredictResult
    from paddleseg_lite.inference.video import VideoResult


def add_flags(parser: argparse.ArgumentParser) -> None:
    flags.add_config(parser, is_required=False)
    flags.add_device(parser)
    flags.add_model_path(parser)
    add = parser.add_argument
    add("--image_path", type=Path, required=True, help="image, folder, list of images, video, or camera")
    add("--save_dir", type=Path, default=Path("output/result"), help="default ./output/result")
    add("--save", metavar="KINDS", help="what to write of images, see above; default raw,color,overlay")
    add(
        "--resume",
        action="store_true",
        help="skip images whose results are there, whichever weights made them; keeps corrected polygons",
    )
    add("--custom_color", nargs="+", type=int, metavar="V", help="R G B for each class, 0 to 255")
    add("--legend", action="store_true", help="write the classes below each overlay, or frame of a video")
    flags.add_backend(parser)
    flags.add_inference(parser, "--aug_pred")


def work(args: argparse.Namespace) -> None:
    from paddleseg_lite.checkpoint import load_weights
    from paddleseg_lite.config.build import Plan
    from paddleseg_lite.datasets.reading.lists import find_images
    from paddleseg_lite.deploy.backend import build_runtime
    from paddleseg_lite.deploy.runtimes import share_arena
    from paddleseg_lite.inference.predict import DEFAULT_RESULTS, predict, result_folders
    from paddleseg_lite.inference.segmentation import check_kinds
    from paddleseg_lite.inference.video import is_video, predict_video
    from paddleseg_lite.visualize import custom_palette

    plan = Plan(args.config)
    inference = flags.inference_options(args, plan, predicts=True)
    save = DEFAULT_RESULTS if args.save is None else [name.strip() for name in args.save.split(",")]
    check_kinds(save, "--save")
    shows_video = is_video(args.image_path)
    if shows_video and (args.resume or args.save not in (None, "overlay")):
        raise UserError("of a video only its overlay is written, anew; leave out --save and --resume")
    results = result_folders(args.save_dir)
    images, root = list[Path](), Path()
    if not shows_video:
        separator = plan.separator("val_dataset")
        images, root = find_images(args.image_path, "--image_path", results, separator)
    if args.legend and "overlay" not in save:
        raise UserError("--legend is for overlays, which --save leaves out; drop one of the flags")
    data = plan.info("val_dataset")
    if shows_video and data.in_channels != 3:
        raise UserError(f"a video has 3 channels and the network takes {data.in_channels}; give images")
    palette = custom_palette(args.custom_color, data.num_classes) if args.custom_color else data.palette
    model = plan.model(pretrained=False)
    load_weights(model, args.model_path)
    share_arena()
    network = build_runtime(model, args.backend, data.in_channels)
    transforms = plan.transforms("val_dataset")
    legend = data.classes if args.legend else ()
    if shows_video:
        shown = (palette, args.save_dir, inference)
        video = predict_video(network, args.image_path, transforms, *shown, legend=legend)
        _tell_video(video, args.image_path)
        return
    result = predict(
        network,
        images,
        transforms,
        palette,
        args.save_dir,
        root,
        in_channels=data.in_channels,
        inference=inference,
        save=save,
        resume=args.resume,
        legend=legend,
        classes=data.classes,
    )
    _tell_images(result, args.save_dir, args.resume)


def _tell_video(video: VideoResult, source: Path) -> None:
    pace = f"{video.frames / video.seconds:.1f} frames/s"
    say(f"{counted(video.frames, 'frame')}, {pace}, in {video.path}")
    if video.lost:
        raise UserError(f"{video.lost} frames of {source} could not be read")


def _tell_images(result: PredictResult, save_dir: Path, resume: bool) -> None:
    known = f", {len(result.skipped)} were there before" if resume else ""
    say(f"{counted(len(result.written), 'image')} segmented{known}, in {save_dir}")
    if result.failed:
        total = len(result.written) + len(result.failed) + len(result.skipped)
        raise UserError(
            f"{len(result.failed)} of {total} images failed ({some(list(result.failed))}); see above"
        )
