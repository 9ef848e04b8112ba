"""The drive into a drawn street that `make street` segments."""

from __future__ import annotations

import cv2
import numpy as np

from demo.streetscenes import drive
from demo.streetscenes.scene import render_scene


def test_the_video_begins_with_the_photo_and_drives_on(tmp_path, monkeypatch):
    """Protects a user who has no video: that it can be read, and that something moves in it."""
    monkeypatch.setattr(drive, "SIZE", (128, 64))
    monkeypatch.setattr(drive, "FRAMES", 3)
    photo, video = drive.draw(tmp_path / "new")
    capture = cv2.VideoCapture(str(video))
    frames = [capture.read()[1].astype(float) for _ in range(3)]
    assert not capture.read()[0]
    changes = [np.abs(frame - cv2.imread(str(photo))).mean() for frame in frames]
    assert changes[0] < 8  # what MPEG-4 loses of such noise
    assert changes[0] < changes[1] < changes[2]


def test_further_along_it_is_the_same_street():
    """Protects the ground and the shadows, of which parts are laid out before the camera's feet."""
    labels = [render_scene(*drive.SCENE, 256, 128, ahead=metres)[1] for metres in (0.0, 0.2, 4.0)]
    assert 0 < (labels[0] != labels[1]).mean() < 0.15
    assert (labels[0] != labels[2]).mean() > (labels[0] != labels[1]).mean()
    first, last = (
        render_scene(*drive.SCENE, 256, 128, ahead=metres)[0][96:, 96:160] for metres in (0.0, 4.0)
    )
    assert abs(first.mean() - last.mean()) < 25  # the road ahead keeps its brightness
