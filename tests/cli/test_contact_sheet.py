"""What protects a contact sheet: beside each image its own prediction."""

from __future__ import annotations

import pytest

from paddleseg_lite.cli.contact_sheet import pair_predictions
from paddleseg_lite.errors import UserError


def make(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return [folder / name for name in names]


def test_predictions_are_paired_by_their_path(tmp_path):
    """Protects images of one name in several folders, as of frames that are numbered in each."""
    images = [tmp_path / "data" / name for name in ("a/1.jpg", "b/1.jpg", "1.jpg", "b/2.png")]
    predictions = make(tmp_path / "out", "a/1.png", "b/1.png", "1.png", "b/3.png")
    assert pair_predictions(images, tmp_path / "out") == dict(zip(images, predictions[:3]))


def test_one_prediction_of_two_images_is_refused(tmp_path):
    """Protects from a sheet that shows another image's prediction."""
    make(tmp_path / "out", "1.png")
    images = [tmp_path / "data/a/1.png", tmp_path / "data/b/1.png"]
    with pytest.raises(UserError, match=r"a/1\.png and of .*b/1\.png; run the command predict on the folder"):
        pair_predictions(images, tmp_path / "out")
