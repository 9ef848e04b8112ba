"""Tasks: data, loss and metric. All that the trainer does differently for one or the other stands here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paddle import Tensor

from paddleseg_lite.datasets.samples import LabelledImages
from paddleseg_lite.engine.options import TrainOptions
from paddleseg_lite.engine.showcase import Shown, showcase
from paddleseg_lite.errors import UserError
from paddleseg_lite.inference.augment import Network
from paddleseg_lite.inference.classify import evaluate_classes, hits
from paddleseg_lite.inference.evaluate import evaluate
from paddleseg_lite.losses.criterion import Criterion


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        score: the headline; the best weights have the highest.
        text: for the log.
        record: for metrics.jsonl, plain data.
        scalars: for VisualDL, by the name of the group, which is put behind the tag, and their own.
    """

    score: float
    text: str
    record: Mapping[str, Any]
    scalars: Mapping[str, Mapping[str, float]]


class Task(ABC):
    """What the trainer asks of a task.

    Attributes:
        headline: name of the score that tells which weights are the best.
        key: of it in metrics.jsonl, and in the info.json of the best weights.
        measured: names of the scores of training's own batches.
    """

    headline: str
    key: str
    measured: tuple[str, ...] = ()

    @abstractmethod
    def check(self, criterion: Criterion, train: Any, val: Any | None) -> None:
        """Refuse losses that do not fit the data sets' labels, and data sets that do not fit each other.

        Raises:
            UserError: the message has the remedy.
        """

    def measure(self, logits: Sequence[Tensor], labels: Tensor) -> list[Tensor]:
        """Return a scalar for each of `measured`, of a batch's outputs and labels; nothing waits for it."""
        return []

    @abstractmethod
    def evaluate(
        self, model: Network, dataset: Any, options: TrainOptions, stop: Callable[[], bool]
    ) -> Evaluation:
        """Evaluate a network on all of a data set; the same on all ranks.

        Raises:
            EvaluationStopped: `stop`, asked after each batch, said so.
        """

    def showcase(self, model: Network, dataset: Any, options: TrainOptions) -> list[Shown]:
        """Return images with truth and prediction to look at; none if there is nothing to see."""
        return []


class Segmentation(Task):
    """A class for each pixel, scored by mIoU; a confusion matrix of each batch would take time."""

    headline, key = "mIoU", "miou"

    def check(self, criterion: Criterion, train: Any, val: Any | None) -> None:
        """See `Task`."""
        criterion.expect(train.num_classes, train.ignore_index)

    def evaluate(
        self, model: Network, dataset: Any, options: TrainOptions, stop: Callable[[], bool]
    ) -> Evaluation:
        """See `Task`."""
        found = evaluate(model, dataset, options.inference, num_workers=options.num_workers, stop=stop)
        scalars = {
            "": {"mIoU": found.miou, "Acc": found.accuracy},
            "/IoU": dict(zip(found.classes, found.class_iou)),
        }
        return Evaluation(found.miou, f"{found.summary()}\n{found.table()}", found.as_dict(), scalars)

    def showcase(self, model: Network, dataset: Any, options: TrainOptions) -> list[Shown]:
        """See `Task`."""
        return showcase(model, dataset, options.inference)


class Classification(Task):
    """A class for each image, scored by top-1; of training's batches too, unless their images are mixed."""

    headline, key = "top-1", "top1"

    def __init__(self, train: LabelledImages) -> None:
        self.measured = () if train.batch_transforms else ("top1", "top5")

    def check(self, criterion: Criterion, train: Any, val: Any | None) -> None:
        """See `Task`."""
        criterion.expect(train.num_classes, None)
        if val is None:
            return
        own, others = len(train.classes), len(val.classes)
        if own != others:
            raise UserError(
                f"num_classes is {own} of train_dataset, but {others} of val_dataset; make them agree"
            )
        for one, other in zip(train.classes, val.classes):
            if one != other:
                raise UserError(
                    f"train_dataset and val_dataset have other classes, such as '{one}' and '{other}'; give "
                    "both folders of the same names, or lists"
                )

    def measure(self, logits: Sequence[Tensor], labels: Tensor) -> list[Tensor]:
        """See `Task`."""
        found = hits(logits[0].detach(), labels) if self.measured else []
        return [hit.astype("float32").mean() for hit in found]

    def evaluate(
        self, model: Network, dataset: Any, options: TrainOptions, stop: Callable[[], bool]
    ) -> Evaluation:
        """See `Task`."""
        found = evaluate_classes(model, dataset, options.batch_size, options.num_workers, stop)
        scalars = {"": {"top1": found.top1, "top5": found.top5}}
        return Evaluation(found.top1, found.summary(), found.as_dict(), scalars)


def task_of(train: LabelledImages, val: LabelledImages | None = None) -> Task:
    """Return the task that data sets are for.

    Raises:
        UserError: they are for two.
    """
    if val is not None and val.task != train.task:
        raise UserError(f"train_dataset is for {train.task}, val_dataset for {val.task}; make them agree")
    return Classification(train) if train.task == "classification" else Segmentation()
