"""IoU in parts of images, against values by hand and the definitions, written out pixel by pixel."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as drawn_arrays

from paddleseg_lite.metrics.components import run_lengths, sized_runs
from paddleseg_lite.metrics.regions import BoundaryIoU, IoUByRow, IoUBySize, TrimapIoU
from tests.metrics.drawn import drawn, filled, seen

CLASSES = ("a", "b", "c")
shapes = st.tuples(st.integers(1, 9), st.integers(1, 11))


def pictures(ids: list[int]) -> st.SearchStrategy[np.ndarray]:
    """Draw pictures of a few ids, of a shape that is drawn with them: two of one shape, stacked."""
    return shapes.flatmap(
        lambda shape: drawn_arrays.arrays(np.uint8, (2, *shape), elements=st.sampled_from(ids))
    )


def window(picture: np.ndarray, row: int, column: int, reach: int) -> np.ndarray:
    """Return the pixels at most `reach` rows and columns away that there are."""
    return picture[max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1]


def iou(counts: np.ndarray) -> list[float | None]:
    """Return right / (labelled + predicted - right), None for nothing."""
    return [int(r) / int(t + p - r) if t + p - r else None for r, t, p in counts.T]


def counted(pairs: list[tuple[int, int]]) -> np.ndarray:
    """Return the counts [3, K] of pixels given as (truth, prediction)."""
    counts = np.zeros((3, len(CLASSES)), int)
    for truth, guess in pairs:
        counts[1, truth] += 1
        counts[2, guess] += 1
        counts[0, truth] += truth == guess
    return counts


def test_boundary_by_hand() -> None:
    """Truth: 6 x 6 of one class, whose contour is its outer ring of 20; a corner is predicted wrongly.

    Of the prediction's class the contour is the ring without that corner, 19, and the pixel behind it.
    """
    guess = np.zeros((6, 6))
    guess[0, 0] = 1
    result = filled(BoundaryIoU(CLASSES), [seen(0, guess, np.zeros((6, 6)))]).result()
    assert result["class_iou"] == {"a": 19 / 21, "b": 0.0, "c": None}
    assert result["miou"] == pytest.approx(19 / 42)
    assert result["width"] == 0.02


def contour_by_the_paper(mask: np.ndarray, width: int) -> np.ndarray:
    """Return a mask without what `width` erosions by 3 x 3 leave of it, nothing being beyond the edge."""
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    left = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=width)[1:-1, 1:-1]
    return mask & (left == 0)


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (60, 90), (90, 160), (500, 700)], ids=str)
def test_boundary_is_the_iou_of_masks_less_their_erosion(size: tuple[int, int]) -> None:
    """Class by class as the paper has it, with 2 % of the diagonal: 1 to 17 pixels."""
    (image,) = drawn(1, 3, size, seed=3)
    width = max(1, round(0.02 * np.sqrt(size[0] ** 2 + size[1] ** 2)))
    expected = {}
    for index, name in enumerate(CLASSES):
        valid = image.label != 255
        truth, guess = (
            contour_by_the_paper((ids == index) & valid, width) for ids in (image.label, image.prediction)
        )
        union = np.count_nonzero(truth | guess)
        expected[name] = np.count_nonzero(truth & guess) / union if union else None
    assert filled(BoundaryIoU(CLASSES), [image]).result()["class_iou"] == expected


@given(pictures([0, 1, 2, 255]))
@settings(max_examples=60, deadline=None)
def test_boundary_by_its_definition(pair: np.ndarray) -> None:
    """A pixel counts if one within the width is of another id, ignored or beyond the edge."""
    label, guess = pair[0], pair[1] % 3
    width = max(1, round(0.02 * np.hypot(*label.shape)))
    masked = np.where(label == 255, 255, guess)
    counts = np.zeros((3, 3), int)
    for row, column in np.argwhere(label != 255):
        near = []
        for ids in (label, masked):
            padded = np.pad(ids, width, constant_values=254)
            around = padded[row : row + 2 * width + 1, column : column + 2 * width + 1]
            near.append(bool((around != ids[row, column]).any()))
        truth, found = label[row, column], guess[row, column]
        counts[1, truth] += near[0]
        counts[2, found] += near[1]
        counts[0, truth] += all(near) and truth == found
    metric = filled(BoundaryIoU(CLASSES), [seen(0, guess, label)])
    np.testing.assert_array_equal(metric.counts[0], counts)


def test_trimap_by_hand() -> None:
    """A row of 4 and 4 pixels: bands of 1 and 2 on each side, and from 4 on all of it."""
    label, guess = [[0, 0, 0, 0, 1, 1, 1, 1]], [[0, 0, 0, 1, 1, 1, 1, 0]]
    result = filled(TrimapIoU(CLASSES), [seen(0, guess, label)]).result()
    assert result["regions"] == ["1", "2", "4", "8", "16", "32"]
    assert result["class_iou"]["a"] == [0.0, 1 / 2, 3 / 5, 3 / 5, 3 / 5, 3 / 5]
    assert result["class_iou"]["b"] == [1 / 2, 2 / 3, 3 / 5, 3 / 5, 3 / 5, 3 / 5]
    assert result["class_pixels"] == {"a": [1, 2, 4, 4, 4, 4], "b": [1, 2, 4, 4, 4, 4], "c": [0] * 6}
    assert result["miou"][0] == pytest.approx(1 / 4)


def test_what_is_ignored_is_no_border() -> None:
    """Neither beside an ignored pixel nor at the image's edge, for the first class and the last."""
    for one, other in itertools.permutations((0, 2)):
        label = [[one, one, 255, other, other]]
        assert not filled(TrimapIoU(CLASSES), [seen(0, label, label)]).counts.any()


