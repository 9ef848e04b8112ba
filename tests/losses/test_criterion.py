"""What protects a GPU from labels that a network or a loss has no room for: its kernel ends the process."""

from __future__ import annotations

import paddle
import pytest

from paddleseg_lite.errors import UserError
from paddleseg_lite.losses import Criterion, CrossEntropyLoss
from tests.engine.toy import toy_run
from tests.toys import PixelNet


def test_a_network_of_fewer_classes_than_the_data_set_is_refused(tmp_path):
    """From what its output says, before a loss meets a label; more classes are allowed."""
    with pytest.raises(UserError, match="model has 1 classes, but the data set 2; give the model"):
        toy_run(tmp_path / "few", net=lambda: PixelNet(1))
    toy_run(tmp_path / "many", net=lambda: PixelNet(3), iters=1)


def test_a_loss_that_ignores_another_id_is_refused():
    """Whether or not the first batch has such a pixel; a loss that tells nothing of it is let be."""
    losses = [CrossEntropyLoss(), CrossEntropyLoss(ignore_index=254)]
    with pytest.raises(UserError, match="CrossEntropyLoss_1 has ignore_index 254, but the data set 255"):
        Criterion(losses, [1, 1]).expect(19, 255)

    def mean(logits, label):
        return logits.mean()

    criterion = Criterion([mean], [2])
    criterion.expect(2, 0)
    logits = paddle.ones([1, 2, 4, 4])
    assert float(criterion([logits], paddle.zeros([1, 4, 4], "int64"))[0]) == 2
