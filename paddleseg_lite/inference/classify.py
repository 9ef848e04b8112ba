"""Evaluation of a classifier on a data set."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import paddle
from paddle import Tensor

from paddleseg_lite import parallel
from paddleseg_lite.datasets.loading.loader import eval_samples
from paddleseg_lite.datasets.samples import LabelledImages
from paddleseg_lite.inference.augment import Network
from paddleseg_lite.inference.evaluate import EvaluationStopped, batches_of_one_shape, network_input
from paddleseg_lite.kernels.upload import upload
from paddleseg_lite.metrics.top_k import TopK
from paddleseg_lite.progress import Progress

TOP = (1, 5)


def hits(logits: Tensor, labels: Tensor) -> list[Tensor]:
    """Return for each of TOP whether the class of an image is among so many highest logits, bool [N].

    Of equal logits that of the smaller id comes first. NaN comes before all others, and is itself no hit.

    Args:
        logits: float32 [N, K].
        labels: int64 [N].
    """
    labels = labels.unsqueeze(1)  # [N, 1]
    own, ids = paddle.take_along_axis(logits, labels, axis=1), paddle.arange(logits.shape[1])
    not_before = (logits < own) | ((logits == own) & (ids >= labels))  # [N, K]
    before = logits.shape[1] - not_before.astype("int64").sum(axis=1)  # [N]
    is_number = ~paddle.isnan(own.squeeze(1))  # [N]; of less than 5 classes all are among the first 5
    return [(before < k) & is_number for k in TOP]


@paddle.no_grad()
def evaluate_classes(
    model: Network,
    dataset: LabelledImages,
    batch_size: int = 1,
    num_workers: int = 0,
    stop: Callable[[], bool] = lambda: False,
) -> TopK:
    """Score a classifier on every image of a data set, which several ranks share out among them.

    Args:
        model: images float32 [N, C, H, W] -> [logits [N, K]].
        dataset: of classification, in mode "val".
        batch_size: images in a forward pass; those of another shape begin a new one.
        num_workers: processes that read images; 0 reads in this one.
        stop: asked after each batch whether to give up.

    Raises:
        EvaluationStopped: `stop` said so, on this rank or another.
        UserError: bad data.
    """
    counts, is_stopped = paddle.zeros([len(TOP)], "int64"), False
    samples = eval_samples(dataset, num_workers, parallel.rank(), parallel.world_size())
    total = len(range(parallel.rank(), len(dataset), parallel.world_size()))
    with Progress(is_active=parallel.is_main(), total=total, desc="eval", unit="image", leave=False) as bar:
        for batch in batches_of_one_shape(samples, batch_size):
            labels = np.array([sample.label for sample in batch], np.int64)
            logits = model(upload(network_input(batch)))[0]
            counts += paddle.stack([hit.astype("int64").sum() for hit in hits(logits, upload(labels))])
            bar.update(len(batch))
            if is_stopped := stop():
                break
    if parallel.any_rank(is_stopped):
        raise EvaluationStopped
    return TopK(len(dataset), *(parallel.all_reduce_sum(counts.numpy()) / len(dataset)).tolist())
