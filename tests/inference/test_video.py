"""What protects videos: as many frames out as in, of the same size, painted where the network says."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from paddleseg_lite.errors import UserError
from paddleseg_lite.inference import video
from paddleseg_lite.inference.video import is_video, predict_video, writable_rate
from paddleseg_lite.transforms import Compose, Normalize
from tests.inference.test_predict import PALETTE, bright
from tests.paths import REPOSITORY


def test_a_video_goes_in_and_one_comes_out(tmp_path):
    """Nine frames at 10 frames/s; the overlay is the image's and the class's color, mixed."""
    source = tmp_path / "drive.avi"
    writer = cv2.VideoWriter(str(source), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    frame = np.zeros((48, 64, 3), np.uint8)
    frame[:, 32:] = 255
    for _ in range(9):
        writer.write(frame)
    writer.release()
    result = predict_video(bright, source, Compose([Normalize()]), PALETTE, tmp_path / "out")
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


def test_a_video_with_a_legend(tmp_path):
    """Below each frame; its colors are the palette's."""
    source = tmp_path / "drive.avi"
    writer = cv2.VideoWriter(str(source), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for _ in range(3):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    work = (bright, source, Compose([Normalize()]), PALETTE)
    result = predict_video(*work, tmp_path / "out", legend=("road", "sky"))
    found, frame = cv2.VideoCapture(str(result.path)).read()
    assert found
    assert result.frames == 3
    assert frame.shape == (48 + 2 * 28 + 6, 64, 3), "two lines: there is no room for two columns"
    for number, color in enumerate(PALETTE[:2]):
        np.testing.assert_allclose(frame[48 + 28 * number + 12, 16], color[::-1], atol=25)


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


def test_a_camera_stops_and_a_torn_video_is_told(tmp_path, monkeypatch, caplog):
    """A camera by its number, for as many frames as asked; what breaks off early is kept, with a warning."""
    replace_source(monkeypatch, FourFrames)
    work = (Compose([Normalize()]), PALETTE, tmp_path / "out")
    result = predict_video(bright, "0", *work, max_frames=2)
    assert (result.frames, result.path.name) == (2, "camera0.mp4")
    assert not caplog.text
    (tmp_path / "torn.mp4").touch()
    result = predict_video(bright, tmp_path / "torn.mp4", *work)
    assert (result.frames, result.lost) == (4, 5)
    assert "9 frames; 4 could be read" in caplog.text


class Interrupted(FourFrames):
    """Ctrl-C comes while the seventh of nine frames is read."""

    def __init__(self):
        self.left = 9

    def read(self):
        if self.left == 3:
            raise KeyboardInterrupt
        return super().read()


class Gap(FourFrames):
    """The second of nine frames cannot be read."""

    def __init__(self):
        self.left = 9

    def read(self):
        found, frame = super().read()
        return (False, None) if self.left == 7 else (found, frame)


def test_what_follows_a_torn_frame_is_read(tmp_path, monkeypatch):
    """It is counted, and the others are there."""
    replace_source(monkeypatch, Gap)
    (tmp_path / "torn.mp4").touch()
    result = predict_video(bright, tmp_path / "torn.mp4", Compose([Normalize()]), PALETTE, tmp_path / "out")
    assert (result.frames, result.lost) == (8, 1)


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
    transforms = Compose([NotedTransform(), Normalize()])
    assert predict_video(network, "0", transforms, PALETTE, tmp_path / "out").frames == 4
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
    assert predict_video(network, "0", Compose([Normalize()]), PALETTE, tmp_path / "out").frames == 40
    assert max(ahead) <= 4
    assert order == sorted(set(order), reverse=True)


def test_what_fails_in_a_thread_is_told(tmp_path, monkeypatch):
    """A trace that dies with its thread would leave a short video."""

    def fails(*_):
        raise ValueError("no such color")

    replace_source(monkeypatch, FourFrames)
    work = (PALETTE, tmp_path / "out")
    with pytest.raises(ValueError, match="no such color"):
        predict_video(bright, "0", Compose([fails, Normalize()]), *work)
    monkeypatch.setattr(video, "overlay", fails)
    with pytest.raises(ValueError, match="no such color"):
        predict_video(bright, "0", Compose([Normalize()]), *work, max_frames=1)
    assert not list((tmp_path / "out").rglob("*.mp4"))


LIMITED = """
import resource, signal, sys
from pathlib import Path
from paddleseg_lite.inference.video import predict_video
from paddleseg_lite.errors import UserError
from paddleseg_lite.transforms import Compose, Normalize
from tests.inference.test_predict import PALETTE, bright
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
try:
    predict_video(bright, sys.argv[1], Compose([Normalize()]), PALETTE, Path(sys.argv[2]))
except UserError as error:
    print(error)
"""


@pytest.mark.slow
def test_a_full_disk_is_told_and_the_earlier_result_stays(tmp_path):
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
        command = [sys.executable, "-c", LIMITED, str(source), str(tmp_path / "out"), str(limit)]
        root = REPOSITORY
        return subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=True).stdout

    text = told(8192)
    assert f"cannot write {earlier}" in text
    assert "is the disk full?" in text
    assert earlier.read_bytes() == b"earlier"
    assert [path.name for path in earlier.parent.iterdir()] == ["drive.avi.mp4"], "no temporary file is left"
    assert told(2**30) == ""
    whole = earlier.read_bytes()
    offsets = whole.rfind(b"stco")  # where the frames are; their number stands before
    assert f"cannot write {earlier}" in told(offsets + 8), "the index, at the end, is torn"
    assert earlier.read_bytes() == whole


