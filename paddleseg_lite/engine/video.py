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

from paddleseg_lite.engine.evaluate import predict_labels
from paddleseg_lite.engine.inference import PLAIN, InferenceOptions, Network, Runtime
from paddleseg_lite.engine.predict import OVERLAYS, ahead
from paddleseg_lite.errors import UserError
from paddleseg_lite.transforms import Compose, Sample
from paddleseg_lite.visualize import overlay

_log = logging.getLogger(__name__)

VIDEO_ENDINGS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v")
DEFAULT_RATE = 25.0  # frames/s of a camera that does not tell


@dataclass(frozen=True)
class VideoResult:
    """What was written.

    Attributes:
        path: the video.
        frames: how many.
        seconds: the time it took.
    """

    path: Path
    frames: int
    seconds: float


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

    Ctrl-C ends a camera's recording; what was recorded is kept. Frames are read and written in other threads.

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
    capture = cv2.VideoCapture(int(text) if text.isdigit() else text)
    if not capture.isOpened():
        raise UserError(f"cannot open {text}; give a video file that cv2 can decode, or a camera's number")
    name = f"camera{text}" if text.isdigit() else Path(text).stem
    path = Path(save_dir) / OVERLAYS / f"{name}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{name}.{os.getpid()}.mp4")
    if isinstance(model, paddle.nn.Layer):
        model.eval()
    start = time.perf_counter()
    try:
        frames = _record(model, capture, transforms, palette, inference, temporary, max_frames)
        if not frames:
            raise UserError(f"{text} has no frame that can be read; the file may be damaged")
        expected = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        if max_frames is None and frames < expected:
            _log.warning("%s says that it has %d frames; %d could be read", text, expected, frames)
        temporary.replace(path)
    finally:
        capture.release()
        temporary.unlink(missing_ok=True)
    return VideoResult(path, frames, time.perf_counter() - start)


def _record(
    model: Network | Runtime,
    capture: cv2.VideoCapture,
    transforms: Compose,
    palette: np.ndarray,
    inference: InferenceOptions,
    path: Path,
    max_frames: int | None,
) -> int:
    """Write the overlays of all frames; return how many there were."""

    def prepare(frame: np.ndarray) -> Sample:
        return transforms(Sample.from_source(frame, label_at_source=True), np.random.default_rng(0))

    total = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    rate = capture.get(cv2.CAP_PROP_FPS) or DEFAULT_RATE
    writer, count = cv2.VideoWriter(), 0
    # One thread each: a capture and a writer are not to be used by two.
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as scribe:
        writing = None
        try:
            frames = ahead(reader, prepare, _frames(capture, max_frames))
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
            if not count:
                raise
        finally:
            if writing is not None:
                writing.result()
            writer.release()
    return count


def _frames(capture: cv2.VideoCapture, max_frames: int | None) -> Iterator[np.ndarray]:
    """Yield frames, uint8 [H, W, 3] RGB."""
    count = 0
    while max_frames is None or count < max_frames:
        found, frame = capture.read()
        if not found:
            return
        yield np.ascontiguousarray(frame[:, :, ::-1])
        count += 1
