"""Train a network from a YAML config.

  python tools/train.py --config configs/quickstart/lraspp_streetscenes.yml --do_eval --save_dir output/mine
  python tools/train.py --config C.yml --save_dir output/mine --resume_model auto
  python tools/train.py --config C.yml --pretrained cityscapes.pdparams --allow_missing head.
  python -m paddle.distributed.launch --nproc_per_node 2 tools/train.py --config C.yml

Writes to --save_dir: iter_N/ (all that --resume_model needs), config.yml, environment.json, train.log,
metrics.jsonl, and with --do_eval best_model/, the weights with the highest mIoU. Ctrl-C or SIGTERM: the
iteration is finished and saved, and the command that goes on is printed. docs/training.md says more.
"""

import argparse

from paddleseg_lite import cli


def main(args: argparse.Namespace) -> None:
    # Imported here, after cli.run has set what Paddle reads at import, and so that --help answers at once.
    import paddle

    from paddleseg_lite import builder
    from paddleseg_lite.checkpoint import load_pretrained
    from paddleseg_lite.config import load_config
    from paddleseg_lite.engine.train import TrainOptions, train
    from paddleseg_lite.errors import UserError

    if args.allow_missing and not args.pretrained:
        raise UserError("--allow_missing does nothing by itself; add --pretrained, the weights to start from")
    config = load_config(args.config, [*args.opts, *cli.config_overrides(args)])
    paddle.seed(args.seed)
    train_dataset = builder.build_dataset(config, "train_dataset")
    val_dataset = builder.build_dataset(config, "val_dataset") if args.do_eval else None
    model = builder.build_model(config, pretrained=not args.pretrained)
    if args.pretrained:
        load_pretrained(model, args.pretrained, args.allow_missing)
    options = TrainOptions(
        **cli.train_options(args),
        iters=config.values["iters"],
        batch_size=config.values["batch_size"],
        config=config.values,
        inference=cli.inference_options(argparse.Namespace(), builder.build_test_options(config)),
    )
    optimizer = builder.build_optimizer(config, model)
    result = train(model, train_dataset, optimizer, builder.build_criterion(config), options, val_dataset)
    if result.stopped_by:
        print(f"stopped by {result.stopped_by} after iteration {result.iteration}; go on with:")
        print(f"  {cli.resume_command()}")
        return
    best = f"; best mIoU {result.best_miou:.4f} at iter {result.best_iteration}" if result.best_miou else ""
    print(f"{result.iteration} iterations in {result.seconds:.0f} s, in {args.save_dir}{best}")


if __name__ == "__main__":
    cli.run(main, cli.train_parser(__doc__).parse_args())