@given(pictures([0, 1, 2, 255]))
@settings(max_examples=60, deadline=None)
def test_trimap_by_its_definition(pair: np.ndarray) -> None:
    """Border pixels touch another class; a band has what is less than its width away from one."""
    label, guess = pair[0], pair[1] % 3
    border = np.zeros(label.shape, bool)
    for row, column in np.argwhere(label != 255):
        around = window(label, row, column, 1)
        border[row, column] = ((around != label[row, column]) & (around != 255)).any()
    metric = filled(TrimapIoU(CLASSES), [seen(0, guess, label)])
    for index, width in enumerate(TrimapIoU.widths):
        pairs = [
            (label[row, column], guess[row, column])
            for row, column in np.argwhere(label != 255)
            if window(border, row, column, width - 1).any()
        ]
        np.testing.assert_array_equal(metric.counts[index], counted(pairs), err_msg=str(width))


def test_rows_by_hand_and_by_bands() -> None:
    """Of 20 rows each two are a band; of 5 rows some bands have none."""
    (image,) = drawn(1, 3, (20, 30))
    result = filled(IoUByRow(CLASSES), [image]).result()
    for band in range(10):
        rows = slice(2 * band, 2 * band + 2)
        label, guess = image.label[rows], image.prediction[rows]
        pairs = list(zip(label[label != 255], guess[label != 255]))
        expected = iou(counted(pairs))
        assert [result["class_iou"][name][band] for name in CLASSES] == expected
        assert result["miou"][band] == pytest.approx(
            np.mean([value for value in expected if value is not None])
        )
    short = filled(IoUByRow(CLASSES), [seen(0, np.eye(5), np.eye(5))]).result()
    assert short["miou"] == [1.0, None] * 5
    assert short["regions"][0] == "0-10%"


def test_sizes_by_hand() -> None:
    """Objects of 30 x 30, 40 x 40 and 100 x 100 pixels on a ground, and a wrong one of 10 x 10."""
    label = np.zeros((300, 400))
    label[10:40, 10:40] = label[100:140, 100:140] = label[190:290, 200:300] = 1
    guess = label.copy()
    guess[10:40, 10:25] = 0  # half of the small one is missed
    guess[50:60, 350:360] = 1  # there is none
    result = filled(IoUBySize(CLASSES), [seen(0, guess, label)]).result()
    assert result["regions"] == ["small", "medium", "large"]
    assert result["class_iou"]["b"] == [450 / (900 + 100), 1.0, 1.0]
    ground = 300 * 400 - 900 - 1600 - 10000
    assert result["class_iou"]["a"] == [None, None, (ground - 100) / (ground + 450)]
    assert result["class_pixels"]["b"] == [900, 1600, 10000]


