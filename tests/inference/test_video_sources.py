"""Videos of all names, rates and states: read, or named with the cause."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

import cv2
import pytest

from paddleseg_lite.errors import UserError
from paddleseg_lite.files import TEMPORARY
from paddleseg_lite.inference.video import is_video
from paddleseg_lite.inference.video_opencv import DEFAULT_RATE, writable_rate
from tests.inference.videos import FourFrames, painted, record, replace_source


def test_a_camera_stops_and_a_torn_video_is_told(tmp_path, monkeypatch, caplog):
    """A camera by its number, for as many frames as asked; what breaks off early is kept, with a warning."""
    replace_source(monkeypatch, FourFrames)
    result = painted("0", tmp_path / "out", max_frames=2)
    assert (result.frames, result.path.name) == (2, "camera0.mp4")
    assert not caplog.text
    (tmp_path / "torn.mp4").touch()
    result = painted(tmp_path / "torn.mp4", tmp_path / "out")
    assert (result.frames, result.lost) == (4, 5)
    assert "9 frames; 4 could be read" in caplog.text


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
    result = painted(tmp_path / "torn.mp4", tmp_path / "out")
    assert (result.frames, result.lost) == (8, 1)


def test_a_video_never_replaces_itself(tmp_path):
    """Its folder may be the results' one."""
    source = tmp_path / "added_prediction" / "drive.mp4"
    source.parent.mkdir()
    source.touch()
    with pytest.raises(UserError, match="would replace"):
        painted(source, tmp_path)
    assert source.exists()


def test_what_is_a_video(tmp_path, monkeypatch):
    """By name; a number is a camera, unless a folder is called so."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "7").mkdir()
    assert not is_video("7")
    assert all(map(is_video, ("a.mp4", "b.AVI", "0", "/dev/video1")))
    assert not any(map(is_video, ("a.png", "folder", "list.txt")))


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("97", "no camera 97"),
        ("gone.mp4", r"no video gone\.mp4"),
        ("broken.mp4", r"cannot decode broken\.mp4"),
    ],
)
def test_what_cannot_be_opened_is_named(tmp_path, monkeypatch, source, named, reads_by):
    """A camera or a file that is not there, and a file that is no video; nothing is left behind."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.mp4").write_text("no video")
    with pytest.raises(UserError, match=named):
        painted(source, tmp_path / "out")
    assert not list(tmp_path.rglob(".*"))


def test_videos_of_one_stem_keep_a_result_each(tmp_path, reads_by):
    """Protects a.mp4's result from a.avi's."""
    sources = [record(tmp_path / name) for name in ("a.mp4", "a.avi", "a.MP4")]
    results = [painted(source, tmp_path / "out", max_frames=1).path for source in sources]
    assert [path.name for path in results] == ["a.mp4", "a.avi.mp4", "a.MP4.mp4"]
    assert all(map(Path.exists, results))


@pytest.mark.parametrize("name", ["caf\udce9.mp4", "a:b.mp4", "pipe:0.avi", "ü\n.mp4"])
def test_a_video_of_any_name_is_read_and_written(tmp_path, monkeypatch, name, reads_by):
    """Protects from cv2, which crashes at a name that is no UTF-8 and takes a colon for a protocol's."""
    record(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    out = Path("out" + os.fsdecode(b"\xff"))
    result = painted(name, out)
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
        result = painted(tmp_path / "a.mp4", tmp_path / "out")
    assert result.frames == 4
    assert cv2.VideoCapture(str(result.path)).get(cv2.CAP_PROP_FPS) == DEFAULT_RATE
    assert "plays at 25" in caplog.text


def test_a_size_that_the_codec_does_not_take_is_told(tmp_path, reads_by):
    """Not as a full disk."""
    width, codec = {"OpenCV": (9000, "MPEG-4"), "PyAV": (20000, "libx264")}[reads_by]
    source = record(tmp_path / "a.avi", size=(width, 16))
    with pytest.raises(UserError, match=rf"a\.avi\.mp4: FFmpeg's {codec} takes no frames of {width}x16"):
        painted(source, tmp_path / "out")


@pytest.mark.parametrize("part", [0.7, 0.9])
@pytest.mark.parametrize("suffix", [".avi", ".mkv", ".mp4"])
def test_a_video_that_was_cut_is_told(tmp_path, caplog, suffix, part, reads_by):
    """What is there is kept with a warning, or one sentence says that nothing is; no temporary file stays."""
    whole = record(tmp_path / f"whole{suffix}", frames=40).read_bytes()
    source = tmp_path / f"cut{suffix}"
    source.write_bytes(whole[: int(len(whole) * part)])
    if suffix == ".mp4":  # its index stands at the end
        with pytest.raises(UserError, match=r"cannot decode .*cut\.mp4: damaged, cut short, or no video"):
            painted(source, tmp_path / "out")
    else:
        with caplog.at_level(logging.WARNING):
            assert 0 < painted(source, tmp_path / "out").frames < 40
        assert re.search(rf"cut\{suffix} says that it has 40 frames; \d+ could be read", caplog.text)
    assert not list(tmp_path.rglob(f"{TEMPORARY}*"))


def test_a_video_without_frames_is_told(tmp_path, reads_by):
    """Nothing is written."""
    source = record(tmp_path / "none.avi", frames=0)
    with pytest.raises(UserError, match=r"none\.avi has no frame that can be read"):
        painted(source, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").rglob("*")] == ["added_prediction"]


def test_a_list_of_videos_is_no_video(tmp_path, monkeypatch):
    """Protects other files: FFmpeg would follow what a text of its own form, named as a video, tells of."""
    monkeypatch.setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", "threads;1")
    record(tmp_path / "clip.mp4")
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile clip.mp4\nfile clip.mp4\n")
    with pytest.raises(UserError, match="no video"):
        painted(tmp_path / "list.mp4", tmp_path / "out")
    assert os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] == "threads;1"
