"""Videos by OpenCV: cameras, and files where there is no PyAV; frames at a constant rate, without sound."""

from __future__ import annotations

import logging
import os
from collections.abc import Generator
from pathlib import Path

import cv2
import numpy as np

from paddleseg_lite.errors import UserError
from paddleseg_lite.inference.video_io import CONTAINERS, Frame, VideoReader, VideoWriter, utf8_name

_log = logging.getLogger(__name__)

DEFAULT_RATE = 25.0  # frames/s of a source that does not tell
_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"  # cv2's one way to be told
_MAX_UNITS = 65535  # MPEG-4 counts frames/s in units of 1, 1/10, 1/100 ... and no more of them than these


class OpenCVReader(VideoReader):
    """Frames as cv2 reads them.

    Args:
        source: a file, a camera's number, or its device file.
        is_camera: whether it is one of the latter.

    Raises:
        UserError: it cannot be opened.
    """

    def __init__(self, source: str, is_camera: bool) -> None:
        self._source, self._is_camera = source, is_camera
        self._capture = cv2.VideoCapture(int(source)) if source.isdigit() else _opened(source)
        if not self._capture.isOpened():
            if is_camera:
                raise UserError(f"there is no camera {source}; give the number of one that is connected")
            raise UserError(f"cv2 cannot decode {source}: damaged, cut short, or no video; give another file")
        self.total = max(int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)

    def __iter__(self) -> Generator[Frame, None, None]:
        """Yield what can be read; a frame that cannot is passed over."""
        count = 0
        try:
            while True:
                found, frame = self._capture.read()
                if found:
                    count += 1
                    yield Frame(np.ascontiguousarray(frame[:, :, ::-1]))
                elif count + self.lost < self.total:
                    self.lost += 1  # the next ones may be whole
                else:
                    break
        finally:
            # Reading goes past a frame that failed: what came to light twice is not lost.
            self.lost = max(0, min(self.lost, self.total - count))

    def writer(self, named: str, path: Path) -> VideoWriter:
        """Return a writer at the rate that the source tells, within 1 %."""
        told = self._capture.get(cv2.CAP_PROP_FPS)
        rate = writable_rate(told)
        if rate is None:
            rate = DEFAULT_RATE
            if not self._is_camera:
                _log.warning(
                    "%s says that it has %g frames/s; its result plays at %g", self._source, told, rate
                )
        return OpenCVWriter(named, path, rate)

    def close(self) -> None:
        """Release the file or camera."""
        self._capture.release()


def _opened(source: str) -> cv2.VideoCapture:
    whitelist = f"format_whitelist;{CONTAINERS}"
    given = os.environ.get(_OPTIONS)
    os.environ[_OPTIONS] = f"{given}|{whitelist}" if given else whitelist
    try:
        with utf8_name(Path(source)) as named:
            return cv2.VideoCapture(named)
    finally:
        os.environ.pop(_OPTIONS)
        os.environ.update({_OPTIONS: given} if given else {})


def writable_rate(rate: float) -> float | None:
    """Return a rate within 1 % of `rate`, in frames/s, that the writer takes; None if there is none."""
    if not 0.1 <= rate <= _MAX_UNITS:  # nor is NaN
        return None
    # To three digits cv2 looks for the unit itself.
    digits = next(digits for digits in (3, 2, 1, 0) if round(rate * 10**digits) <= _MAX_UNITS)
    return round(rate, digits)


class OpenCVWriter(VideoWriter):
    """MPEG-4 at a constant rate, opened with the first frame.

    Args:
        named: where it is written.
        path: the name that it will have, for messages.
        rate: frames/s.
    """

    def __init__(self, named: str, path: Path, rate: float) -> None:
        self._named, self._path, self._rate = named, path, rate
        self._writer = cv2.VideoWriter()

    def write(self, picture: np.ndarray, frame: Frame) -> None:
        """Add a picture."""
        if self.count == 0:
            size = (picture.shape[1], picture.shape[0])
            if not self._writer.open(self._named, cv2.VideoWriter.fourcc(*"mp4v"), self._rate, size):
                Path(self._named).write_bytes(bytes(1 << 12))  # a full disk says so itself, as OSError
                raise UserError(f"cannot write {self._path}: {_why_unopened(size, self._rate)}")
        self._writer.write(np.ascontiguousarray(picture[:, :, ::-1]))
        self.count += 1

    def close(self) -> None:
        """Finish the file."""
        self._writer.release()

    def frames_found(self) -> int:
        """Return what the header counts: cv2's writer tells nothing of a full disk."""
        capture = cv2.VideoCapture(self._named)
        found = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
        # An index torn near its end counts the frames, but does not find them.
        is_readable = capture.read()[0]
        capture.release()
        return found if is_readable else 0


def _why_unopened(size: tuple[int, int], rate: float) -> str:
    """Return why the writer takes no frames, though files can be written where it writes."""
    if cv2.CAP_FFMPEG not in cv2.videoio_registry.getWriterBackends():
        return "this cv2 is without FFmpeg; pip install opencv-python-headless"
    return (
        f"FFmpeg's MPEG-4 takes no frames of {size[0]}x{size[1]} pixels (width x height) at {rate:g} "
        "frames/s; give a video of another size"
    )