def sizes_by_flood(ids: np.ndarray) -> np.ndarray:
    """Return the size of each pixel's object, by filling one after the other."""
    sizes = np.zeros(ids.shape, int)
    for start in np.ndindex(ids.shape):
        if sizes[start]:
            continue
        found, todo = {start}, [start]
        while todo:
            row, column = todo.pop()
            for step in itertools.product((-1, 0, 1), repeat=2):
                place = (row + step[0], column + step[1])
                inside = 0 <= place[0] < ids.shape[0] and 0 <= place[1] < ids.shape[1]
                if inside and place not in found and ids[place] == ids[start]:
                    found.add(place)
                    todo.append(place)
        for place in found:
            sizes[place] = len(found)
    return sizes


@given(pictures([0, 1, 2, 255]))
@settings(max_examples=100, deadline=None)
def test_sizes_by_their_definition(pair: np.ndarray) -> None:
    """Misses count at the labelled object's size, false alarms at the predicted one's."""
    label, guess = pair[0], pair[1] % 3

    class Small(IoUBySize):
        bounds = (3, 6)

    truth_sizes = sizes_by_flood(label)
    guess_sizes = sizes_by_flood(np.where(label == 255, 255, guess))
    counts = np.zeros((3, 3, 3), int)
    for place in map(tuple, np.argwhere(label != 255)):
        truth, found = label[place], guess[place]
        of_truth, of_guess = (int(np.digitize(sizes[place], (3, 6))) for sizes in (truth_sizes, guess_sizes))
        counts[of_truth, 1, truth] += 1
        if truth == found:
            counts[of_truth, 0, truth] += 1
            counts[of_truth, 2, truth] += 1
        else:
            counts[of_guess, 2, found] += 1
    np.testing.assert_array_equal(filled(Small(CLASSES), [seen(0, guess, label)]).counts, counts)


def sizes_by_runs(ids: np.ndarray) -> np.ndarray:
    """Return the size of each pixel's object, as the metric finds them."""
    starts, sizes = sized_runs(ids)
    return np.repeat(sizes, run_lengths(starts, ids.size)).reshape(ids.shape)


def test_objects_of_any_shape_are_found_in_few_steps() -> None:
    """Combs, spirals and noise: joining runs must not take a step for each of a thousand teeth."""
    comb = np.zeros((50, 2001), np.uint8)
    comb[:, ::2] = 1
    for ids, whole in ((np.vstack([comb, np.ones_like(comb)]), 50 * 1001 + 50 * 2001), (1 - comb, 50)):
        for turned in (ids, ids[::-1].copy()):
            assert sizes_by_runs(turned)[turned == 1].max() == whole
    noise = np.random.default_rng(0).integers(0, 2, (70, 80)).astype(np.uint8)
    np.testing.assert_array_equal(sizes_by_runs(noise), sizes_by_flood(noise))


@pytest.mark.parametrize("kind", [BoundaryIoU, TrimapIoU, IoUByRow, IoUBySize], ids=str)
def test_an_ignored_id_among_the_classes(kind: type[BoundaryIoU]) -> None:
    """`ignore_index` may be any id: a class of that number can be predicted, but is in no label."""
    (image,) = drawn(1, 3, (30, 40))
    moved = seen(
        0, image.prediction, np.where(image.label == 255, 1, np.where(image.label == 1, 2, image.label))
    )
    same = seen(0, image.prediction, np.where(moved.label == 1, 255, moved.label))
    first, second = filled(kind(CLASSES, 1), [moved]), filled(kind(CLASSES, 255), [same])
    np.testing.assert_array_equal(first.counts, second.counts)
    assert not first.counts[:, 1, 1].any()
