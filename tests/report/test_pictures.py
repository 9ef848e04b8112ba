"""Pictures of a page, and their colors."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
from PIL import Image

from paddleseg_lite.datasets.cityscapes import Cityscapes
from paddleseg_lite.report.colorblind import colorblind_palette, seen_colors
from paddleseg_lite.report.pictures import IGNORED, RIGHT, make_shot
from tests.report.made import CLASSES, observations, palette


def ids(content: bytes) -> np.ndarray:
    """Return the ids in a map's file."""
    with Image.open(io.BytesIO(content)) as image:
        assert image.mode == "P"
        return np.array(image)


def test_maps_keep_their_ids_and_colors() -> None:
    """Other colors are painted by replacing the palette, so it must be whole whatever ids there are."""
    (seen,) = observations(1)
    shot = make_shot(np.zeros((96, 192, 3), np.uint8), seen.label, seen.prediction, palette())
    truth, prediction, errors = map(ids, (shot.truth, shot.prediction, shot.errors))
    np.testing.assert_array_equal(truth, np.where(seen.label == 255, IGNORED, seen.label))
    np.testing.assert_array_equal(prediction, seen.prediction)
    wrong = (seen.label != seen.prediction) & (seen.label != 255)
    np.testing.assert_array_equal(errors[wrong], seen.label[wrong])
    assert set(errors[~wrong]) == {RIGHT, IGNORED}
    for content in (shot.truth, shot.prediction, shot.errors):
        chunks = {kind: content.count(kind) for kind in (b"PLTE", b"tRNS")}
        assert chunks == {b"PLTE": 1, b"tRNS": 1}
        at = content.index(b"PLTE")
        assert int.from_bytes(content[at - 4 : at], "big") == 768
        at = content.index(b"tRNS")
        assert int.from_bytes(content[at - 4 : at], "big") == 256
    with Image.open(io.BytesIO(shot.truth)) as image:
        painted = np.array(image.convert("RGBA"))[..., :3]
    np.testing.assert_array_equal(painted[seen.label != 255], palette()[seen.label[seen.label != 255]])


def test_an_ignored_id_that_is_not_255_is_ignored() -> None:
    """Some data sets ignore the id after their last class."""
    label = np.full((4, 4), len(CLASSES), np.uint8)
    shot = make_shot(np.zeros((4, 4, 3), np.uint8), label, np.zeros((4, 4), np.uint8), palette())
    assert set(ids(shot.errors).ravel()) == {IGNORED}


@pytest.mark.parametrize("classes", [1, 2, 19])
def test_every_kind_of_eyes_can_tell_the_classes_apart(classes: int) -> None:
    """For each, the two most alike colors differ clearly, which Cityscapes' do not."""
    seen = seen_colors(colorblind_palette(classes))
    assert smallest_distance(seen) > 12  # in CIE Lab 2.3 are just noticed side by side
    assert smallest_distance(seen_colors(np.array(Cityscapes.palette, np.uint8))) < 6


def smallest_distance(seen: np.ndarray) -> float:
    """Return the distance of the two colors that are most alike to some eyes."""
    pairs = itertools.combinations(range(seen.shape[1]), 2)
    return min((float(np.linalg.norm(seen[:, a] - seen[:, b], axis=-1).min()) for a, b in pairs), default=99)


def test_the_eyes_are_simulated() -> None:
    """White stays white for all; red and green of one lightness come closer for red-green blindness only."""
    seen = seen_colors(np.array([[255, 255, 255], [255, 0, 0], [0, 130, 0]], np.uint8))
    np.testing.assert_allclose(seen[:, 0], [[100, 0, 0]] * 4, atol=1)
    apart = np.linalg.norm(seen[:, 1] - seen[:, 2], axis=-1)
    assert apart[2] < 0.4 * apart[0]
    assert apart[3] > 0.7 * apart[0]
