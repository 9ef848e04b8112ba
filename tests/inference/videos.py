"""Made videos, and captures that are none."""

from __future__ import annotations

import cv2
import numpy as np

from paddleseg_lite.inference.video import predict_video
from paddleseg_lite.transforms import Compose, Normalize
from tests.inference.test_predict import PALETTE, bright


def replace_source(monkeypatch, fake):
    """Make every source a fake one; what was written is still opened by cv2."""
    real = cv2.VideoCapture

    def opened(source):
        return real(source) if "added_prediction" in str(source) else fake()

    monkeypatch.setattr(cv2, "VideoCapture", opened)


class FourFrames:
    """A capture that says it has nine frames and breaks off after four, as torn files do."""

    def __init__(self):
        self.left = 4

    def isOpened(self):
        return True

    def get(self, what):
        return {cv2.CAP_PROP_FRAME_COUNT: 9.0, cv2.CAP_PROP_FPS: 0.0}[what]

    def read(self):
        self.left -= 1
        return (True, np.zeros((48, 64, 3), np.uint8)) if self.left >= 0 else (False, None)

    def release(self):
        pass


def record(path, rate=10.0, frames=4, size=(64, 48)):
    """Write a gray video; its name may be any."""
    plain = path.parent / f"plain{path.suffix}"
    codec = "MJPG" if path.suffix == ".avi" else "mp4v"
    writer = cv2.VideoWriter(str(plain), cv2.VideoWriter.fourcc(*codec), rate, size)
    for _ in range(frames):
        writer.write(np.full((*size[::-1], 3), 128, np.uint8))
    writer.release()
    plain.rename(path)
    return path


def painted(source, out, network=bright, transforms=(), **options):
    """Segment a video in two classes, by default by brightness; return what was written."""
    return predict_video(network, source, Compose([*transforms, Normalize()]), PALETTE, out, **options)
