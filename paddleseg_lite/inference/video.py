"""Prediction on a video file or a camera: a video with the overlay."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from pathlib import Path

import cv2
import numpy as np
import paddle

from paddleseg_lite.datasets.loading.prefetch import prefetch_map
from paddleseg_lite.errors import UserError
from paddleseg_lite.files import atomic_write
from paddleseg_lite.inference.augment import PLAIN, InferenceOptions, Network, Runtime
from paddleseg_lite.inference.evaluate import predict_labels
from paddleseg_lite.inference.predict import OVERLAYS
from paddleseg_lite.progress import Progress
from paddleseg_lite.transforms import Compose, Sample
from paddleseg_lite.visualize import overlay, with_legend

_log = logging.getLogger(__name__)

VIDEO_ENDINGS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v")
# Their headers count frames; that of others is a guess from duration and rate.
_COUNTED = (".mp4", ".m4v", ".mov", ".avi")
DEFAULT_RATE = 25.0  # frames/s of a source that does not tell
# What FFmpeg may open: no list of other files, which may have a video's name.
_CONTAINERS = "format_whitelist;mov,mp4,avi,matroska,webm,mpegts,mpeg,flv,asf,ogg,h264,hevc,m4v,gif"
_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"  # cv2's one way to be told
_MAX_UNITS = 65535  # MPEG-4 counts frames/s in units of 1, 1/10, 1/100 ... and no more of them than these


@dataclass(frozen=True)
class VideoResult:
    """What was written.

    Attributes:
        path: the video.
        frames: how many.
        seconds: the time it took.
        lost: frames of the source that could not be read.
    """

    path: Path
    frames: int
    seconds: float
    lost: int = 0


def is_video(source: str | Path) -> bool:
    """Whether a source is a video file by its name, or a camera: a number (no folder's name) or a device."""
    text = str(source)
    return (
        (text.isdigit() and not os.path.exists(text))
        or text.startswith("/dev/video")
        or Path(text).suffix.lower() in VIDEO_ENDINGS
    )


def is_camera(source: str) -> bool:
    """Whether a source that is a video is a camera."""
    return source.isdigit() or source.startswith("/dev/video")


def predict_video(
    model: Network | Runtime,
    source: str | Path,
    transforms: Compose,
    palette: np.ndarray,
    save_dir: Path,
    inference: InferenceOptions = PLAIN,
    max_frames: int | None = None,
    legend: Sequence[str] = (),
) -> VideoResult:
    """Segment a video's frames and write `save_dir/added_prediction/NAME.mp4`, frames at their own size.

    NAME is that of the source without .mp4; any other ending stays, so that a.mp4 and a.avi have their own.
    The rate is the source's within 1 %.

    The codec (MPEG-4 with two color values for four pixels) may drop the last row or column of an odd size.
    Frames that cannot be read are left out, counted, and the next ones go on. Ctrl-C ends a camera's
    recording, and what was recorded is kept; of a file nothing is written then, and an earlier result stays.
    One thread reads and transforms a few frames ahead, another paints and writes: memory is bounded.

    Args:
        model: images float32 [N, 3, H, W] -> [logits [N, num_classes, H, W], ...], or a runtime.
        source: a file, a camera's number, or its device file.
        transforms: as in evaluation.
        palette: uint8 [num_classes, 3], RGB.
        save_dir: where the folder is made.
        inference: scales, flips, sliding windows.
        max_frames: stop after so many; None for all.
        legend: names of the classes, to be drawn below each frame; none: no legend.

    Raises:
        UserError: the source cannot be opened or has no frame, or the video cannot be written.
    """
    text = str(source)
    if Path(text).suffix.lower() in VIDEO_ENDINGS and not os.path.isfile(text):
        raise UserError(f"there is no video {text}; check --image_path")
    name = f"camera{text}" if text.isdigit() else Path(text).name.removesuffix(".mp4")
    path = Path(save_dir) / OVERLAYS / f"{name}.mp4"
    if os.path.realpath(path) == os.path.realpath(text):
        raise UserError(f"the result would replace {text}; give another --save_dir")
    capture = open_video(text)
    told = capture.get(cv2.CAP_PROP_FPS)
    rate = writable_rate(told)
    if rate is None:
        rate = DEFAULT_RATE
        if not is_camera(text):
            _log.warning("%s says that it has %g frames/s; its result plays at %g", text, told, rate)
    if isinstance(model, paddle.nn.Layer):
        model.eval()
    start = time.perf_counter()
    frames = lost = 0

    def record(temporary: Path) -> None:
        nonlocal frames, lost
        with _named_for_cv2(temporary) as named:
            target = _Overlays(named, path, rate, palette, legend)
            frames, lost = _record(model, capture, transforms, inference, target, max_frames, is_camera(text))
            if not frames:
                raise UserError(f"{text} has no frame that can be read; the file may be damaged")
            _check_video(named, path, frames)

    try:
        atomic_write(path, record)
    finally:
        capture.release()
    if lost:
        _log.warning("%s says that it has %d frames; %d could be read", text, frames + lost, frames)
    if Path(text).suffix.lower() not in _COUNTED:
        lost = 0
    return VideoResult(path, frames, time.perf_counter() - start, lost)


def open_video(source: str) -> cv2.VideoCapture:
    """Open a file or a camera, to be released.

    Raises:
        UserError: it cannot be opened.
    """
    if source.isdigit():
        capture = cv2.VideoCapture(int(source))
    else:
        given = os.environ.get(_OPTIONS)
        os.environ[_OPTIONS] = f"{given}|{_CONTAINERS}" if given else _CONTAINERS
        try:
            with _named_for_cv2(Path(source)) as named:
                capture = cv2.VideoCapture(named)
        finally:
            os.environ.pop(_OPTIONS)
            os.environ.update({_OPTIONS: given} if given else {})
    if not capture.isOpened():
        if is_camera(source):
            raise UserError(f"there is no camera {source}; give the number of one that is connected")
        raise UserError(f"cv2 cannot decode {source}: damaged, cut short, or no video; give another file")
    return capture


@contextlib.contextmanager
def _named_for_cv2(path: Path) -> Iterator[str]:
    """Yield a name for a file, there or to be written, that cv2 takes: at one that is no UTF-8 it crashes."""
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


def writable_rate(rate: float) -> float | None:
    """Return a rate within 1 % of `rate`, in frames/s, that the writer takes; None if there is none."""
    if not 0.1 <= rate <= _MAX_UNITS:  # nor is NaN
        return None
    # To three digits cv2 looks for the unit itself.
    digits = next(digits for digits in (3, 2, 1, 0) if round(rate * 10**digits) <= _MAX_UNITS)
    return round(rate, digits)


def _check_video(temporary: str, path: Path, frames: int) -> None:
    """Refuse a video that lacks frames: cv2's writer tells nothing of a full disk."""
    capture = cv2.VideoCapture(temporary)
    found = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
    is_readable = capture.read()[0]  # an index torn near its end counts the frames, but does not find them
    capture.release()
    if found != frames or not is_readable:
        raise UserError(
            f"cannot write {path} (its {frames} frames cannot be read back); is the disk full? free some "
            "space or give another folder"
        )


def _record(
    model: Network | Runtime,
    capture: cv2.VideoCapture,
    transforms: Compose,
    inference: InferenceOptions,
    target: _Overlays,
    max_frames: int | None,
    keeps_partial: bool,
) -> tuple[int, int]:
    """Write the overlays of all frames; return how many there were, and how many could not be read."""

    def prepare(frame: np.ndarray) -> tuple[np.ndarray, Sample]:
        sample = Sample.from_source(frame, label_at_source=True)
        return frame, transforms(sample, np.random.default_rng(0))

    total = max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
    source = Frames(capture, max_frames, total)
    writing = None
    # One thread each: a capture and a writer are not to be used by two.
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as scribe:
        try:
            prepared = map(prepare, source)
            frames = prefetch_map(reader, lambda _: next(prepared, None), repeat(None))
            bar = Progress(iter(partial(next, frames), None), desc="video", total=total or None, unit="frame")
            for frame, sample in bar:
                labels = predict_labels(model, [sample], inference)[0].astype(np.uint8, copy=False)
                if writing is not None:
                    writing.result()
                writing = scribe.submit(target.write, frame, labels)
        except KeyboardInterrupt:  # how a camera's recording ends
            if writing is None or not keeps_partial:
                raise
        finally:
            scribe.submit(target.release).result()  # after the last frame
    if writing is not None:
        writing.result()
    return target.count, source.lost


class Frames:
    """The frames of a capture, uint8 [H, W, 3] RGB; `lost` counts those that could not be read."""

    def __init__(self, capture: cv2.VideoCapture, max_frames: int | None, total: int) -> None:
        self._capture, self._max, self._total = capture, max_frames, total
        self.lost = 0

    def __iter__(self) -> Iterator[np.ndarray]:
        count = 0
        while self._max is None or count < self._max:
            found, frame = self._capture.read()
            if found:
                yield np.ascontiguousarray(frame[:, :, ::-1])
                count += 1
            elif count + self.lost < self._total:
                self.lost += 1  # the next ones may be whole
            else:
                break
        # Reading goes past a frame that failed: what came to light twice is not lost.
        self.lost = max(0, min(self.lost, self._total - count))


class _Overlays:
    """A video of overlays, opened with the first one; `count` tells how many were given to the codec."""

    def __init__(
        self, named: str, path: Path, rate: float, palette: np.ndarray, legend: Sequence[str] = ()
    ) -> None:
        """Take a name to write to, the path that it will have, frames/s, and colors as `overlay` does."""
        self._named, self._path, self._rate = named, path, rate
        self._palette, self._legend = palette, legend
        self._writer = cv2.VideoWriter()
        self.count = 0

    def write(self, frame: np.ndarray, labels: np.ndarray) -> None:
        """Add a frame, uint8 [H, W, 3] RGB, with its class ids, uint8 [H, W]."""
        picture = with_legend(overlay(frame, labels, self._palette), self._legend, self._palette)
        if self.count == 0:
            size = (picture.shape[1], picture.shape[0])
            if not self._writer.open(self._named, cv2.VideoWriter.fourcc(*"mp4v"), self._rate, size):
                Path(self._named).write_bytes(bytes(1 << 12))  # a full disk says so itself, as OSError
                raise UserError(f"cannot write {self._path}: {_why_unopened(size, self._rate)}")
        self._writer.write(np.ascontiguousarray(picture[:, :, ::-1]))
        self.count += 1

    def release(self) -> None:
        """Finish the file."""
        self._writer.release()


def _why_unopened(size: tuple[int, int], rate: float) -> str:
    """Return why the writer takes no frames, though files can be written where it writes."""
    if cv2.CAP_FFMPEG not in cv2.videoio_registry.getWriterBackends():
        return "this cv2 is without FFmpeg; pip install opencv-python-headless"
    return (
        f"FFmpeg's MPEG-4 takes no frames of {size[0]}x{size[1]} pixels (width x height) at {rate:g} "
        "frames/s; give a video of another size"
    )
