"""An exported ONNX model in 8-bit integers, by ONNX Runtime's static quantizer; and whether it was worth it.

Only convolutions over all channels are quantized: depthwise ones, and dilated ones most of all, have no fast
integer kernel. The classifier stays in float too, being cheap and the most sensitive.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from paddleseg_lite.datasets.base import SegmentationDataset
from paddleseg_lite.datasets.reading.images import read_image
from paddleseg_lite.datasets.reading.lists import find_images
from paddleseg_lite.deploy.onnx_graph import EXTRA
from paddleseg_lite.deploy.runtimes import OnnxRuntime
from paddleseg_lite.deploy.sidecar import built_transforms, check_size, hash_files, read_sidecar
from paddleseg_lite.errors import UserError, require_modules
from paddleseg_lite.files import atomic_write
from paddleseg_lite.inference.evaluate import network_input
from paddleseg_lite.kernels.threads import cpu_facts
from paddleseg_lite.metrics import confusion_matrix, scores
from paddleseg_lite.transforms.base import prediction_sample

FILE = "model_int8.onnx"
FLAG = "--calibration"  # of tools/export.py
MAX_IMAGES = 64  # to measure ranges on
_MAX_LABELLED = 40  # to measure the mIoU on
TIMED_RUNS = 7
WORTH = 1.1  # times as fast
LOSS = 0.01  # of mIoU, above which no speed is worth it


@dataclass(frozen=True)
class QuantizeReport:
    """Before and after.

    Attributes:
        path: the quantized model.
        layers: (quantized convolutions, all convolutions).
        megabytes: (float, int8) file sizes.
        milliseconds: (float, int8) medians for one image.
        miou: (float, int8) on labelled images, or None.
        agreement: share of pixels with the same class, on the calibration images.
        labelled: how many images `miou` is over.
    """

    path: Path
    layers: tuple[int, int]
    megabytes: tuple[float, float]
    milliseconds: tuple[float, float]
    miou: tuple[float, float] | None
    agreement: float
    labelled: int = 0

    def text(self) -> str:
        """Return lines to print, the last one saying whether it was worth it."""
        gain = self.milliseconds[0] / self.milliseconds[1]
        lines = [
            f"int8: {self.layers[0]} of {self.layers[1]} convolutions; the others stay in float",
            f"size  {self.megabytes[0]:.2f} -> {self.megabytes[1]:.2f} MB",
            f"time  {self.milliseconds[0]:.1f} -> {self.milliseconds[1]:.1f} ms an image ({gain:.2f}x)",
        ]
        if self.miou is None:
            lines.append("mIoU  unknown: there are no labelled images (val_dataset)")
        else:
            loss = self.miou[1] - self.miou[0]
            change = f"{self.miou[0]:.4f} -> {self.miou[1]:.4f} ({loss:+.4f})"
            lines.append(f"mIoU  {change} over {self.labelled} labelled image(s)")
        lines.append(
            f"same class as in float: {100 * self.agreement:.2f} % of the calibration images' pixels"
        )
        reasons = [f"less than {WORTH} times as fast"] if gain < WORTH else []
        if self.miou is not None and self.miou[0] - self.miou[1] > LOSS:
            reasons.append(f"more than {LOSS} of mIoU lost")
        if self.miou is None and self.agreement < 1 - LOSS:
            reasons.append(f"more than {100 * LOSS:g} % of the pixels have another class")
        if reasons:
            lines.append(f"it was not worth it on this machine ({' and '.join(reasons)}): use model.onnx")
        return "\n".join(lines)


def quantize(
    folder: Path,
    calibration: Path,
    dataset: SegmentationDataset | None = None,
    separator: str = " ",
) -> QuantizeReport:
    """Write model_int8.onnx beside a folder's model.onnx.

    Args:
        folder: an export with model.onnx and inference.yml.
        calibration: images to measure the ranges on: an image, a folder or a list; 64 of them are used,
            spread over all.
        dataset: labelled images for the mIoU before and after, 40 of them at most, or None.
        separator: of a list's lines, which may name labels too.

    Raises:
        UserError: onnxruntime or onnx is missing, a file is, or there is nothing to quantize.
    """
    require_modules("onnxruntime", "onnx", "ml_dtypes", install=EXTRA)
    folder = Path(folder)
    source, target = folder / "model.onnx", folder / FILE
    content = read_sidecar(folder)
    paths = _calibration_images(calibration, separator)
    transforms = built_transforms(content)
    channels = content["input"]["shape"][1]

    def prepared(path: Path) -> np.ndarray:
        image = network_input([prediction_sample(transforms, read_image(path, channels))])
        check_size(content, image, str(path))
        return image

    prepared(paths[0])  # before anything slow
    layers = _write(source, target, (prepared(path) for path in paths))
    hash_files(folder, [FILE], onnx_int8=FILE)
    before, after = OnnxRuntime(source), OnnxRuntime(target)
    op = content["output"]["op"]
    same = [
        float((_labels(before, image, op) == _labels(after, image, op)).mean())
        for image in map(prepared, paths[:8])
    ]
    image = prepared(paths[0])
    return QuantizeReport(
        target,
        layers,
        (source.stat().st_size / 1e6, target.stat().st_size / 1e6),
        _alternating_medians(lambda: before(image), lambda: after(image)),
        None if dataset is None else (_miou(before, dataset, op), _miou(after, dataset, op)),
        float(np.mean(same)),
        0 if dataset is None else min(_MAX_LABELLED, len(dataset)),
    )


def check_images(calibration: Path, channels: int, separator: str = " ") -> None:
    """Read the images that `quantize` would, of as many channels as the network takes.

    Raises:
        UserError: there is none, or one is damaged.
    """
    for path in _calibration_images(calibration, separator):
        try:
            read_image(path, channels)
        except UserError as error:
            raise UserError(f"{FLAG}: {error}") from error


def _calibration_images(path: Path, separator: str) -> list[Path]:
    """Return images spread over all, for a folder's first ones are often of one scene."""
    images = find_images(path, FLAG, separator=separator)[0]
    chosen = np.linspace(0, len(images) - 1, min(MAX_IMAGES, len(images))).round().astype(int)
    return [images[index] for index in chosen]


