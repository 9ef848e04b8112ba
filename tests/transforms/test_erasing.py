"""Random erasing by its statistics."""

from __future__ import annotations

import numpy as np
import pytest

from paddleseg_lite.errors import UserError
from paddleseg_lite.transforms import RandomErasing

SIDE = 64


def erased(transform: RandomErasing, draws: int = 400) -> list[np.ndarray]:
    """Return what each draw makes of an image of the value 9, which no mode writes."""
    image = np.full((SIDE, SIDE, 3), 9, np.float32)
    done = [transform.apply(image, seed=seed) for seed in range(draws)]
    assert (image == 9).all(), "an image may be read again"
    return done


def rectangle(image: np.ndarray) -> tuple[int, int, int, int]:
    """Return top, left, height and width of what is erased, and check that it is all of a rectangle."""
    rows, columns = np.nonzero((image != 9).all(2))
    top, left = rows.min(), columns.min()
    height, width = rows.max() - top + 1, columns.max() - left + 1
    assert len(rows) == height * width == (image != 9).any(2).sum()
    return top, left, height, width


def test_how_often_how_much_and_where() -> None:
    """EPSILON is the probability; areas uniform in sl..sh, aspects in r1..1/r1, anywhere in the image."""
    done = erased(RandomErasing(EPSILON=0.25, sl=0.1, sh=0.3, r1=0.5), draws=2000)
    touched = [rectangle(image) for image in done if (image != 9).any()]
    assert len(touched) / len(done) == pytest.approx(0.25, abs=0.03)
    top, left, height, width = np.array(touched).T
    areas, aspects = height * width / SIDE**2, height / width
    assert 0.09 < areas.min() < 0.12
    assert 0.28 < areas.max() < 0.31
    assert areas.mean() == pytest.approx(0.2, abs=0.01)
    assert 0.47 < aspects.min() < 0.6
    assert 1.8 < aspects.max() < 2.1
    assert aspects.mean() == pytest.approx(1.25, abs=0.06)
    for start, length in ((top, height), (left, width)):
        assert start.min() == 0
        assert (start + length).max() == SIDE
        assert (start / (SIDE - length)).mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("mode", ["const", "rand", "pixel"])
def test_what_is_put_there(mode: str) -> None:
    """Zeros; one color of the rectangle; or a color for each pixel, both of the normal distribution."""
    insides = []
    for image in erased(RandomErasing(EPSILON=1, mode=mode)):
        top, left, height, width = rectangle(image)
        inside = image[top : top + height, left : left + width].reshape(-1, 3)
        assert len(np.unique(inside, axis=0)) == (len(inside) if mode == "pixel" else 1)
        insides.append(inside[0])
    values = np.array(insides)
    assert values.mean() == pytest.approx(0, abs=0.1)
    assert values.std() == pytest.approx(0 if mode == "const" else 1, abs=0.1)


def test_a_rectangle_that_cannot_fit() -> None:
    """All attempts fail on an image of one row, which stays as it is."""
    image = np.ones((1, 50, 3), np.float32)
    np.testing.assert_array_equal(RandomErasing(EPSILON=1).apply(image), image)


@pytest.mark.parametrize("attempt", [1, 5])
def test_how_many_attempts(attempt: int) -> None:
    """Half the image fits it with an aspect in 0.5..2, of 0.1..10 drawn: of all attempts one must."""
    done = erased(RandomErasing(EPSILON=1, sl=0.5, sh=0.5, r1=0.1, attempt=attempt), draws=1000)
    fits = (2 - 0.5) / (10 - 0.1)
    expected = 1 - (1 - fits) ** attempt  # 0.15 of one, 0.56 of five; 1.00 of a hundred
    assert np.mean([(image != 9).any() for image in done]) == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"EPSILON": 2}, r"EPSILON must be a number in \[0, 1\], got 2"),
        ({"sh": "1.0/3.0"}, "sh must be a number .* got '1.0/3.0'"),
        ({"sl": 0.5, "sh": 0.2}, r"sl \(0.5\) must not exceed sh \(0.2\)"),
        ({"sh": 1.5}, "sh must be a number"),
        ({"r1": 3}, "r1 must be a number"),
        ({"attempt": 0}, "attempt must be a positive integer"),
        ({"mode": "pixels"}, "mode must be one of const, rand, pixel, got 'pixels'; did you mean 'pixel'?"),
    ],
)
def test_arguments_out_of_range(arguments: dict, message: str) -> None:
    """Also text, which elsewhere is run as code: here it never is."""
    with pytest.raises(UserError, match="RandomErasing: " + message):
        RandomErasing(**arguments)


def test_it_belongs_behind_normalize() -> None:
    """Its zero is the mean there, and black before."""
    with pytest.raises(
        UserError, match="RandomErasing needs a normalised image, got uint8; put it behind Normalize"
    ):
        RandomErasing().apply(np.zeros((8, 8, 3), np.uint8))
