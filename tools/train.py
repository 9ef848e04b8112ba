"""Train a network from a YAML config.

  python tools/train.py --config configs/quickstart/lpsnet_streetscenes.yml --do_eval
  python tools/train.py --config C.yml --resume_model output/iter_1000 --opts optimizer.weight_decay=1e-4

Writes to --save_dir: iter_N/ (weights, optimizer, state: all that --resume_model needs), and with --do_eval
best_model/model.pdparams, the weights with the highest mIoU. Stop it at any time and resume.
"""

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any

from paddleseg_lite import cli


def parse_args() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument(
        "--save_dir", type=Path, help="folder of the run; default ./output, or where the resumed one is"
    )
    parser.add_argument("--iters", type=int, help="iterations, instead of the config's")
    parser.add_argument("--batch_size", type=int, help="images in an iteration, instead of the config's")
    parser.add_argument("--learning_rate", type=float, help="learning rate, instead of the config's")
    parser.add_argument(
        "--num_workers", type=int, default=0, help="processes that read data; 0: none; default 0"
    )
    parser.add_argument("--do_eval", action="store_true", help="evaluate every --save_interval iterations")
    parser.add_argument(
        "--save_interval", type=int, default=1000, help="iterations between checkpoints; default 1000"
    )
    parser.add_argument("--log_iters", type=int, default=10, help="iterations between log lines; default 10")
    parser.add_argument(
        "--keep_checkpoint_max", type=int, default=5, help="newest checkpoints to keep; default 5"
    )
    parser.add_argument("--resume_model", type=Path, help="an iter_N folder to go on from")
    parser.add_argument(
        "--early_stop_intervals", type=int, help="stop after N evaluations without a better mIoU"
    )
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and augmentation; default 0")
    parser.add_argument("--use_vdl", action="store_true", help="write VisualDL scalars into --save_dir")
    parser.add_argument("--use_ema", action="store_true", help="also average the weights, as ema_best_model/")
    parser.add_argument("--precision", choices=["fp32", "fp16", "bf16"], default="fp32", help="default fp32")
    parser.add_argument("--amp_level", choices=["O1", "O2"], default="O1", help="with fp16, bf16; default O1")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    # Imported here, after cli.run has set what Paddle reads at import, and so that --help answers at once.
    import paddle

    from paddleseg_lite import builder
    from paddleseg_lite.config import load_config
    from paddleseg_lite.engine.train import TrainOptions, train

    flags = {
        "iters": args.iters,
        "batch_size": args.batch_size,
        "lr_scheduler.learning_rate": args.learning_rate,
    }
    config = load_config(args.config, [*args.opts, *(f"{k}={v}" for k, v in flags.items() if v is not None)])
    resume = args.resume_model
    settings: dict[str, Any] = {field.name: getattr(args, field.name, None) for field in fields(TrainOptions)}
    settings.update(
        iters=config.iters,
        batch_size=config.batch_size,
        save_dir=args.save_dir or (resume.parent if resume else Path("output")),
        resume=resume,
        inference=cli.inference_options(argparse.Namespace(), builder.build_test_options(config)),
    )
    options = TrainOptions(**settings)
    train_dataset = builder.build_dataset(config, "train_dataset")
    val_dataset = builder.build_dataset(config, "val_dataset") if args.do_eval else None
    for dataset in (train_dataset, val_dataset):
        if dataset is not None:
            print(dataset.describe())
    paddle.seed(args.seed)
    model = builder.build_model(config)
    optimizer, criterion = builder.build_optimizer(config, model), builder.build_criterion(config)
    result = train(model, train_dataset, optimizer, criterion, options, val_dataset)
    print(f"{result.iteration} iterations in {result.seconds:.0f} s, in {options.save_dir}")
    if result.best_miou is not None:
        print(f"best mIoU {result.best_miou:.4f} at iter {result.best_iteration}, in its best_model/")


if __name__ == "__main__":
    cli.run(main, parse_args())
