"""Prediction on a video file or a camera: a video with the overlay."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import paddle

from paddleseg_lite.datasets.loading.prefetch import read_ahead
from paddleseg_lite.errors import UserError, missing_modules
from paddleseg_lite.files import atomic_write
from paddleseg_lite.inference.augment import PLAIN, InferenceOptions, Network, Runtime
from paddleseg_lite.inference.evaluate import predict_labels
from paddleseg_lite.inference.segmentation import KINDS
from paddleseg_lite.inference.video_io import Frame, VideoReader, VideoWriter, utf8_name
from paddleseg_lite.inference.video_opencv import OpenCVReader
from paddleseg_lite.progress import Progress
from paddleseg_lite.transforms import Compose, Sample
from paddleseg_lite.transforms.base import prediction_sample
from paddleseg_lite.visualize import overlay, with_legend

_log = logging.getLogger(__name__)

VIDEO_ENDINGS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v")
# Their headers count frames; that of others is a guess from duration and rate.
_COUNTED = (".mp4", ".m4v", ".mov", ".avi")


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


def open_video(source: str) -> VideoReader:
    """Open a camera, or a file: by PyAV if that is installed and takes it, else by OpenCV.

    Raises:
        UserError: it cannot be opened.
    """
    if not is_camera(source) and not missing_modules("av"):
        import av

        from paddleseg_lite.inference.video_pyav import PyAVReader

        try:
            return PyAVReader(source)
        except (av.FFmpegError, LookupError):
            pass  # OpenCV may know more, or says what is wrong
    return OpenCVReader(source, is_camera(source))


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
    With PyAV (the extra `video`) a file's frames keep their times, its rotation is applied, and its sound is
    copied as it is; the codec is H.264. By OpenCV, which reads cameras, it is MPEG-4, without sound, and the
    rate is the source's within 1 %. Both may drop the last row or column of an odd size.

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
    path = _target(text, Path(save_dir))
    reader = open_video(text)
    if isinstance(model, paddle.nn.Layer):
        model.eval()
    start = time.perf_counter()
    frames = 0

    def record(temporary: Path) -> None:
        nonlocal frames
        with utf8_name(temporary) as named:
            writer = reader.writer(named, path)
            target = _Overlays(writer, palette, legend)
            _record(model, reader, transforms, inference, target, max_frames, is_camera(text))
            frames = writer.count
            _check_written(writer, text, path)

    try:
        atomic_write(path, record)
    finally:
        reader.close()
    if reader.lost:
        _log.warning("%s says that it has %d frames; %d could be read", text, frames + reader.lost, frames)
    is_counted = Path(text).suffix.lower() in _COUNTED
    return VideoResult(path, frames, time.perf_counter() - start, reader.lost if is_counted else 0)


def _target(source: str, save_dir: Path) -> Path:
    """Return where the result of a video, which there is, is written."""
    if Path(source).suffix.lower() in VIDEO_ENDINGS and not os.path.isfile(source):
        raise UserError(f"there is no video {source}; check --image_path")
    name = f"camera{source}" if source.isdigit() else Path(source).name.removesuffix(".mp4")
    path = save_dir / KINDS["overlay"].folder / f"{name}.mp4"
    if os.path.realpath(path) == os.path.realpath(source):
        raise UserError(f"the result would replace {source}; give another --save_dir")
    return path


def _check_written(writer: VideoWriter, source: str, path: Path) -> None:
    if not writer.count:
        raise UserError(f"{source} has no frame that can be read; the file may be damaged")
    if writer.frames_found() != writer.count:
        raise UserError(
            f"cannot write {path} (its {writer.count} frames cannot be read back); is the disk full? free "
            "some space or give another folder"
        )


def _record(
    model: Network | Runtime,
    reader: VideoReader,
    transforms: Compose,
    inference: InferenceOptions,
    target: _Overlays,
    max_frames: int | None,
    keeps_partial: bool,
) -> None:
    """Write the overlays of all frames."""

    def prepare(frame: Frame) -> tuple[Frame, Sample]:
        return frame, prediction_sample(transforms, frame.picture)

    writing = None
    # One thread each: a reader and a writer are not to be used by two.
    with closing(iter(reader)) as source, ThreadPoolExecutor(1) as reading, ThreadPoolExecutor(1) as scribe:
        try:
            prepared = map(prepare, islice(source, max_frames))
            ahead = read_ahead(reading, prepared)
            bar = Progress(ahead, desc="video", total=reader.total or None, unit="frame")
            for frame, sample in bar:
                labels = predict_labels(model, [sample], inference)[0].astype(np.uint8, copy=False)
                if writing is not None:
                    writing.result()
                writing = scribe.submit(target.write, frame, labels)
        except KeyboardInterrupt:  # how a camera's recording ends
            if writing is None or not keeps_partial:
                raise
        finally:
            scribe.submit(target.close).result()  # after the last frame
    if writing is not None:
        writing.result()


class _Overlays:
    """A video of overlays.

    Args:
        writer: writes it.
        palette: as `overlay` takes it.
        legend: names of the classes, drawn below each frame.
    """

    def __init__(self, writer: VideoWriter, palette: np.ndarray, legend: Sequence[str]) -> None:
        self._writer, self._palette, self._legend = writer, palette, legend
        self.close = writer.close

    def write(self, frame: Frame, labels: np.ndarray) -> None:
        """Add a frame with its class ids, uint8 [H, W]."""
        picture = overlay(frame.picture, labels, self._palette)
        self._writer.write(with_legend(picture, self._legend, self._palette), frame)
