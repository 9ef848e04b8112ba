"""A few pictures of a validation set, with truth and prediction, to watch a network learn."""

from __future__ import annotations

import cv2
import numpy as np

from paddleseg_lite.datasets.base import SegmentationDataset
from paddleseg_lite.inference.augment import InferenceOptions, Network
from paddleseg_lite.inference.evaluate import predict_labels
from paddleseg_lite.visualize import colorize, to_rgb

_WIDTH = 480  # of each of the three pictures in a row, in pixels


def showcase(
    model: Network, dataset: SegmentationDataset, inference: InferenceOptions, count: int = 4
) -> list[np.ndarray]:
    """Return rows of image | truth | prediction, uint8 [H, W, 3] RGB, of images spread over the data set.

    Args:
        model: see `evaluate`; in eval mode.
        dataset: in mode "val".
        inference: scales, flips, sliding windows.
        count: rows at most.
    """
    rows = []
    for index in np.unique(np.linspace(0, len(dataset) - 1, count).astype(int)):
        image, truth = dataset.reader(int(index))
        prediction = predict_labels(model, [dataset.sample(int(index))], inference)[0].astype(np.uint8)
        pictures = [to_rgb(image), colorize(prediction, dataset.palette)]
        if truth is not None:
            pictures.insert(1, colorize(truth, dataset.palette))
        rows.append(np.hstack([_narrow(picture) for picture in pictures]))
    return rows


def _narrow(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    if width <= _WIDTH:
        return picture
    return cv2.resize(picture, (_WIDTH, round(height * _WIDTH / width)), interpolation=cv2.INTER_AREA)
