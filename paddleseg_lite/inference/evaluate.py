"""Evaluation of a network on a data set, at the labels' own size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import methodcaller

import numpy as np
import paddle

from paddleseg_lite import parallel
from paddleseg_lite.datasets.base import SegmentationDataset
from paddleseg_lite.datasets.loading.loader import eval_samples
from paddleseg_lite.errors import UserError
from paddleseg_lite.inference.augment import (
    PLAIN,
    InferenceOptions,
    Network,
    Runtime,
    Values,
    infer_labels,
    infer_values,
    infer_with_confidence,
)
from paddleseg_lite.inference.logits import Dense, best_classes, best_with_confidence
from paddleseg_lite.inference.stages import Stages
from paddleseg_lite.kernels.argmax import argmax_classes
from paddleseg_lite.kernels.confidence import largest_probability
from paddleseg_lite.kernels.confusion import ConfusionMatrix
from paddleseg_lite.kernels.threads import in_threads
from paddleseg_lite.kernels.upload import upload
from paddleseg_lite.metrics import Metric, Metrics, Observation, scores
from paddleseg_lite.progress import Progress
from paddleseg_lite.transforms import Sample


class EvaluationStopped(Exception):
    """An evaluation was ended by its `stop` before the last image."""


def evaluate(
    model: Network | Runtime,
    dataset: SegmentationDataset,
    inference: InferenceOptions = PLAIN,
    batch_size: int = 1,
    num_workers: int = 0,
    stop: Callable[[], bool] = lambda: False,
    metrics: Sequence[Metric] = (),
    stages: Stages | None = None,
) -> Metrics:
    """Score a network's predictions on every sample of a data set.

    Predictions are put back to the size of the label before they are counted. Only images of one shape
    share a batch, unpadded, so that the confusion matrix does not depend on the batch size. Several ranks
    share the samples out among them, each once, and all get the same scores. While a GPU computes, the next
    image is read; all that comes back from the GPU are the counts, at the end.

    Args:
        model: images float32 [N, C, H, W] -> [logits [N, num_classes, H, W], ...]. A paddle.nn.Layer is put
            into eval mode and left there. Or a runtime that stands for the network.
        dataset: in mode "val".
        inference: scales, flips, sliding windows.
        batch_size: images in one forward pass.
        num_workers: processes that read images; 0 reads in this one.
        stop: asked after each batch whether to give up.
        metrics: new ones; they are shown every image, each in a thread if there are several, and afterwards,
            on all ranks, hold the counts of all.
        stages: are timed.

    Raises:
        EvaluationStopped: `stop` said so, on this rank or another.
        UserError: bad data, or a sample without a label.
    """
    if batch_size < 1 or num_workers < 0:
        raise UserError(
            f"batch_size is {batch_size} and num_workers {num_workers}; give at least 1 and at least 0"
        )
    if isinstance(model, paddle.nn.Layer):
        model.eval()
    tally = _Tally(dataset, metrics)
    samples = eval_samples(dataset, num_workers, parallel.rank(), parallel.world_size())
    bar = Progress(
        is_active=parallel.is_main(),
        total=len(range(parallel.rank(), len(dataset), parallel.world_size())),
        desc="eval",
        unit="image",
        leave=False,
    )
    is_stopped, stages = False, stages or Stages()
    with bar:
        for batch in batches_of_one_shape(samples, batch_size):
            stages.lap("reading")
            maps = class_maps(model, batch, inference, tally.needs_confidence)
            stages.lap("network")
            tally.add(batch, maps)
            stages.lap("measuring", len(batch))
            bar.update(len(batch))
            batch.clear()  # large images are not kept while the next ones are read
            if is_stopped := stop():
                break
    if parallel.any_rank(is_stopped):
        raise EvaluationStopped
    return tally.scores()


class _Tally:
    """What is counted of a rank's share of a data set: the confusion matrix, and for metrics."""

    def __init__(self, dataset: SegmentationDataset, metrics: Sequence[Metric]) -> None:
        self._dataset, self._metrics = dataset, metrics
        self._confusion = ConfusionMatrix(dataset.num_classes, dataset.ignore_index)
        self._indices = iter(range(parallel.rank(), len(dataset), parallel.world_size()))
        self.needs_confidence = any(metric.needs_confidence for metric in metrics)

    def add(self, batch: Sequence[Sample], maps: Iterable[tuple[Values, Values | None]]) -> None:
        """Count the predictions for the next samples, with the confidence in each if it is needed."""
        for sample, index, (predicted, confidence) in zip(batch, self._indices, maps):
            if sample.label is None:
                raise UserError(
                    f"{sample.path} has no label to be evaluated against; list one, or use predict"
                )
            self._confusion.update(predicted, sample.label)
            if self._metrics:  # or else what is on a device stays there
                label_path = self._dataset.pairs[index][1] or ""
                sure = None if confidence is None else _array(confidence)
                prediction = _array(predicted)
                seen = Observation(index, sample.path, label_path, prediction, sample.label, sure)
                in_threads(methodcaller("update", seen), self._metrics)

    def scores(self) -> Metrics:
        """Share what was counted with all ranks, and return the scores."""
        for metric in self._metrics:
            for rank, other in enumerate(parallel.all_gather_object(metric)):
                if rank != parallel.rank():
                    metric.merge(other)
        return scores(parallel.all_reduce_sum(self._confusion.counts()), self._dataset.classes)


