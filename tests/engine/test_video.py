"""What protects videos: as many frames out as in, of the same size, painted where the network says."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from paddleseg_lite.engine.video import is_video, predict_video
from paddleseg_lite.errors import UserError
from paddleseg_lite.transforms import Compose, Normalize
from tests.engine.test_predict import PALETTE, bright


def test_a_video_goes_in_and_one_comes_out(tmp_path):
    """Nine frames at 10 frames/s; the overlay is the image's and the class's colour, mixed."""
    source = tmp_path / "drive.avi"
    writer = cv2.VideoWriter(str(source), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    frame = np.zeros((48, 64, 3), np.uint8)
    frame[:, 32:] = 255
    for _ in range(9):
        writer.write(frame)
    writer.release()
    result = predict_video(bright, source, Compose([Normalize()]), PALETTE, tmp_path / "out")
    assert result.frames == 9
    assert result.path == tmp_path / "out" / "added_prediction" / "drive.mp4"
    assert [path.name for path in result.path.parent.iterdir()] == ["drive.mp4"], "no temporary file is left"
    capture = cv2.VideoCapture(str(result.path))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(10)
    frames = []
    while (read := capture.read())[0]:
        frames.append(read[1])
    assert len(frames) == 9
    assert frames[4].shape == (48, 64, 3)
    expected = 0.6 * 255 + 0.4 * PALETTE[1][::-1]  # cv2 reads BGR
    np.testing.assert_allclose(frames[4][24, 56], expected, atol=12)


class FourFrames:
    """A capture that says it has nine frames and breaks off after four, as torn files do."""

    def __init__(self, *_):
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


def test_a_camera_stops_and_a_torn_video_is_told(tmp_path, monkeypatch, caplog):
    """A camera by its number, for as many frames as asked; what breaks off early is kept, with a warning."""
    monkeypatch.setattr(cv2, "VideoCapture", FourFrames)
    work = (Compose([Normalize()]), PALETTE, tmp_path / "out")
    result = predict_video(bright, "0", *work, max_frames=2)
    assert (result.frames, result.path.name) == (2, "camera0.mp4")
    assert not caplog.text
    (tmp_path / "torn.mp4").touch()
    result = predict_video(bright, tmp_path / "torn.mp4", *work)
    assert (result.frames, result.lost) == (4, 5)
    assert "9 frames; 4 could be read" in caplog.text


class Interrupted(FourFrames):
    """Ctrl-C comes while the third frame is read."""

    def read(self):
        if self.left == 2:
            raise KeyboardInterrupt
        return super().read()


class Gap(FourFrames):
    """The second of nine frames cannot be read."""

    def __init__(self, *_):
        self.left = 9

    def read(self):
        found, frame = super().read()
        return (False, None) if self.left == 7 else (found, frame)


def test_what_follows_a_torn_frame_is_read(tmp_path, monkeypatch):
    """It is counted, and the others are there."""
    monkeypatch.setattr(cv2, "VideoCapture", Gap)
    (tmp_path / "torn.mp4").touch()
    result = predict_video(bright, tmp_path / "torn.mp4", Compose([Normalize()]), PALETTE, tmp_path / "out")
    assert (result.frames, result.lost) == (8, 1)


def test_an_interrupted_file_leaves_the_earlier_result(tmp_path, monkeypatch):
    """Half a video would look like a whole one; a camera's recording ends in this way, and is kept."""
    work = (Compose([Normalize()]), PALETTE, tmp_path / "out")
    monkeypatch.setattr(cv2, "VideoCapture", Interrupted)
    monkeypatch.setattr("paddleseg_lite.engine.predict.WAITING", 0)
    (tmp_path / "drive.mp4").touch()
    earlier = tmp_path / "out" / "added_prediction" / "drive.mp4"
    earlier.parent.mkdir(parents=True)
    earlier.write_bytes(b"earlier")
    with pytest.raises(KeyboardInterrupt):
        predict_video(bright, tmp_path / "drive.mp4", *work)
    assert earlier.read_bytes() == b"earlier"
    assert [path.name for path in earlier.parent.iterdir()] == ["drive.mp4"]
    assert predict_video(bright, "0", *work).frames > 0


def test_a_video_never_replaces_itself(tmp_path):
    """Its folder may be the results' one."""
    source = tmp_path / "added_prediction" / "drive.mp4"
    source.parent.mkdir()
    source.touch()
    with pytest.raises(UserError, match="would replace"):
        predict_video(bright, source, Compose([Normalize()]), PALETTE, tmp_path)
    assert source.exists()


@pytest.mark.parametrize("content", [None, b"no video at all"])
def test_a_video_that_cannot_be_read_is_named(tmp_path, content):
    """Missing or damaged; nothing is left behind."""
    source = tmp_path / "drive.mp4"
    if content is not None:
        source.write_bytes(content)
    with pytest.raises(UserError, match=r"drive\.mp4"):
        predict_video(bright, source, Compose([Normalize()]), PALETTE, tmp_path / "out")
    assert not list(tmp_path.rglob(".drive*"))


def test_what_is_a_video(tmp_path, monkeypatch):
    """By name; a number is a camera, unless a folder is called so."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "7").mkdir()
    assert not is_video("7")
    assert all(map(is_video, ("a.mp4", "b.AVI", "0", "/dev/video1")))
    assert not any(map(is_video, ("a.png", "folder", "list.txt")))


@pytest.mark.parametrize(("source", "named"), [("97", "no camera 97"), ("broken.mp4", "cannot decode")])
def test_what_cannot_be_opened_is_named(tmp_path, monkeypatch, source, named):
    """A camera that is not there, and a file that is no video."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.mp4").write_text("no video")
    with pytest.raises(UserError, match=named):
        predict_video(bright, source, Compose([Normalize()]), PALETTE, tmp_path / "out")
