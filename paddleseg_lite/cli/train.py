"""Train a network from a YAML config.

  python tools/train.py --config configs/quickstart/lpsnet_streetscenes.yml --do_eval --save_dir output/mine
  python tools/train.py --config C.yml --save_dir output/mine --resume_model auto
  python tools/train.py --config C.yml --pretrained cityscapes.pdparams --allow_missing head.
  python -m paddle.distributed.launch --nproc_per_node 2 tools/train.py --config C.yml

Writes to --save_dir: iter_N/ (all that --resume_model needs), config.yml, environment.json, train.log,
metrics.jsonl, and with --do_eval best_model/, the weights with the highest mIoU. Ctrl-C or SIGTERM: the
iteration is finished and saved, and the command that goes on is printed. docs/training.md says more.
"""

import argparse

from paddleseg_lite.cli import run as cli
from paddleseg_lite.cli import train_flags


def work(args: argparse.Namespace) -> None:
    # Imported here, after cli.run has set what Paddle reads at import, and so that --help answers at once.
    from paddleseg_lite import parallel
    from paddleseg_lite.checkpoint import load_pretrained
    from paddleseg_lite.config import load_config
    from paddleseg_lite.config.build import Plan
    from paddleseg_lite.engine.rng import seed_everything
    from paddleseg_lite.engine.train import TrainOptions, train

    config = load_config(args.config, [*args.opts, *train_flags.config_overrides(args)])
    plan = Plan(config)
    options = TrainOptions(
        **train_flags.train_options(args),
        iters=config.iters,
        batch_size=config.batch_size,
        config=config.values,
        inference=plan.inference(),
    )
    train_dataset = plan.dataset("train_dataset")
    val_dataset = plan.dataset("val_dataset") if args.do_eval else None
    for dataset in (train_dataset, val_dataset):
        if dataset is not None and parallel.is_main():
            print(dataset.describe())
    seed_everything(args.seed)
    # A run that goes on has its weights in the checkpoint; the pretrained ones may be gone.
    model = plan.model(pretrained=not args.pretrained and not options.goes_on)
    if args.pretrained and not options.goes_on:
        load_pretrained(model, args.pretrained, args.allow_missing)
    optimizer, criterion = plan.optimizer(model), plan.criterion()
    result = train(model, train_dataset, optimizer, criterion, options, val_dataset)
    if not parallel.is_main():
        return
    if result.stopped_by:
        print(f"stopped by {result.stopped_by} after iteration {result.iteration}; go on with:")
        print(f"  {train_flags.resume_command(options.save_dir, parallel.world_size())}")
        return
    print(f"{result.iteration} iterations in {result.seconds:.0f} s, in {options.save_dir}")
    if result.best_miou is not None:
        print(f"best mIoU {result.best_miou:.4f} at iter {result.best_iteration}, in its best_model/")


def main() -> None:
    """Run the command with the arguments of this process, and exit."""
    cli.run(work, train_flags.parser(__doc__).parse_args())
