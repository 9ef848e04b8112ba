"""Prediction on a video file or a camera: a video with the overlay."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from pathlib import Path

import cv2
import numpy as np
import paddle
from tqdm import tqdm

from paddleseg_lite.datasets.loading.prefetch import prefetch_map
from paddleseg_lite.errors import UserError
from paddleseg_lite.files import atomic_write
from paddleseg_lite.inference.augment import PLAIN, InferenceOptions, Network, Runtime
from paddleseg_lite.inference.evaluate import predict_labels
from paddleseg_lite.inference.predict import OVERLAYS
from paddleseg_lite.transforms import Compose, Sample
from paddleseg_lite.visualize import overlay

_log = logging.getLogger(__name__)

VIDEO_ENDINGS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v")
# Their headers count frames; that of others is a guess from duration and rate.
_COUNTED = (".mp4", ".m4v", ".mov", ".avi")
DEFAULT_RATE = 25.0  # frames/s of a camera that does not tell


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
        (text.isdigit() and not Path(text).exists())
        or text.startswith("/dev/video")
        or Path(text).suffix.lower() in VIDEO_ENDINGS
    )


def predict_video(
    model: Network | Runtime,
    source: str | Path,
    transforms: Compose,
    palette: np.ndarray,
    save_dir: Path,
    inference: InferenceOptions = PLAIN,
    max_frames: int | None = None,
) -> VideoResult:
    """Segment a video's frames and write `save_dir/added_prediction/NAME.mp4`, frames at their own size.

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

    Raises:
        UserError: the source cannot be opened or has no frame, or the video cannot be written.
    """
    text = str(source)
    if Path(text).suffix.lower() in VIDEO_ENDINGS and not Path(text).is_file():
        raise UserError(f"there is no video {text}; check --image_path")
    name = f"camera{text}" if text.isdigit() else Path(text).stem
    path = Path(save_dir) / OVERLAYS / f"{name}.mp4"
    if path.resolve() == Path(text).resolve():
        raise UserError(f"the result would replace {text}; give another --save_dir")
    is_camera = text.isdigit() or text.startswith("/dev/video")
    capture = _opened(text, is_camera)
    if isinstance(model, paddle.nn.Layer):
        model.eval()
    start = time.perf_counter()
    frames = lost = 0

    def record(temporary: Path) -> None:
        nonlocal frames, lost
        work = (transforms, palette, inference, temporary, max_frames)
        frames, lost = _record(model, capture, *work, keeps_partial=is_camera)
        if not frames:
            raise UserError(f"{text} has no frame that can be read; the file may be damaged")
        _check_video(temporary, path, frames)

    try:
        atomic_write(path, record)
    finally:
        capture.release()
    if lost:
        _log.warning("%s says that it has %d frames; %d could be read", text, frames + lost, frames)
    if Path(text).suffix.lower() not in _COUNTED:
        lost = 0
    return VideoResult(path, frames, time.perf_counter() - start, lost)


def _opened(source: str, is_camera: bool) -> cv2.VideoCapture:
    capture = cv2.VideoCapture(int(source) if source.isdigit() else source)
    if not capture.isOpened():
        found = f"there is no camera {source}" if is_camera else f"cv2 cannot decode {source}"
        raise UserError(f"{found}; give a video file or the number of a camera that is connected")
    return capture


def _check_video(temporary: Path, path: Path, frames: int) -> None:
    """Refuse a video that lacks frames: cv2's writer tells nothing of a full disk."""
    capture = cv2.VideoCapture(str(temporary))
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
    palette: np.ndarray,
    inference: InferenceOptions,
    path: Path,
    max_frames: int | None,
    keeps_partial: bool,
) -> tuple[int, int]:
    """Write the overlays of all frames; return how many there were, and how many could not be read."""

    def prepare(frame: np.ndarray) -> tuple[np.ndarray, Sample]:
        sample = Sample.from_source(frame, label_at_source=True)
        return frame, transforms(sample, np.random.default_rng(0))

    total = max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
    source = _Frames(capture, max_frames, total)
    target = _Overlays(path, capture.get(cv2.CAP_PROP_FPS) or DEFAULT_RATE, palette)
    writing = None
    # One thread each: a capture and a writer are not to be used by two.
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as scribe:
        try:
            prepared = map(prepare, source)
            frames = prefetch_map(reader, lambda _: next(prepared, None), repeat(None))
            for frame, sample in tqdm(iter(partial(next, frames), None), total=total or None, unit="frame"):
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


class _Frames:
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

    def __init__(self, path: Path, rate: float, palette: np.ndarray) -> None:
        self._path, self._rate, self._palette = path, rate, palette
        self._writer = cv2.VideoWriter()
        self.count = 0

    def write(self, frame: np.ndarray, labels: np.ndarray) -> None:
        """Add a frame, uint8 [H, W, 3] RGB, with its class ids, uint8 [H, W]."""
        if self.count == 0:
            size = (frame.shape[1], frame.shape[0])
            if not self._writer.open(str(self._path), cv2.VideoWriter.fourcc(*"mp4v"), self._rate, size):
                raise UserError(f"cannot write {self._path}; is the disk full, or is cv2 without FFmpeg?")
        picture = overlay(frame, labels, self._palette)
        self._writer.write(np.ascontiguousarray(picture[:, :, ::-1]))
        self.count += 1

    def release(self) -> None:
        """Finish the file."""
        self._writer.release()
