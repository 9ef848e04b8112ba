"""Plain cross entropy, and how the criterion combines losses."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import numpy as np
import paddle
import pytest

from paddleseg_lite.errors import UserError
from paddleseg_lite.losses import Criterion, CrossEntropyLoss, OhemCrossEntropyLoss

# Two pixels with p = 3/4 and 1/4 for class 0, and one that is ignored.
LOGITS = np.log(np.array([[3.0, 1.0, 1.0], [1.0, 3.0, 1.0]], np.float32)).reshape(1, 2, 1, 3)
LABEL = np.array([0, 0, 255], np.uint8).reshape(1, 1, 3)


def test_mean_over_valid_pixels_by_hand() -> None:
    """Ignored pixels count neither above nor below the line."""
    loss = CrossEntropyLoss()(paddle.to_tensor(LOGITS), paddle.to_tensor(LABEL))
    assert float(loss) == pytest.approx((np.log(4 / 3) + np.log(4)) / 2)


def test_weighted_mean_by_hand() -> None:
    """sum(weight x loss) / sum(weight), the usual definition."""
    label = np.array([0, 1, 255], np.uint8).reshape(1, 1, 3)  # both with p = 3/4
    logits = LOGITS.copy()
    logits[0, :, 0, 0] = np.log([1.0, 3.0])  # p = 1/4 for class 0
    loss = CrossEntropyLoss(weight=[2.0, 1.0])(paddle.to_tensor(logits), paddle.to_tensor(label))
    assert float(loss) == pytest.approx((2 * np.log(4) + np.log(4 / 3)) / 3)


def test_pixels_are_counted_exactly() -> None:
    """A float32 counts up to 2^24, which is eight images of 2048x1024."""
    label = np.zeros((1, 1, 2**24 + 3), np.uint8)
    label[0, 0, :2] = 255
    assert CrossEntropyLoss().normaliser(label) == 2**24 + 1


def test_weights_are_added_up_exactly() -> None:
    """What the weighted mean divides by; ignored pixels weigh nothing, absent classes neither."""
    label = np.full((1, 1, 2**24 + 3), 1, np.uint8)
    label[0, 0, :2] = 0, 255
    assert CrossEntropyLoss([0.25, 2.0, 7.0]).normaliser(label) == 0.25 + 2.0 * (2**24 + 1)


def test_a_wrong_number_of_weights_is_refused() -> None:
    """Weights of another data set's classes."""
    with pytest.raises(UserError, match="3 class weights for the model's 2 classes"):
        CrossEntropyLoss(weight=[1, 1, 1])(paddle.to_tensor(LOGITS), paddle.to_tensor(LABEL))


def test_all_pixels_ignored_gives_zero() -> None:
    """0 / 0 would be NaN."""
    loss = CrossEntropyLoss()(paddle.to_tensor(LOGITS), paddle.full([1, 1, 3], 255, "int64"))
    assert float(loss) == 0


def test_criterion_weighs_one_loss_per_output() -> None:
    """PaddleSeg's types and coef; the names tell losses apart in the log."""
    logits, label = paddle.to_tensor(LOGITS), paddle.to_tensor(LABEL)
    single = float(CrossEntropyLoss()(logits, label))
    criterion = Criterion([CrossEntropyLoss(), CrossEntropyLoss(), OhemCrossEntropyLoss()], [1, 0.5, 2])
    assert criterion.names == ("CrossEntropyLoss_0", "CrossEntropyLoss_1", "OhemCrossEntropyLoss")
    first, second, _ = criterion([logits, logits, logits], label)
    assert float(first) == pytest.approx(single)
    assert float(second) == pytest.approx(single / 2)


def test_criterion_refuses_another_number_of_outputs() -> None:
    """An output without a loss would not be trained, silently."""
    logits, label = paddle.to_tensor(LOGITS), paddle.to_tensor(LABEL)
    criterion = Criterion([CrossEntropyLoss()], [1])
    with pytest.raises(UserError, match=r"2 output\(s\) and loss.coef has 1"):
        criterion([logits, logits], label)
    with pytest.raises(ValueError, match="as many factors"):
        Criterion([CrossEntropyLoss()], [1, 1])


@pytest.mark.parametrize(
    "loss", [CrossEntropyLoss(), CrossEntropyLoss([1.0] * 2), OhemCrossEntropyLoss(min_kept=1)]
)
@pytest.mark.parametrize(
    ("value", "dtype"), [(2, np.uint8), (254, np.uint8), (-1, np.int64), (-100, np.int32)]
)
def test_labels_that_are_no_classes_are_refused(loss: Callable, value: int, dtype: type) -> None:
    """Neither wrapped round to the last class nor left to an IndexError; anywhere in a large batch."""
    label = np.zeros((2, 100, 100), dtype)
    label[1, 99, 98] = value
    with pytest.raises(UserError, match=rf"label holds {value}; allowed are the classes 0 to 1 and .*255"):
        loss(paddle.zeros([2, 2, 100, 100]), paddle.to_tensor(label))


def test_what_a_loss_divides_by_checks_labels_too() -> None:
    """With several passes it is asked first."""
    with pytest.raises(UserError, match="label holds -3"):
        CrossEntropyLoss([1.0, 2.0]).normaliser(np.array([[[0, -3]]]))


def test_class_weights_are_no_part_of_a_checkpoint() -> None:
    """Their table is kept from call to call, and a loss is copied, pickled and saved without it."""
    loss = CrossEntropyLoss(weight=[2.0, 1.0])
    expected = float(loss(paddle.to_tensor(LOGITS), paddle.to_tensor(LABEL)))
    assert not loss.state_dict()
    for other in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert float(other(paddle.to_tensor(LOGITS), paddle.to_tensor(LABEL))) == expected
    loss.weight = [1.0, 2.0]  # a table of other weights is another
    label = np.array([0, 1, 255], np.uint8).reshape(1, 1, 3)
    assert float(loss(paddle.to_tensor(LOGITS), paddle.to_tensor(label))) == pytest.approx(np.log(4 / 3))