def test_an_interrupted_file_leaves_the_earlier_result(tmp_path, monkeypatch):
    """Half a video would look like a whole one; a camera's recording ends in this way, and is kept."""
    work = (Compose([Normalize()]), PALETTE, tmp_path / "out")
    replace_source(monkeypatch, Interrupted)
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


def test_videos_of_one_stem_keep_a_result_each(tmp_path):
    """Protects a.mp4's result from a.avi's."""
    sources = [record(tmp_path / name) for name in ("a.mp4", "a.avi", "a.MP4")]
    work = (Compose([Normalize()]), PALETTE, tmp_path / "out")
    results = [predict_video(bright, source, *work, max_frames=1).path for source in sources]
    assert [path.name for path in results] == ["a.mp4", "a.avi.mp4", "a.MP4.mp4"]
    assert all(map(Path.exists, results))


@pytest.mark.parametrize("name", ["caf\udce9.mp4", "a:b.mp4", "pipe:0.avi", "ü\n.mp4"])
def test_a_video_of_any_name_is_read_and_written(tmp_path, monkeypatch, name):
    """Protects from cv2, which crashes at a name that is no UTF-8 and takes a colon for a protocol's."""
    record(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    out = Path("out" + os.fsdecode(b"\xff"))
    result = predict_video(bright, name, Compose([Normalize()]), PALETTE, out)
    assert result.frames == 4
    assert result.path.exists()


@pytest.mark.parametrize(
    "rate", [0.1, 0.1234, 12.345, 29.97, 65.5349, 66.667, 200 / 3, 211.222, 655.36, 999.99, 6553.57, 65535]
)
def test_a_rate_stays_within_one_percent(tmp_path, rate):
    """MPEG-4 takes few rates; a video at another would tell a wrong speed, or not be written at all."""
    written = record(tmp_path / "a.mp4", writable_rate(rate))
    capture = cv2.VideoCapture(str(written))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(rate, rel=0.01)
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 4


@pytest.mark.parametrize("rate", [float("nan"), -1.0, 0.0, 90000.0, float("inf")])
def test_a_rate_that_cannot_be_is_told(tmp_path, monkeypatch, caplog, rate):
    """Protects the frames: the video is made, and a warning says at what rate."""

    class Odd(FourFrames):
        def get(self, what):
            return rate if what == cv2.CAP_PROP_FPS else 4

    replace_source(monkeypatch, Odd)
    (tmp_path / "a.mp4").touch()
    with caplog.at_level(logging.WARNING):
        result = predict_video(bright, tmp_path / "a.mp4", Compose([Normalize()]), PALETTE, tmp_path / "out")
    assert result.frames == 4
    assert cv2.VideoCapture(str(result.path)).get(cv2.CAP_PROP_FPS) == video.DEFAULT_RATE
    assert "plays at 25" in caplog.text


def test_a_size_that_the_codec_does_not_take_is_told(tmp_path):
    """Not as a full disk."""
    source = record(tmp_path / "a.avi", size=(9000, 16))
    with pytest.raises(UserError, match=r"a\.avi\.mp4: FFmpeg's MPEG-4 takes no frames of 9000x16"):
        predict_video(bright, source, Compose([Normalize()]), PALETTE, tmp_path / "out")
