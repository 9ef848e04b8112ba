"""What reads videos and what writes them, whichever library does: OpenCV, or PyAV where it is installed."""

from __future__ import annotations

import contextlib
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

# What FFmpeg may open: no list of other files, which may have a video's name.
CONTAINERS = "mov,mp4,avi,matroska,webm,mpegts,mpeg,flv,asf,ogg,h264,hevc,m4v,gif"


@dataclass(frozen=True)
class Frame:
    """A frame of a video.

    Attributes:
        picture: uint8 [H, W, 3], RGB, upright.
        time: seconds at which it is shown; None if frames follow each other at a constant rate.
        duration: seconds for which it is shown, if that is known.
        packets: what goes before it into the written video as it is, such as sound.
    """

    picture: np.ndarray
    time: Fraction | None = None
    duration: Fraction | None = None
    packets: Sequence[Any] = ()


class VideoWriter(ABC):
    """Writes a video of the frames of a reader; `count` is how many it has been given."""

    count = 0

    @abstractmethod
    def write(self, picture: np.ndarray, frame: Frame) -> None:
        """Add a picture, uint8 [H, W, 3] RGB, in the place of a frame.

        Raises:
            UserError: the codec takes no such pictures.
            OSError: the file cannot be written.
        """

    @abstractmethod
    def close(self) -> None:
        """Finish the file."""

    @abstractmethod
    def frames_found(self) -> int:
        """Return how many frames the closed file has, 0 if they cannot be read back."""


class VideoReader(ABC):
    """The frames of a file or a camera, in order, once.

    Attributes:
        total: frames that there are by the file's header, or about as many; 0 if that is not known.
        lost: those that could not be read, so far.
    """

    total = 0
    lost = 0

    @abstractmethod
    def __iter__(self) -> Generator[Frame, None, None]:
        """Yield what can be read."""

    @abstractmethod
    def writer(self, named: str, path: Path) -> VideoWriter:
        """Return what writes a video with this one's times, to a file that will be `path`."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the file."""


@contextlib.contextmanager
def utf8_name(path: Path) -> Iterator[str]:
    """Yield a name for a file, there or to be written, that is UTF-8: at another cv2 crashes."""
    whole = os.path.abspath(path)  # FFmpeg would take "a:b.mp4" for a protocol
    try:
        whole.encode("utf-8")
    except UnicodeEncodeError:
        with tempfile.TemporaryDirectory() as folder:
            link = Path(folder) / f"video{path.suffix.lower()}"
            link.symlink_to(whole)
            yield str(link)
    else:
        yield whole
