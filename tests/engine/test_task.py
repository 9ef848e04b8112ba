"""What the trainer asks of a task; whole runs of a classification are in tests/cli/test_pretrain.py."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import paddle
import pytest

from paddleseg_lite.datasets.samples import TASKS
from paddleseg_lite.engine.meter import Meter, log_line, scalars
from paddleseg_lite.engine.task import Classification, Segmentation, task_of
from paddleseg_lite.errors import UserError
from paddleseg_lite.losses import CELoss, Criterion, CrossEntropyLoss
from tests.toys import Squares


def labelled(*classes: str, mixed: bool = False) -> Any:
    """Return what stands for a data set of classification."""
    mixes = [len] if mixed else []
    facts = {"num_classes": len(classes), "classes": classes, "batch_transforms": mixes}
    return SimpleNamespace(task="classification", **facts)


def test_the_data_set_names_its_task() -> None:
    """Each that there is has one."""
    assert isinstance(task_of(Squares("train")), Segmentation)
    assert isinstance(task_of(labelled("a", "b")), Classification)
    assert {Squares.task, "classification"} == set(TASKS)
    with pytest.raises(UserError, match="train_dataset is for segmentation, val_dataset for classification"):
        task_of(Squares("train"), labelled("a", "b"))


def test_top_k_of_a_batch() -> None:
    """Of three images the first two are right; mixed images have no one class to be right about."""
    logits = paddle.to_tensor([[3.0, 1, 2], [0, 5, 1], [9, 8, 7]])
    task = Classification(labelled("a", "b", "c"))
    assert task.measured == ("top1", "top5")
    assert [float(x) for x in task.measure([logits], paddle.to_tensor([0, 1, 2]))] == pytest.approx(
        [2 / 3, 1]
    )
    mixing = Classification(labelled("a", "b", "c", mixed=True))
    assert (mixing.measured, mixing.measure([logits], paddle.ones([3, 3]))) == ((), [])
    assert Segmentation().measure([logits], paddle.ones([3])) == []


def test_losses_and_data_sets_that_fit() -> None:
    """Each task refuses the other's losses; validation must have the classes of training."""
    pixels, images = Criterion([CrossEntropyLoss()], [1]), Criterion([CELoss()], [1])
    train = labelled("a", "b")
    Segmentation().check(pixels, Squares("train"), None)
    Classification(train).check(images, train, labelled("a", "b"))
    with pytest.raises(UserError, match="CrossEntropyLoss is for labels of pixels"):
        Classification(train).check(pixels, train, None)
    with pytest.raises(UserError, match="other classes, such as 'b' and 'c'"):
        Classification(train).check(images, train, labelled("a", "c"))
    for count, names in ((1, "a"), (3, "abc")):
        with pytest.raises(
            UserError, match=f"num_classes is 2 of train_dataset, but {count} of val_dataset; "
        ):
            Classification(train).check(images, train, labelled(*names))


def test_scores_in_the_log() -> None:
    """Means since the last line, beside the loss; they survive in a checkpoint, and old ones have none."""
    meter = Meter(Criterion([CELoss()], [1]), ("top1", "top5"))
    meter.add([2.0], 0.0, [0.25, 0.5])
    resumed = Meter(Criterion([CELoss()], [1]), ("top1", "top5"))
    resumed.load_state_dict(meter.state_dict())
    resumed.add([4.0], 0.0, [0.75, 1.0])
    record = resumed.record(2, 4, 8, 0.1, (1.0, 0.0))
    assert record["scores"] == {"top1": 0.5, "top5": 0.75}
    assert "loss: 3.0000, top1: 0.5000, top5: 0.7500, lr: 0.1" in log_line(record, 10)
    assert scalars(record)["top5"] == 0.75
    assert math.isnan(resumed.record(3, 4, 8, 0.1, (1.0, 0.0))["scores"]["top1"]), "nothing was counted since"
    Meter(Criterion([CELoss()], [1])).load_state_dict({"count": 1, "losses": [2.0], "kept": 0.0})
