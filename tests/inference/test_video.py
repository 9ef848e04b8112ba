"""What protects videos: as many frames out as in, of the same size, painted where the network says."""

from __future__ import annotations

import subprocess
import sys
import threading

import cv2
import numpy as np
import pytest

from paddleseg_lite.inference import video
from tests.inference.test_predict import PALETTE, bright
from tests.inference.videos import FourFrames, painted, record, replace_source
from tests.paths import REPOSITORY


def test_a_video_goes_in_and_one_comes_out(tmp_path, reads_by):
    """Nine frames at 10 frames/s; the overlay is the image's and the class's color, mixed."""
    source = tmp_path / "drive.avi"
    writer = cv2.VideoWriter(str(source), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    frame = np.zeros((48, 64, 3), np.uint8)
    frame[:, 32:] = 255
    for _ in range(9):
        writer.write(frame)
    writer.release()
    result = painted(source, tmp_path / "out")
    assert result.frames == 9
    assert result.path == tmp_path / "out" / "added_prediction" / "drive.avi.mp4"
    assert [path.name for path in result.path.parent.iterdir()] == ["drive.avi.mp4"], (
        "no temporary file is left"
    )
    capture = cv2.VideoCapture(str(result.path))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(10)
    frames = []
    while (read := capture.read())[0]:
        frames.append(read[1])
    assert len(frames) == 9
    assert frames[4].shape == (48, 64, 3)
    expected = 0.6 * 255 + 0.4 * PALETTE[1][::-1]  # cv2 reads BGR
    np.testing.assert_allclose(frames[4][24, 56], expected, atol=12)


def test_a_video_with_a_legend(tmp_path, reads_by):
    """Below each frame; its colors are the palette's."""
    source = record(tmp_path / "drive.avi", frames=3)
    result = painted(source, tmp_path / "out", legend=("road", "sky"))
    found, frame = cv2.VideoCapture(str(result.path)).read()
    assert found
    assert result.frames == 3
    assert frame.shape == (48 + 2 * 28 + 6, 64, 3), "two lines: there is no room for two columns"
    for number, color in enumerate(PALETTE[:2]):
        np.testing.assert_allclose(frame[48 + 28 * number + 12, 16], color[::-1], atol=25)


class Interrupted(FourFrames):
    """Ctrl-C comes while the seventh of nine frames is read."""

    def __init__(self):
        self.left = 9

    def read(self):
        if self.left == 3:
            raise KeyboardInterrupt
        return super().read()


def test_frames_are_read_and_painted_beside_inference(tmp_path, monkeypatch):
    """Decoding, transforms and overlays cost as much as a small network: each has a thread, and one only."""
    threads = {}

    def note(what):
        threads.setdefault(what, set()).add(threading.current_thread())

    class Noted(FourFrames):
        def read(self):
            note("read")
            return super().read()

    class NotedTransform:
        def __call__(self, sample, rng):
            note("transform")
            return sample

    def noted_overlay(*args):
        note("overlay")
        return real_overlay(*args)

    def network(images):
        note("network")
        return bright(images)

    real_overlay = video.overlay
    monkeypatch.setattr(video, "overlay", noted_overlay)
    replace_source(monkeypatch, Noted)
    assert painted("0", tmp_path / "out", network, [NotedTransform()]).frames == 4
    assert threads["network"] == {threading.main_thread()}
    assert threads["read"] == threads["transform"]
    assert len(threads["read"] | threads["overlay"] | threads["network"]) == 3


def test_memory_is_bounded(tmp_path, monkeypatch):
    """A slow network does not let the frames of a whole film pile up, and no frame changes its place."""
    read, ahead, order = [], [], []

    class Shades(FourFrames):
        def __init__(self):
            self.left = 40

        def read(self):
            found, frame = super().read()
            read.append(found)
            return found, frame + np.uint8(self.left) if found else None

    def network(images):
        ahead.append(len(read) - len(ahead))
        order.append(float(images.max()))
        return bright(images)

    replace_source(monkeypatch, Shades)
    assert painted("0", tmp_path / "out", network).frames == 40
    assert max(ahead) <= 4
    assert order == sorted(set(order), reverse=True)


def test_what_fails_in_a_thread_is_told(tmp_path, monkeypatch):
    """A trace that dies with its thread would leave a short video."""

    def fails(*_):
        raise ValueError("no such color")

    replace_source(monkeypatch, FourFrames)
    with pytest.raises(ValueError, match="no such color"):
        painted("0", tmp_path / "out", transforms=[fails])
    monkeypatch.setattr(video, "overlay", fails)
    with pytest.raises(ValueError, match="no such color"):
        painted("0", tmp_path / "out", max_frames=1)
    assert not list((tmp_path / "out").rglob("*.mp4"))


LIMITED = """
import resource, signal, sys
from pathlib import Path
from paddleseg_lite.inference import video
from paddleseg_lite.errors import UserError
from tests.inference.videos import painted
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
if sys.argv[4] == "OpenCV":
    video.missing_modules = lambda *names: list(names)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
try:
    painted(sys.argv[1], Path(sys.argv[2]))
except UserError as error:
    print(error)
"""


@pytest.mark.slow
def test_a_full_disk_is_told_and_the_earlier_result_stays(tmp_path, reads_by):
    """cv2's writer says nothing when nothing more fits, and the torn file would replace a good one."""
    source = tmp_path / "drive.avi"
    writer = cv2.VideoWriter(str(source), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    rng = np.random.default_rng(0)
    for _ in range(20):
        writer.write(rng.integers(0, 256, (48, 64, 3), np.uint8))
    writer.release()
    earlier = tmp_path / "out" / "added_prediction" / "drive.avi.mp4"
    earlier.parent.mkdir(parents=True)
    earlier.write_bytes(b"earlier")

    def told(limit):
        command = [sys.executable, "-c", LIMITED, str(source), str(tmp_path / "out"), str(limit), reads_by]
        root = REPOSITORY
        return subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=True).stdout

    text = told(8192)
    assert f"cannot write {earlier}" in text
    assert ("File too large" if reads_by == "PyAV" else "is the disk full?") in text
    assert earlier.read_bytes() == b"earlier"
    assert [path.name for path in earlier.parent.iterdir()] == ["drive.avi.mp4"], "no temporary file is left"
    assert told(2**30) == ""
    whole = earlier.read_bytes()
    offsets = whole.rfind(b"stco")  # where the frames are; their number stands before
    assert f"cannot write {earlier}" in told(offsets + 8), "the index, at the end, is torn"
    assert earlier.read_bytes() == whole


def test_an_interrupted_file_leaves_the_earlier_result(tmp_path, monkeypatch):
    """Half a video would look like a whole one; a camera's recording ends in this way, and is kept."""
    replace_source(monkeypatch, Interrupted)
    (tmp_path / "drive.mp4").touch()
    earlier = tmp_path / "out" / "added_prediction" / "drive.mp4"
    earlier.parent.mkdir(parents=True)
    earlier.write_bytes(b"earlier")
    with pytest.raises(KeyboardInterrupt):
        painted(tmp_path / "drive.mp4", tmp_path / "out")
    assert earlier.read_bytes() == b"earlier"
    assert [path.name for path in earlier.parent.iterdir()] == ["drive.mp4"]
    assert painted("0", tmp_path / "out").frames > 0
