"""What protects the pictures: right colours at right pixels, void left alone, any image paintable."""

import numpy as np
import pytest

from paddleseg_lite.errors import UserError
from paddleseg_lite.visualize import colorize, contact_sheet, custom_palette, overlay, to_rgb

PALETTE = np.array([[255, 0, 0], [0, 255, 0]], np.uint8)
LABELS = np.array([[0, 1, 255]], np.uint8)


def test_colorize_paints_classes_and_leaves_void_black():
    """A class has its palette's colour; ignored pixels are black."""
    assert colorize(LABELS, PALETTE).tolist() == [[[255, 0, 0], [0, 255, 0], [0, 0, 0]]]


def test_overlay_blends_classes_and_shows_void_as_it_is():
    """alpha is the image's share; an ignored pixel is the image's own."""
    image = np.full((1, 3, 3), 100, np.uint8)
    assert overlay(image, LABELS, PALETTE, alpha=0.5).tolist() == [
        [[178, 50, 50], [50, 178, 50], [100, 100, 100]]
    ]


def test_custom_palette_must_fit_the_classes():
    """Three values for each class, in order."""
    assert custom_palette([1, 2, 3, 4, 5, 6], 2).tolist() == [[1, 2, 3], [4, 5, 6]]
    with pytest.raises(UserError, match="give 6"):
        custom_palette([1, 2, 3], 2)
    with pytest.raises(UserError, match="0 to 255"):
        custom_palette([1, 2, 3, 4, 5, 256], 2)


@pytest.mark.parametrize(
    ("shape", "dtype"), [((4, 5), np.uint8), ((4, 5, 1), np.uint16), ((4, 5, 7), np.float32)]
)
def test_any_image_becomes_a_picture(shape, dtype):
    """Grey, deep and many-channel images can be painted on."""
    image = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    picture = to_rgb(image)
    assert picture.shape == (4, 5, 3)
    assert picture.dtype == np.uint8


def test_contact_sheet_has_a_row_for_each_sample():
    """Four pictures side by side, a title above, a legend below."""
    image = np.zeros((20, 40, 3), np.uint8)
    labels = np.zeros((20, 40), np.uint8)
    one = contact_sheet([(image, labels, labels)], ("a", "b"), PALETTE, width=80)
    two = contact_sheet([(image, labels, labels)] * 2, ("a", "b"), PALETTE, width=80)
    assert two.shape[0] - one.shape[0] == 40 + 6
    assert one.shape[1] == 4 * 86
    assert (one[60, 90] == PALETTE[0]).all(), "the truth is painted in the second column"