def _write(source: Path, target: Path, images: Iterator[np.ndarray]) -> tuple[int, int]:
    """Quantize; return the numbers of quantized and of all convolutions."""
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Images:
        """What the calibrator asks for images, one at a time."""

        def __init__(self, name: str) -> None:
            self._name = name

        def get_next(self) -> dict[str, Any] | None:
            image = next(images, None)
            return None if image is None else {self._name: image}

        def set_range(self, *_: Any) -> None:
            """All images are always read."""

    counts = (0, 0)

    def write(new: Path) -> None:
        nonlocal counts
        prepared = new.with_name("prepared.onnx")
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        model = onnx.load(str(prepared))
        chosen, convolutions = worth_quantizing(model)
        if not chosen:
            raise UserError(f"{source} has no convolution that is worth quantizing")
        quantize_static(
            str(prepared),
            str(new),
            Images(model.graph.input[0].name),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            nodes_to_quantize=chosen,
            per_channel=True,
            # Without AVX512-VNNI the products of two full bytes would overflow 16 bits.
            reduce_range="vnni" not in cpu_facts(),
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        counts = len(chosen), convolutions

    with _only_errors():
        atomic_write(target, write)
    return counts


def worth_quantizing(model: Any) -> tuple[list[str], int]:
    """Return the names of the convolutions of an ONNX model to quantize, and how many there are.

    All but depthwise and dilated ones, those of images, those of globally pooled values, and the last one.
    """
    weights = {weight.name for weight in model.graph.initializer}
    makers = {name: node for node in model.graph.node for name in node.output}
    inputs = {value.name for value in model.graph.input}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    chosen = []
    for node in convolutions[:-1]:
        options = {attribute.name: attribute for attribute in node.attribute}
        groups = options["group"].i if "group" in options else 1
        is_dilated = "dilations" in options and max(options["dilations"].ints) > 1
        is_plain = groups == 1 and not is_dilated and node.input[1] in weights
        if is_plain and node.input[0] not in inputs and not _follows_pooling(node, makers):
            chosen.append(node.name)
    return chosen, len(convolutions)


def _follows_pooling(node: Any, makers: dict[str, Any]) -> bool:
    """Whether a convolution works on single pixels: nothing to gain there."""
    maker = makers.get(node.input[0])
    for _ in range(3):  # pooling, conv, ReLU, conv of a squeeze-and-excite block
        if maker is None:
            return False
        if "Pool" in maker.op_type or maker.op_type == "ReduceMean":
            return True
        maker = makers.get(maker.input[0])
    return False


def _labels(run: Callable[[np.ndarray], np.ndarray], image: np.ndarray, output_op: str) -> np.ndarray:
    output = run(image)[0]
    return output if output_op == "argmax" else output.argmax(axis=0)


def _miou(run: Callable[[np.ndarray], np.ndarray], dataset: SegmentationDataset, output_op: str) -> float:
    confusion = np.zeros((dataset.num_classes, dataset.num_classes), np.int64)
    for index in range(min(_MAX_LABELLED, len(dataset))):
        sample = dataset[index]
        labels = sample.restore(_labels(run, network_input([sample]), output_op).astype(np.uint8))
        if sample.label is not None:
            confusion += confusion_matrix(labels, sample.label, dataset.num_classes, dataset.ignore_index)
    return scores(confusion, dataset.classes).miou


def _alternating_medians(*runs: Callable[[], object]) -> tuple[float, float]:
    """Return the median time of each in milliseconds, in turns, so that both meet the same machine."""
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(TIMED_RUNS + 1):
        for run, found in zip(runs, times):
            start = time.perf_counter()
            run()
            found.append(1e3 * (time.perf_counter() - start))
    first, second = (float(np.median(found[1:])) for found in times)
    return first, second


@contextlib.contextmanager
def _only_errors() -> Iterator[None]:
    """Silence the quantizer's advice, which goes to the root logger, and onnxruntime's."""
    import onnxruntime

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    onnxruntime.set_default_logger_severity(3)
    try:
        yield
    finally:
        onnxruntime.set_default_logger_severity(2)
        logging.disable(before)
