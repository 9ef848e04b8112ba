"""A crop for Cityscapes on small photos: most of every batch would be gray, and training slow for nothing."""

from __future__ import annotations

import pytest

from paddleseg_lite.datasets.padding import padding_warning
from paddleseg_lite.transforms import (
    Compose,
    Normalize,
    Padding,
    RandomDistort,
    RandomHorizontalFlip,
    RandomPaddingCrop,
    ResizeStepScaling,
)

SCALES = ResizeStepScaling(0.5, 2.0, 0.25)


def recipe(crop_size: list[int]) -> Compose:
    """What most configs have."""
    return Compose(
        [SCALES, RandomPaddingCrop(crop_size), RandomHorizontalFlip(), RandomDistort(), Normalize()]
    )


def test_small_photos_under_a_large_crop_are_told() -> None:
    """With the sizes, how bad it is, and what suits them, which is then not told."""
    text = padding_warning(recipe([1536, 768]), {(360, 480): 5}) or ""
    assert "such as 480x360" in text
    assert "the 1536x768 (width x height)" in text
    assert "a crop_size of [480, 352] suits them" in text
    assert 70 < int(text.split("%")[0]) < 90
    assert padding_warning(recipe([480, 352]), {(360, 480): 5}) is None


@pytest.mark.parametrize(
    ("transforms", "sizes"),
    [
        (recipe([1536, 768]), {(1024, 2048): 9}),
        (recipe([1536, 768]), {(1024, 2048): 9, (360, 480): 1}),
        (Compose([]), {(9, 9): 1}),
        (recipe([64, 64]), {}),
        (Compose([Padding([8, 8])]), {(360, 480): 1}),
    ],
    ids=["large", "few are small", "no transforms", "none could be read", "cannot be planned"],
)
def test_what_suits_is_not_told(transforms: Compose, sizes: dict[tuple[int, int], int]) -> None:
    """Nor what cannot be known: the error comes from the image itself."""
    assert padding_warning(transforms, sizes) is None
