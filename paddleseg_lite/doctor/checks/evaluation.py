"""Scores on the device beside those on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle

from paddleseg_lite.doctor.checks.runs import lpsnet, same_weights
from paddleseg_lite.doctor.finding import Finding
from paddleseg_lite.doctor.scenes import MadeScenes
from paddleseg_lite.inference.augment import PLAIN, InferenceOptions
from paddleseg_lite.inference.evaluate import evaluate
from paddleseg_lite.metrics import Metrics

_SIZE = (160, 96)
_WAYS = {
    "plain": PLAIN,
    "flips and scales": InferenceOptions((0.75, 1.0), flip_horizontal=True),
    "windows": InferenceOptions(crop_size=(96, 96), stride=(64, 64)),
}
_ERROR = 1e-3  # of accuracy and IoU: two classes may be equally likely, but for rounding


def evaluation(folder: Path) -> Finding:
    """Evaluate LPSNet-S on made scenes, with a worker that reads them."""
    device = paddle.get_device()
    differences, is_right = [], True
    for name, way in _WAYS.items():
        on_cpu, on_device = (_scores(place, way) for place in ("cpu", device))
        error = _difference(on_device, on_cpu)
        is_right = is_right and error <= _ERROR and np.array_equal(on_device.support, on_cpu.support)
        differences.append(f"{error:.1e} ({name})")
    return Finding(is_right, f"IoU and accuracy are off by at most {', '.join(differences)}")


def _scores(device: str, way: InferenceOptions) -> Metrics:
    model = same_weights(lpsnet, device)
    return evaluate(model, MadeScenes("val", _SIZE, length=4), way, num_workers=1)


def _difference(found: Metrics, right: Metrics) -> float:
    ious = np.abs(np.nan_to_num(found.class_iou) - np.nan_to_num(right.class_iou))
    return max(float(ious.max()), abs(found.accuracy - right.accuracy))
