"""Counts and scores, against numbers worked out by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from paddleseg_lite.metrics import confusion_matrix, scores


def test_two_by_two_by_hand() -> None:
    """Every score of truth 0 0 0 1, prediction 0 0 1 1."""
    confusion = confusion_matrix(np.array([[0, 0], [1, 1]]), np.array([[0, 0], [0, 1]]), 2)
    assert confusion.dtype == np.int64
    np.testing.assert_array_equal(confusion, [[2, 1], [0, 1]])
    result = scores(confusion, ("road", "sky"))
    np.testing.assert_allclose(result.class_iou, [2 / 3, 1 / 2])
    np.testing.assert_allclose(result.class_precision, [1, 1 / 2])
    np.testing.assert_allclose(result.class_recall, [2 / 3, 1])
    np.testing.assert_allclose(result.class_f1, [4 / 5, 2 / 3])
    np.testing.assert_array_equal(result.support, [3, 1])
    assert result.miou == pytest.approx(7 / 12)
    assert result.accuracy == 0.75
    # By chance they agree in 3/4 x 2/4 + 1/4 x 2/4 = 1/2 of the pixels.
    assert result.kappa == pytest.approx(0.5)
    assert result.mean_accuracy == pytest.approx((2 / 3 + 1) / 2)
    assert result.frequency_weighted_iou == pytest.approx(3 / 4 * 2 / 3 + 1 / 4 * 1 / 2)
    np.testing.assert_array_equal(result.confusion, confusion)


def test_every_score_by_its_definition_over_pixels() -> None:
    """Sets of pixels, class by class, and kappa from the shares: no confusion matrix in between."""
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 6, 3000)
    guess = np.where(rng.random(3000) < 0.6, truth, rng.integers(0, 6, 3000))
    result = scores(confusion_matrix(guess, truth, 6), tuple("abcdef"))
    ious, recalls, weights, chance = [], [], [], 0.0
    for index in range(6):
        is_truth, is_guess = truth == index, guess == index
        both = np.count_nonzero(is_truth & is_guess)
        precision, recall = both / is_guess.sum(), both / is_truth.sum()
        assert result.class_precision[index] == pytest.approx(precision)
        assert result.class_recall[index] == pytest.approx(recall)
        assert result.class_f1[index] == pytest.approx(2 / (1 / precision + 1 / recall))
        ious.append(both / np.count_nonzero(is_truth | is_guess))
        recalls.append(recall)
        weights.append(is_truth.mean())
        chance += is_truth.mean() * is_guess.mean()
    np.testing.assert_allclose(result.class_iou, ious)
    agreed = (truth == guess).mean()
    assert result.accuracy == pytest.approx(agreed)
    assert result.miou == pytest.approx(np.mean(ious))
    assert result.mean_accuracy == pytest.approx(np.mean(recalls))
    assert result.frequency_weighted_iou == pytest.approx(np.dot(weights, ious))
    assert result.kappa == pytest.approx((agreed - chance) / (1 - chance))


def test_ignored_pixels_do_not_count_whatever_was_predicted() -> None:
    """255 is outside the matrix, and so may be the prediction there."""
    label = np.array([[0, 255], [255, 1]], np.uint8)
    pred = np.array([[0, 1], [200, 0]], np.int32)
    np.testing.assert_array_equal(confusion_matrix(pred, label, 2, 255), [[1, 0], [1, 0]])
    assert confusion_matrix(pred, np.full((2, 2), 255, np.uint8), 2).sum() == 0


def test_an_absent_class_is_nan_and_left_out_of_the_mean() -> None:
    """As Cityscapes' own evaluation does; a class only predicted is wrong, not absent."""
    absent = scores(np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]]), ("a", "b", "c"))
    assert np.isnan([absent.class_iou[2], absent.class_f1[2], absent.class_recall[2]]).all()
    assert absent.miou == pytest.approx((3 / 4 + 4 / 5) / 2)
    predicted = scores(np.array([[3, 0, 1], [0, 4, 0], [0, 0, 0]]), ("a", "b", "c"))
    assert predicted.class_iou[2] == 0
    assert predicted.miou == pytest.approx((3 / 4 + 1 + 0) / 3)
    assert np.isnan(predicted.class_recall[2])


def test_nothing_counted_gives_nan_without_a_warning() -> None:
    """An empty evaluation must not end in a division error."""
    result = scores(np.zeros((2, 2), np.int64), ("a", "b"))
    assert np.isnan([result.miou, result.accuracy, result.kappa]).all()
    assert np.isnan([result.mean_accuracy, result.frequency_weighted_iou]).all()


def test_matrices_of_parts_add_up_to_that_of_the_whole() -> None:
    """What makes the result independent of the batch size."""
    rng = np.random.default_rng(0)
    pred, label = rng.integers(0, 19, (2, 6, 40, 30)).astype(np.uint8)
    label[rng.random(label.shape) < 0.1] = 255
    parts = sum(confusion_matrix(p, t, 19) for p, t in zip(pred, label))
    whole = confusion_matrix(pred, label, 19)
    np.testing.assert_array_equal(parts, whole)
    expected = np.zeros((19, 19), np.int64)
    np.add.at(expected, (label[label != 255], pred[label != 255]), 1)
    np.testing.assert_array_equal(whole, expected)


@pytest.mark.parametrize("bad", [2, 254])
def test_ids_outside_the_classes_are_refused(bad: int) -> None:
    """They would land in another class's cell."""
    good, wrong = np.zeros((2, 2), np.uint8), np.full((2, 2), bad, np.uint8)
    with pytest.raises(ValueError, match="label ids"):
        confusion_matrix(good, wrong, 2)
    with pytest.raises(ValueError, match="prediction ids"):
        confusion_matrix(wrong, good, 2)
    with pytest.raises(ValueError, match="shape"):
        confusion_matrix(good[:1], good, 2)
    with pytest.raises(ValueError, match="does not fit"):
        scores(np.zeros((2, 2)), ("a", "b", "c"))


def test_table_and_dict_name_the_classes() -> None:
    """The log shows an absent class as "-", JSON gets null and no NaN."""
    result = scores(np.array([[1, 0], [0, 0]]), ("road", "bus"))
    lines = result.table().splitlines()
    assert lines[1].split() == ["road", "1.0000", "1.0000", "1.0000", "1.0000"]
    assert lines[2].split() == ["bus", "-", "-", "-", "-"]
    assert len({len(line) for line in lines}) == 1
    assert "\nb\\x1b[2J\\n " in scores(np.eye(2, dtype=int), ("road", "b\x1b[2J\n")).table()
    loaded = json.loads(json.dumps(result.as_dict(), allow_nan=False))
    assert loaded["class_iou"] == {"road": 1.0, "bus": None}
    assert loaded["miou"] == 1.0
    assert loaded["kappa"] is None
