"""Videos by PyAV: each frame at its own time, upright, and the sound as it is; files only."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Generator, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from paddleseg_lite.errors import UserError
from paddleseg_lite.inference.video_io import CONTAINERS, Frame, VideoReader, VideoWriter, utf8_name

_log = logging.getLogger(__name__)

_DEFAULT_RATE = Fraction(25)  # frames/s of a source that does not tell
_MAX_RATE = 1000  # a header that says more is wrong
_MAX_GAP = 3600  # seconds between frames; more are wrong, and MP4 has no room for much more
_MPEG4_UNITS = 60_000  # in a second, at most: MPEG-4 counts time in 16 bits
_QUALITY = {"libx264": {"preset": "veryfast", "crf": "20"}, "mpeg4": {"qmin": "2", "qmax": "5"}}


class PyAVReader(VideoReader):
    """Frames as FFmpeg decodes them, with their times, and the packets of sound between them.

    Args:
        source: a file.

    Raises:
        av.FFmpegError: it cannot be opened.
        LookupError: it has no video that can be decoded.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        with utf8_name(Path(source)) as named:
            options = {"format_whitelist": CONTAINERS}
            self._container = av.open(named, options=options, metadata_errors="replace")
        try:
            self._video = self._container.streams.video[0]
            self.time_base = self._video.time_base or Fraction(1, 90_000)
            if self._video.codec_context is None or self.time_base > _MAX_GAP:
                raise LookupError("no decoder, or no times")
        except Exception:
            self._container.close()
            raise
        rate = self._video.average_rate
        self.rate = rate if rate and 0 < rate <= _MAX_RATE else _DEFAULT_RATE
        self.total = self._video.frames
        if not self.total and self._container.duration:
            self.total = round(self._container.duration * self.rate / av.time_base)
        self.sounds = list(self._container.streams.audio)
        self.rest: list[Any] = []  # of the sound, after the last frame

    def __iter__(self) -> Generator[Frame, None, None]:
        """Yield what can be decoded; a damaged packet is passed over."""
        count = hidden = 0
        packets: list[Any] = []
        time = None
        end = Fraction(0)
        for packet in self._packets():
            if packet.pts is not None:
                end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
            if packet.stream is not self._video:
                packets.append(packet)
                continue
            hidden += packet.is_discard  # by an edit list
            for decoded in _decoded(packet):
                time = self._time(decoded, time)
                units = getattr(decoded, "duration", 0)  # PyAV 14 does not tell
                duration = units * decoded.time_base if units else None
                count += 1
                yield Frame(_upright(decoded.to_ndarray(format="rgb24"), decoded), time, duration, packets)
                packets = []
        self.rest = packets
        if self._video.frames or self._is_cut(end):
            self.lost = max(0, self.total - count - hidden)

    def _is_cut(self, end: Fraction) -> bool:
        """Return whether a file ends earlier than its header says, by more than two frames."""
        whole = Fraction(self._container.duration or 0, av.time_base)
        return whole - end > 2 / self.rate

    def _packets(self) -> Iterator[Any]:
        """Yield the packets of video and sound up to the end, or to where the file is damaged."""
        with contextlib.suppress(av.FFmpegError):
            for packet in self._container.demux(self._video, *self.sounds):
                if packet.stream is self._video or packet.dts is not None:
                    yield packet

    def _time(self, decoded: Any, last: Fraction | None) -> Fraction:
        """Return a frame's time; of one that has none, or none that follows the last, a frame after that."""
        time = None if decoded.pts is None else decoded.pts * decoded.time_base
        if time is not None and (last is None or last < time < last + _MAX_GAP):
            return time
        return Fraction(0) if last is None else last + 1 / self.rate

    def writer(self, named: str, path: Path) -> VideoWriter:
        """Return a writer that keeps times and sound."""
        return PyAVWriter(named, path, self)

    def close(self) -> None:
        """Close the file."""
        self._container.close()


def _decoded(packet: Any) -> list[Any]:
    try:
        return list(packet.decode())
    except av.FFmpegError:  # the next ones may be whole
        return []


