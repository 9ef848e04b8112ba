"""Segment images with trained weights.

  python tools/predict.py --config C.yml --model_path M --image_path photo.jpg
  python tools/predict.py --config C.yml --model_path M --image_path folder --aug_pred --flip_horizontal

--image_path is an image, a folder (with its subfolders) or a text file with one path in each line.
Writes label_prediction (class ids), pseudo_color_prediction and added_prediction (overlay) in --save_dir.
An image that cannot be read is named and skipped, and the exit code is then 2.
"""

import argparse
from pathlib import Path

from paddleseg_lite import cli
from paddleseg_lite.errors import UserError


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("--model_path", required=True, help="weights: .pdparams or .safetensors, path or URL")
    parser.add_argument("--image_path", type=Path, required=True, help="image, folder, or list of images")
    parser.add_argument(
        "--save_dir", type=Path, default=Path("output/result"), help="default ./output/result"
    )
    parser.add_argument(
        "--custom_color", nargs="+", type=int, metavar="V", help="R G B for each class, 0 to 255"
    )
    cli.add_inference_flags(parser, "--aug_pred")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    # Imported here, after cli.run has set what Paddle reads at import, and so that --help answers at once.
    from paddleseg_lite import builder
    from paddleseg_lite.checkpoint import load_weights
    from paddleseg_lite.config import load_config
    from paddleseg_lite.download import fetch
    from paddleseg_lite.engine.predict import find_images, predict
    from paddleseg_lite.visualize import custom_palette

    config = load_config(args.config, args.opts)
    inference = cli.inference_options(args, builder.build_test_options(config))
    images, root = find_images(args.image_path)
    data = builder.describe_dataset(config, "val_dataset")
    palette = custom_palette(args.custom_color, data.num_classes) if args.custom_color else data.palette
    model = builder.build_model(config, pretrained=False)
    load_weights(model, fetch(args.model_path))
    transforms = builder.build_transforms(config, "val_dataset")
    result = predict(model, images, transforms, palette, args.save_dir, root, data.in_channels, inference)
    print(f"{len(result.written)} images segmented, in {args.save_dir}")
    if result.failed:
        names = ", ".join(str(path) for path in list(result.failed)[:3])
        raise UserError(
            f"{len(result.failed)} of {len(images)} images could not be read ({names}); see above"
        )


if __name__ == "__main__":
    cli.run(main, parse_args())
