"""The cross entropy of whole images, by hand, and what does not fit it."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from paddleseg_lite.errors import UserError
from paddleseg_lite.losses import CELoss, Criterion, CrossEntropyLoss

LOGITS = np.array([[0, 1, 2], [3, 0, -1]], np.float32)


def of_class(image: int, label: int) -> float:
    """Return -log softmax."""
    return float(np.log(np.exp(LOGITS[image].astype(float)).sum()) - LOGITS[image, label])


def test_the_mean_over_images() -> None:
    """Of classes 2 and 1."""
    loss = CELoss()(paddle.to_tensor(LOGITS), paddle.to_tensor([2, 1]))
    assert loss.shape == []
    assert float(loss) == pytest.approx((of_class(0, 2) + of_class(1, 1)) / 2, rel=1e-6)


def test_the_loss_of_two_classes_is_mixed_like_the_images() -> None:
    """0.7 of the first class's and 0.3 of the other's; the gradient is softmax minus the mixed classes."""
    logits = paddle.to_tensor(LOGITS, stop_gradient=False)
    loss = CELoss()(logits, paddle.to_tensor(np.array([[2, 1, 0.7], [1, 2, 0.7]], np.float32)))
    expected = 0.7 * of_class(0, 2) + 0.3 * of_class(0, 1) + 0.7 * of_class(1, 1) + 0.3 * of_class(1, 2)
    assert float(loss) == pytest.approx(expected / 2, rel=1e-6)
    loss.backward()
    softmax = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)
    target = np.array([[0, 0.3, 0.7], [0, 0.7, 0.3]])
    np.testing.assert_allclose(logits.grad.numpy(), (softmax - target) / 2, rtol=1e-5, atol=1e-7)


def test_what_is_for_pixels_and_what_for_whole_images() -> None:
    """Each mistake of a config in a sentence that has the remedy."""
    pixels, images = paddle.ones([2, 3, 4, 4]), paddle.ones([2, 3])
    with pytest.raises(UserError, match=r"CELoss is for labels of whole images; .* give CrossEntropyLoss"):
        Criterion([CELoss()], [1])([pixels], paddle.zeros([2, 4, 4], "int64"))
    with pytest.raises(UserError, match=r"CrossEntropyLoss is for labels of pixels; .* give CELoss"):
        Criterion([CrossEntropyLoss()], [1]).expect(3, None)
    criterion = Criterion([CELoss()], [1])
    criterion.expect(3, None)
    with pytest.raises(
        UserError, match=r"labels of whole images; give it a classifier such as LPSNetClassifier"
    ):
        criterion([pixels], paddle.zeros([2], "int64"))
    with pytest.raises(UserError, match=r"labels of pixels; give it a segmentation network such as LPSNet"):
        Criterion([CrossEntropyLoss()], [1])([images], paddle.zeros([2, 4, 4], "int64"))
