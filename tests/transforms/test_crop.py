"""The crops of classification: their statistics, their edge cases, and the pixels that they show."""

from __future__ import annotations

import numpy as np
import pytest

from paddleseg_lite.errors import UserError
from paddleseg_lite.transforms import CenterCrop, Compose, RandomResizedCrop, ResizeByShort, Window


def cropped(transform: RandomResizedCrop, height: int, width: int, draws: int) -> np.ndarray:
    """Return [draws, 4]: left, top, width and height in the source of what each draw shows."""
    rng, found = np.random.default_rng(0), []
    for _ in range(draws):
        window = transform.plan(Window.identity(height, width), rng)
        assert (window.width, window.height) == transform.size
        sides = [(-axis.offset / axis.scale, axis.size / axis.scale) for axis in (window.x, window.y)]
        found.append([*(start for start, _ in sides), *(length for _, length in sides)])
    return np.array(found)


def test_areas_and_aspects_of_random_resized_crops() -> None:
    """Areas uniform in 0.08..1 and aspects log-uniform in 3/4..4/3, as far as they fit; all places alike."""
    left, top, width, height = cropped(RandomResizedCrop(224, scale=(0.08, 0.5)), 400, 400, 4000).T
    areas, aspects = width * height / 160_000, np.log(width / height)
    assert areas.min() >= 0.079
    assert areas.max() <= 0.505
    np.testing.assert_allclose(np.quantile(areas, [0.25, 0.5, 0.75]), [0.185, 0.29, 0.395], atol=0.01)
    assert np.abs(aspects).max() <= np.log(4 / 3) + 0.01
    np.testing.assert_allclose(np.quantile(aspects, [0.25, 0.5, 0.75]), [-0.144, 0, 0.144], atol=0.015)
    for start, length in ((left, width), (top, height)):
        places = start / (400 - length)
        np.testing.assert_allclose(np.quantile(places, [0, 0.5, 1]), [0, 0.5, 1], atol=0.02)


@pytest.mark.parametrize(
    ("height", "width", "expected"), [(100, 1000, (133, 100)), (1000, 100, (100, 133)), (1, 1, (1, 1))]
)
def test_an_image_that_no_draw_fits_into(height: int, width: int, expected: tuple[int, int]) -> None:
    """As large as the aspects 3/4 to 4/3 allow (width, height); one pixel is enough."""
    found = cropped(RandomResizedCrop(8, scale=(0.9, 1.0)), height, width, 20)
    assert {(round(w), round(h)) for w, h in found[:, 2:]} == {expected}


def test_the_middle_of_an_image_whose_short_side_is_256() -> None:
    """What ImageNet is validated on: 512x384 pixels become 341x256, of which 224x224 from (58, 16) stay."""
    image = np.random.default_rng(0).integers(0, 256, (384, 512, 3), np.uint8)
    whole = ResizeByShort(256).apply(image)
    assert whole.shape == (256, 341, 3)
    found = Compose([ResizeByShort(256), CenterCrop(224)]).apply(image)
    # One rendering, on the same pixel grid to within 1/64 of a pixel; another pixel would differ by 85.
    np.testing.assert_allclose(found.astype(int), whole[16:240, 58:282], atol=8)
    with pytest.raises(UserError, match=r"CenterCrop: size is 224x224 .* has 341x200; put ResizeByShort"):
        CenterCrop(224).apply(whole[:200])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, r"size must be \[width, height\]"),
        ({"size": 8, "scale": (0.5, 0.1)}, r"scale\[0\] \(0.5\) must not exceed scale\[1\] \(0.1\)"),
        ({"size": 8, "scale": (0.5, 2)}, r"scale\[1\] must be a number in \[0, 1\]"),
        ({"size": 8, "ratio": 2}, "ratio must be two numbers, got 2"),
        ({"size": 8, "ratio": (0, 2)}, r"ratio\[0\] must be a number"),
    ],
)
def test_arguments_that_make_no_crop(arguments: dict, message: str) -> None:
    """Told when the config is read, not in a worker."""
    with pytest.raises(UserError, match=f"RandomResizedCrop: {message}"):
        RandomResizedCrop(**arguments)