def batches_of_one_shape(samples: Iterable[Sample], batch_size: int) -> Iterator[list[Sample]]:
    """Group neighbouring samples whose images have one shape, at most batch_size of them."""
    batch: list[Sample] = []
    for sample in samples:
        if batch and sample.image.shape != batch[0].image.shape:
            yield batch
            batch = []
        batch.append(sample)
        del sample  # or it would be kept while the next one is read
        if len(batch) == batch_size:
            yield batch
            batch = []
    if batch:
        yield batch


def network_input(samples: Sequence[Sample]) -> np.ndarray:
    """Return the images of samples of one shape as a network gets them, float32 [N, C, H, W]."""
    planes = [sample.image.transpose(2, 0, 1) for sample in samples]
    # Floats also without Normalize, where they are as in the file.
    return np.ascontiguousarray(planes[0][None] if len(planes) == 1 else np.stack(planes), np.float32)


def predict_labels(
    model: Network | Runtime, batch: list[Sample], inference: InferenceOptions
) -> list[np.ndarray]:
    """Return the class ids [H, W] of each sample, uint8, at the size of its source image.

    Args:
        model: see `evaluate`.
        batch: transformed samples of one shape.
        inference: scales, flips, sliding windows.
    """
    return [labels for labels, _ in predict_arrays(model, batch, inference)]


def predict_arrays(
    model: Network | Runtime, batch: list[Sample], inference: InferenceOptions, with_confidence: bool = False
) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """Return `predict_labels`, and if asked for the confidence in each, float32 [H, W]."""
    maps = class_maps(model, batch, inference, with_confidence)
    return [(_array(classes), None if sure is None else _array(sure)) for classes, sure in maps]


def class_maps(
    model: Network | Runtime, batch: list[Sample], inference: InferenceOptions, with_confidence: bool = False
) -> list[tuple[Values, Values | None]]:
    """Return `predict_arrays`, of a live network on another device than the CPU as tensors there."""
    array = network_input(batch)
    images = array if isinstance(model, Runtime) else upload(array)
    is_changed = any(sample.windows for sample in batch)
    if not is_changed and not with_confidence:
        return [(classes, None) for classes in infer_labels(model, images, inference)]
    if not is_changed and isinstance(model, Runtime):
        return list(infer_with_confidence(model, array, inference))
    logits = infer_values(model, images, inference)
    restored = (sample.restore(values) for sample, values in zip(batch, logits))
    return [_best(values, with_confidence) for values in restored]


def _best(logits: Values, with_confidence: bool) -> tuple[Values, Values | None]:
    """Return the class of the highest logit of [C, H, W], and if asked for the confidence in it."""
    if not isinstance(logits, np.ndarray):
        return argmax_classes(logits[None])[0], largest_probability(logits) if with_confidence else None
    dense = Dense(logits)
    return best_with_confidence(dense) if with_confidence else (best_classes(dense), None)


def _array(values: Values) -> np.ndarray:
    return values if isinstance(values, np.ndarray) else values.numpy()
