"""Videos by PyAV: times, rotation and sound go from the source to the overlay video."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest

from paddleseg_lite.inference import video
from paddleseg_lite.inference.video import open_video
from paddleseg_lite.inference.video_opencv import OpenCVReader
from tests.inference.test_predict import PALETTE, bright
from tests.inference.videos import painted, record

av = pytest.importorskip("av")
video_pyav = pytest.importorskip("paddleseg_lite.inference.video_pyav")

TIMES = (0, 20, 50, 55, 200, 215)  # in units of 1/600 s


def corner_picture() -> np.ndarray:
    """Return a black picture, [48, 64, 3], whose upper left quarter is white."""
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:24, :32] = 255
    return picture


def make_video(path, times=TIMES, sound="", turn=0, mirror=False, base=Fraction(1, 600), codec="mpeg4"):
    """Write a video of frames at given times, with a second of noise, to be turned when it is shown."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = base
        if turn or mirror:
            stream.set_display_rotation(turn, hflip=mirror)
        audio = container.add_stream(sound, rate=8000, layout="mono") if sound else None
        for time in times:
            frame = av.VideoFrame.from_ndarray(corner_picture(), format="rgb24")
            frame.pts, frame.time_base = time, base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if audio is not None:
            noise = np.random.default_rng(0).integers(-9000, 9000, (1, 8000)).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(noise, format="s16", layout="mono")
            frame.sample_rate, frame.pts = 8000, 0
            for part in av.AudioResampler(format=audio.format, layout="mono", rate=8000).resample(frame):
                container.mux(audio.encode(part))
            container.mux(audio.encode(None))
    return path


