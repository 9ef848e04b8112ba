"""Prediction on a video file or a camera: a video with the overlay."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import paddle
from tqdm import tqdm

from paddleseg_lite.durable import make_folder
from paddleseg_lite.engine.evaluate import predict_labels
from paddleseg_lite.engine.inference import PLAIN, InferenceOptions, Network, Runtime
from paddleseg_lite.engine.predict import OVERLAYS, ahead
from paddleseg_lite.errors import UserError
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

    The codec (MPEG-4 with two colour values for four pixels) may drop the last row or column of an odd size.
    Frames that cannot be read are left out, counted, and the next ones go on. Ctrl-C ends a camera's
    recording, and what was recorded is kept; of a file nothing is written then, and an earlier result stays.
    Frames are read and written in other threads.

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
    make_folder(path.parent)
    temporary = path.with_name(f".{name}.{os.getpid()}.mp4")
    if isinstance(model, paddle.nn.Layer):
        model.eval()
    start = time.perf_counter()
    try:
        work = (transforms, palette, inference, temporary, max_frames)
        try:
            frames, lost = _record(model, capture, *work, keeps_partial=is_camera)
        except OSError as error:
            raise UserError(f"cannot write {path} ({error.strerror or error})") from error
        if not frames:
            raise UserError(f"{text} has no frame that can be read; the file may be damaged")
        if lost:
            _log.warning("%s says that it has %d frames; %d could be read", text, frames + lost, frames)
        if Path(text).suffix.lower() not in _COUNTED:
            lost = 0
        temporary.replace(path)
    finally:
        capture.release()
        temporary.unlink(missing_ok=True)
    return VideoResult(path, frames, time.perf_counter() - start, lost)


def _opened(source: str, is_camera: bool) -> cv2.VideoCapture:
    capture = cv2.VideoCapture(int(source) if source.isdigit() else source)
    if not capture.isOpened():
        found = f"there is no camera {source}" if is_camera else f"cv2 cannot decode {source}"
        raise UserError(f"{found}; give a video file or the number of a camera that is connected")
    return capture


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

    def prepare(frame: np.ndarray) -> Sample:
        return transforms(Sample.from_source(frame, label_at_source=True), np.random.default_rng(0))

    total = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    rate = capture.get(cv2.CAP_PROP_FPS) or DEFAULT_RATE
    writer, count = cv2.VideoWriter(), 0
    source = _Frames(capture, max_frames, max(total, 0))
    # One thread each: a capture and a writer are not to be used by two.
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as scribe:
        writing = None
        try:
            frames = ahead(reader, prepare, iter(source))
            for frame, sample in tqdm(frames, total=total if total > 0 else None, unit="frame"):
                if count == 0:
                    size = (frame.shape[1], frame.shape[0])
                    if not writer.open(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, size):
                        raise UserError(f"cannot write {path}; is the disk full, or is cv2 without FFmpeg?")
                labels = predict_labels(model, [sample], inference)[0].astype(np.uint8, copy=False)
                if writing is not None:
                    writing.result()
                picture = overlay(frame, labels, palette)
                writing = scribe.submit(writer.write, np.ascontiguousarray(picture[:, :, ::-1]))
                count += 1
        except KeyboardInterrupt:  # how a camera's recording ends
            if not count or not keeps_partial:
                raise
        finally:
            if writing is not None:
                writing.result()
            writer.release()
    return count, source.lost


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