def _upright(picture: np.ndarray, decoded: Any) -> np.ndarray:
    """Turn and mirror a picture [H, W, 3] as the file's display matrix says, by multiples of 90 degrees."""
    found = decoded.side_data.get("DISPLAYMATRIX")
    if found is None:
        return picture
    matrix = np.frombuffer(bytes(found), np.int32).reshape(3, 3)[:2, :2]
    if not matrix.any():
        return picture
    if abs(matrix[0, 1]) > abs(matrix[0, 0]):  # x' = c y, y' = b x
        picture, matrix = picture.transpose(1, 0, 2), matrix[::-1]
    across, down = matrix[0, 0] < 0, matrix[1, 1] < 0
    return np.ascontiguousarray(picture[:: -1 if down else 1, :: -1 if across else 1])


class PyAVWriter(VideoWriter):
    """H.264, or MPEG-4 where PyAV is without libx264; opened with the first frame.

    Args:
        named: where it is written.
        path: the name that it will have, for messages.
        source: gives times and sound.
    """

    def __init__(self, named: str, path: Path, source: PyAVReader) -> None:
        self._named, self._path, self._source = named, path, source
        self._codec = "libx264" if "libx264" in av.codec.codecs_available else "mpeg4"
        self._base = source.time_base
        if self._codec == "mpeg4" and self._base.denominator > _MPEG4_UNITS:
            self._base = Fraction(1, _MPEG4_UNITS)
        self._container: Any = None
        self._sounds: dict[int, Any] = {}  # index in the source -> stream
        self._last = -1 << 62

    def write(self, picture: np.ndarray, frame: Frame) -> None:
        """Add a picture at a frame's time, and the sound before it."""
        height, width = (side // 2 * 2 for side in picture.shape[:2])  # two by two share a color
        picture = picture[:height, :width]
        if self._container is None:
            self._open(width, height)
        self._copy(frame.packets)
        made = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        made.time_base = self._base
        made.pts = self._last = max(round((frame.time or 0) / self._base), self._last + 1)
        if frame.duration:
            made.duration = round(frame.duration / self._base)
        with _as_oserror():
            self._container.mux(self._stream.encode(made))
        self.count += 1

    def close(self) -> None:
        """Write what the codec holds back, the rest of the sound, and the index."""
        if self._container is None:
            return
        with _as_oserror():
            self._copy(self._source.rest)
            self._container.mux(self._stream.encode(None))
            self._container.close()

    def frames_found(self) -> int:
        """Return what the header counts, 0 if the first frame cannot be decoded."""
        try:
            with av.open(self._named) as container:
                video = container.streams.video[0]
                return video.frames if next(container.decode(video), None) is not None else 0
        except (av.FFmpegError, LookupError):
            return 0

    def _open(self, width: int, height: int) -> None:
        """Begin the file, without the sound if that cannot be in it."""
        sounds = self._source.sounds
        try:
            try:
                self._begin(width, height, sounds)
            except (av.FFmpegError, ValueError) as error:
                if not sounds:
                    raise
                self._sounds.clear()
                self._begin(width, height, ())
                _log.warning("%s is without sound: %s", self._path, error)
        except (av.FFmpegError, ValueError) as error:
            Path(self._named).write_bytes(bytes(1 << 12))  # a full disk says so itself, as OSError
            raise UserError(
                f"cannot write {self._path}: FFmpeg's {self._codec} takes no frames of {width}x{height} "
                "pixels (width x height); give a video of another size"
            ) from error

    def _begin(self, width: int, height: int, sounds: Sequence[Any]) -> None:
        container = av.open(self._named, "w", format="mp4")
        stream: Any = container.add_stream(self._codec, rate=self._source.rate, options=_QUALITY[self._codec])
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = self._base
        for sound in sounds:
            name = sound.codec_context.name if sound.codec_context else "of an unknown kind"
            if name in container.supported_codecs:
                self._sounds[sound.index] = container.add_stream_from_template(sound)
            else:
                _log.warning("%s lacks a sound: MP4 has none that is %s", self._path, name)
        container.start_encoding()
        self._container, self._stream = container, stream

    def _copy(self, packets: Sequence[Any]) -> None:
        """Write packets of sound; if one does not fit, its stream ends there."""
        for packet in packets:
            index = packet.stream.index
            if index in self._sounds:
                try:
                    packet.stream = self._sounds[index]
                    self._container.mux_one(packet)
                except (av.FFmpegError, ValueError) as error:
                    del self._sounds[index]
                    _log.warning("%s: the sound ends early: %s", self._path, error)


@contextlib.contextmanager
def _as_oserror() -> Iterator[None]:
    """Let what FFmpeg says of a write be an OSError, as of any other file."""
    try:
        yield
    except av.FFmpegError as error:
        raise OSError(error.errno, error.strerror) from error
