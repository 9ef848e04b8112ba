"""Pretrain a backbone on labels of whole images, from a YAML config.

  %(prog)s --config configs/lpsnet/lpsnet_m_imagenet_100e.yml --do_eval --save_dir output/imagenet \\
      --save_interval 5000 --num_workers 8
  %(prog)s --config C.yml --save_dir output/imagenet --resume_model auto
  python -m paddle.distributed.launch --nproc_per_node 2 tools/pretrain.py --config C.yml

It is the command train, with all that it does and writes: what is learnt, and by which score the best weights
are told, the data set of the config decides. Of a classification that is top-1. docs/lpsnet.md says more.
Segmentation starts from the weights with --opts model.pretrained=output/imagenet/best_model/model.pdparams.
"""

from __future__ import annotations

from paddleseg_lite.cli.train import add_flags, work

__all__ = ["add_flags", "work"]
