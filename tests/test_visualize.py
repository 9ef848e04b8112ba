"""What protects the pictures: right colors at right pixels, void left alone, any image paintable."""

import numpy as np
import pytest

from paddleseg_lite.errors import UserError
from paddleseg_lite.visualize import (
    WRONG_HATCH,
    LabelRow,
    colorize,
    contact_sheet,
    custom_palette,
    label_sheet,
    overlay,
    to_rgb,
    with_legend,
)

HATCHES = [(0, 0, 0), (255, 255, 255), (255, 0, 255), (255, 255, 0)]
PALETTE = np.array([[255, 0, 0], [0, 255, 0]], np.uint8)
LABELS = np.array([[0, 1, 255]], np.uint8)


def test_colorize_paints_classes_and_leaves_void_black():
    """A class has its palette's color; ignored pixels are black."""
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


@pytest.mark.parametrize("width", [20, 200, 2048])
def test_a_legend_has_room_for_every_name(width):
    """Patches of all colors are in it, whatever the picture's width; without names there is none."""
    picture = np.zeros((5, width, 3), np.uint8)
    names = [f"class number {number}" for number in range(9)]
    palette = np.random.default_rng(0).integers(1, 255, (9, 3), np.uint8)
    told = with_legend(picture, names, palette)
    assert told.shape[1] == width
    assert all((told == color).all(axis=2).any() for color in palette)
    np.testing.assert_array_equal(told[:5], picture)
    assert with_legend(picture, (), palette) is picture


def test_contact_sheet_has_a_row_for_each_sample():
    """Four pictures side by side, a title above, a legend below."""
    image = np.zeros((20, 40, 3), np.uint8)
    labels = np.zeros((20, 40), np.uint8)
    one = contact_sheet([(image, labels, labels)], ("a", "b"), PALETTE, width=80)
    two = contact_sheet([(image, labels, labels)] * 2, ("a", "b"), PALETTE, width=80)
    assert two.shape[0] - one.shape[0] == 40 + 6
    assert one.shape[1] == 4 * 86
    assert (one[60, 90] == PALETTE[0]).all(), "the truth is painted in the second column"


@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255), (255, 0, 255), (255, 255, 0), (128, 128, 128)])
@pytest.mark.parametrize("kind", ["ignored", "wrong"])
@pytest.mark.parametrize("size", [1, 40])
def test_pixels_without_a_class_are_seen_on_any_palette(color, kind, size):
    """Protects from ignored pixels that look like a black class; also a single one in a reduced picture."""
    image = np.full((200, 320, 3), color, np.uint8)
    masks = {"ignored": np.zeros((200, 320), bool), "wrong": np.zeros((200, 320), bool)}
    everywhere = LabelRow("b", image, image, ~masks["ignored"], ~masks["wrong"])  # the same legend for all
    plain = label_sheet(
        [LabelRow("a", image, image, **masks), everywhere], ("a",), np.array([color]), width=80
    )
    for left in range(160, 170, 2):
        masks[kind][:] = False
        masks[kind][100 : 100 + size, left : left + size] = True
        rows = [LabelRow("a", image, image, **masks), everywhere]
        sheet = label_sheet(rows, ("a",), np.array([color]), width=80)
        changed = np.argwhere((sheet != plain).any(axis=2))
        columns = changed[:, 1] // 86
        if size > 1 or columns.size or color not in HATCHES:  # of two colors, one may be the class's own
            assert set(columns) == {1, 2}


def test_the_legend_shows_not_allowed_only_where_something_is():
    """Protects from a search for mistakes that are not there."""
    image, right, wrong = np.zeros((20, 40, 3), np.uint8), np.zeros((20, 40), bool), np.ones((20, 40), bool)
    legends = [
        label_sheet([LabelRow("", image, image, right, mask)], ("a",), PALETTE, width=480)[-40:]
        for mask in (right, wrong)
    ]
    magenta = [(legend == WRONG_HATCH[1]).all(axis=2).any() for legend in legends]
    assert magenta == [False, True]


def test_rows_of_a_label_sheet_are_named():
    """Protects the way from a picture to its file, also for long names and for letters cv2 has not."""
    masks = np.zeros((2, 20, 40), bool)
    image = np.zeros((20, 40, 3), np.uint8)
    sheets = [
        label_sheet([LabelRow(title, image, image, *masks)], ("a",), PALETTE, width=80)
        for title in ("train: a.png", "train: b.png", "x" * 99 + "zürich.png", "y" * 99 + "zurich.png", "")
    ]
    assert {sheet.shape for sheet in sheets} == {sheets[0].shape}
    assert len({sheet.tobytes() for sheet in sheets}) == len(sheets)