def shown(path) -> tuple[list[Fraction], list[np.ndarray]]:
    """Return times and pictures of a video, as a player has them."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return [f.pts * f.time_base for f in frames], [f.to_ndarray(format="rgb24") for f in frames]


def sound_packets(path) -> list[tuple[bytes, Fraction]]:
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(audio=0) if packet.dts is not None]
        return [(bytes(packet), packet.pts * packet.time_base) for packet in packets]


@pytest.mark.parametrize("name", ["drive.mp4", "drive.mkv", "drive.mov"])
def test_each_frame_keeps_its_time(tmp_path, caplog, name):
    """Phones record at a variable rate; at a constant one the overlay would run ahead of what it shows."""
    source = make_video(tmp_path / name)
    result = painted(source, tmp_path / "out")
    assert (result.frames, result.lost) == (len(TIMES), 0)
    assert not caplog.text, "no frame is missed where a header only guesses how many there are"
    times = shown(result.path)[0]
    assert times == shown(source)[0]
    if name != "drive.mkv":  # which counts milliseconds
        assert times == [Fraction(time, 600) for time in TIMES]


def test_frames_may_begin_late_and_times_may_be_odd(tmp_path):
    """The first frame need not be at 0, nor a second a whole number of units."""
    source = make_video(tmp_path / "drive.mp4", times=(3, 4, 5, 9), base=Fraction(1001, 30000))
    result = painted(source, tmp_path / "out")
    assert shown(result.path)[0] == shown(source)[0]


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("turn", [0, 90, 180, -90])
def test_the_overlay_is_upright(tmp_path, turn, mirror):
    """A phone writes down how it was held: network and people see the scene upright."""
    source = make_video(tmp_path / "drive.mp4", turn=turn, mirror=mirror)
    (frame, *_) = open_video(str(source))
    expected = next(iter(OpenCVReader(str(source), False))).picture
    if not mirror:  # OpenCV knows of turns
        np.testing.assert_allclose(frame.picture, expected, atol=40)
        turned = np.rot90(corner_picture(), turn // 90)
        assert np.abs(frame.picture.astype(int) - turned).mean() < 4
    result = painted(source, tmp_path / "out")
    picture = shown(result.path)[1][0]
    assert picture.shape == frame.picture.shape == ((64, 48, 3) if turn in (90, -90) else (48, 64, 3))
    colors = np.where(frame.picture > 127, PALETTE[1], PALETTE[0])
    assert np.abs(picture - (0.6 * frame.picture + 0.4 * colors)).mean() < 12


def test_a_mirrored_picture_is_mirrored_before_it_is_turned(tmp_path):
    """As the display matrix says: where its upper left corner is shown."""
    corners = {}
    for turn in (0, 90):
        source = make_video(tmp_path / f"{turn}.mp4", turn=turn, mirror=True)
        with av.open(str(source)) as container:
            matrix = next(container.decode(video=0)).side_data.get("DISPLAYMATRIX")
            a, b, _, c, d, *_ = np.frombuffer(bytes(matrix), np.int32) / 65536
        x, y = a * -1 + c * -1, b * -1 + d * -1  # of the corner, from the middle
        picture = next(iter(open_video(str(source)))).picture
        height, width = picture.shape[:2]
        corners[turn] = picture[height // 4 if y < 0 else -height // 4, width // 4 if x < 0 else -width // 4]
    assert all(corner.min() > 200 for corner in corners.values())


@pytest.mark.parametrize(
    ("name", "sound"), [("drive.mp4", "aac"), ("drive.mkv", "aac"), ("drive.mov", "alac")]
)
def test_the_sound_is_copied_bit_for_bit(tmp_path, name, sound):
    """The same packets at the same times."""
    source = make_video(tmp_path / name, sound=sound)
    result = painted(source, tmp_path / "out")
    packets = sound_packets(result.path)
    assert [data for data, _ in packets] == [data for data, _ in sound_packets(source)]
    assert len(packets) > 1
    for (_, time), (_, before) in zip(packets, sound_packets(source)):
        assert abs(time - before) <= Fraction(1, 1000)
    assert shown(result.path)[0] == shown(source)[0]


def test_a_sound_that_mp4_does_not_have_is_told(tmp_path, caplog):
    """The video is there without it."""
    source = make_video(tmp_path / "drive.mov", sound="pcm_mulaw")
    result = painted(source, tmp_path / "out")
    assert result.frames == len(TIMES)
    assert "lacks a sound: MP4 has none that is pcm_mulaw" in caplog.text


@pytest.mark.parametrize("when", ["header", "packets"])
def test_a_broken_sound_does_not_cost_the_video(tmp_path, monkeypatch, caplog, when):
    """Whether the file cannot be begun with it, or a packet of it is refused."""
    source = make_video(tmp_path / "drive.mp4", sound="aac")
    reader = open_video(str(source))
    monkeypatch.setattr(video, "open_video", lambda _: reader)

    class Refused:
        def __init__(self, container):
            self._container = container

        def __getattr__(self, name):
            return getattr(self._container, name)

        def start_encoding(self):
            if len(self._container.streams) > 1:
                raise av.error.ArgumentError(22, "no such sound")
            self._container.start_encoding()

    if when == "header":
        real = av.open
        monkeypatch.setattr(
            av, "open", lambda *args, **kw: Refused(real(*args, **kw)) if "w" in args else real(*args, **kw)
        )
    else:
        real_iter = type(reader).__iter__

        def without_times(self):
            for frame in real_iter(self):
                for packet in frame.packets:
                    packet.pts = packet.dts = None if packet.pts is None else 7
                yield frame
            for packet in self.rest:
                packet.pts = packet.dts = 7

        monkeypatch.setattr(type(reader), "__iter__", without_times)
    result = painted(source, tmp_path / "out")
    assert shown(result.path)[0] == [Fraction(time, 600) for time in TIMES]
    said = "is without sound: " if when == "header" else "the sound ends early: "
    assert said in caplog.text


def test_without_h264_the_codec_is_mpeg4(tmp_path, monkeypatch):
    """Some builds of PyAV are without libx264; MPEG-4 counts time in coarser units."""
    source = make_video(
        tmp_path / "drive.mp4", base=Fraction(1, 90_000), times=(0, 3000, 9000), codec="libx264"
    )
    for known, codec in ((av.codec.codecs_available, "h264"), ({"mpeg4"}, "mpeg4")):
        monkeypatch.setattr(av.codec, "codecs_available", known)
        result = painted(source, tmp_path / "out")
        with av.open(str(result.path)) as container:
            assert container.streams.video[0].codec_context.name == codec
        assert shown(result.path)[0] == [Fraction(time, 90_000) for time in (0, 3000, 9000)]


def test_an_interrupted_file_leaves_the_earlier_result(tmp_path):
    """Half a video would look like a whole one."""
    source = make_video(tmp_path / "drive.mp4", sound="aac")
    earlier = tmp_path / "out" / "added_prediction" / "drive.mp4"
    earlier.parent.mkdir(parents=True)
    earlier.write_bytes(b"earlier")
    left = [None] * 3

    def interrupted(images):
        if not left:
            raise KeyboardInterrupt
        left.pop()
        return bright(images)

    with pytest.raises(KeyboardInterrupt):
        painted(source, tmp_path / "out", interrupted)
    assert earlier.read_bytes() == b"earlier"
    assert list(earlier.parent.iterdir()) == [earlier]


def test_some_frames_of_a_video_with_sound(tmp_path):
    """Sound ends about where the frames do, and nothing counts as lost."""
    source = make_video(tmp_path / "drive.mp4", sound="aac")
    result = painted(source, tmp_path / "out", max_frames=2)
    assert (result.frames, result.lost) == (2, 0)
    assert shown(result.path)[0] == [Fraction(time, 600) for time in TIMES[:2]]
    assert len(sound_packets(result.path)) < len(sound_packets(source))


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".avi"])
def test_what_is_damaged_in_the_middle_is_passed_over(tmp_path, ending):
    """Frames before and behind it are there, at their times."""
    source = make_video(tmp_path / f"drive{ending}", times=range(40), base=Fraction(1, 10), codec="mpeg4")
    data = bytearray(source.read_bytes())
    middle = data.rfind(b"mdat") + 200 if ending == ".mp4" else len(data) // 2
    data[middle : middle + 300] = bytes(300)
    source.write_bytes(data)
    result = painted(source, tmp_path / "out")
    assert 5 < result.frames <= 40
    assert set(shown(result.path)[0]) <= {Fraction(time, 10) for time in range(40)}


def test_times_that_cannot_be_are_mended(tmp_path, monkeypatch):
    """A frame without a time, before the last one or days after it, follows the last one."""
    source = make_video(tmp_path / "drive.mp4", times=range(5), base=Fraction(1, 30))
    odd = iter([None, 1, -7, 1 << 40, 4])

    class Odd:
        def __init__(self, decoded):
            self._decoded, self.pts = decoded, next(odd)
            self.time_base = Fraction(1, 30)

        def __getattr__(self, name):
            return getattr(self._decoded, name)

    real = video_pyav._decoded
    monkeypatch.setattr(video_pyav, "_decoded", lambda packet: [Odd(decoded) for decoded in real(packet)])
    times = [frame.time for frame in open_video(str(source))]
    assert times == [Fraction(number, 30) for number in range(5)]


def test_opencv_reads_what_pyav_does_not(tmp_path, monkeypatch):
    """Cameras, and files where PyAV is missing."""
    source = record(tmp_path / "a.mp4")
    assert not isinstance(open_video(str(source)), OpenCVReader)
    monkeypatch.setattr(video, "missing_modules", lambda *names: list(names))
    assert isinstance(open_video(str(source)), OpenCVReader)
    monkeypatch.undo()
    monkeypatch.setattr(cv2.VideoCapture, "isOpened", lambda _: True, raising=False)
    assert isinstance(open_video("97"), OpenCVReader)
