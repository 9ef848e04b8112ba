"""Whether a network is right as often as it claims to be."""

from __future__ import annotations

from typing import Any

import numpy as np

from paddleseg_lite.metrics.counting import valid_pixels
from paddleseg_lite.metrics.metric import Metric, Observation
from paddleseg_lite.metrics.scores import plain, ratio
from paddleseg_lite.metrics.text import columns

_BINS = 15  # as in Guo et al. 2017
_CODES = _BINS + 1  # of a pixel's confidence: the bins are numbered from 1
_ROWS = 32  # at a time, which stay in a core's cache


class Calibration(Metric):
    """Expected calibration error with its reliability curve, over pixels (Guo et al. 2017, eq. 5).

    Confidence is the largest softmax probability of the logits that the class was taken from. Bin m of M has
    those in ((m - 1) / M, m / M].

    Attributes:
        images: {index: [bins, 3] float64}: pixels, the sum of their confidence, and how many are right; by
            image, since a sum of floats depends on its order.
    """

    name = "calibration"
    needs_confidence = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.images: dict[int, np.ndarray] = {}

    def update(self, seen: Observation) -> None:
        if seen.confidence is None:
            raise ValueError(f"{seen.path} comes without a confidence, which calibration is measured by")
        right = (seen.prediction == seen.label).view(np.uint8)
        valid = valid_pixels(seen, self.ignore_index).view(np.uint8)
        kinds = valid + (valid & right)  # 0: ignored, 1: wrong, 2: right
        counts, sums = np.zeros(3 * _CODES, np.int64), np.zeros(3 * _CODES)
        for top in range(0, len(kinds), _ROWS):
            confidence = seen.confidence[top : top + _ROWS].reshape(-1)
            codes = np.clip(np.ceil(confidence * _BINS), 1, _BINS).astype(np.intp)
            codes += kinds[top : top + _ROWS].reshape(-1) * np.uint8(_CODES)
            counts += np.bincount(codes, minlength=len(counts))
            sums += np.bincount(codes, confidence, len(sums))
        (_, wrong, right), (_, *valid_sums) = (found.reshape(3, _CODES)[:, 1:] for found in (counts, sums))
        self.images[seen.index] = np.stack([wrong + right, sum(valid_sums), right], axis=1)

    def merge(self, other: Calibration) -> None:
        self.images.update(other.images)

    def result(self) -> dict[str, Any]:
        """Return `ece`, mean `confidence`, `accuracy`, and of each of the `bins` the same and its pixels."""
        total = np.zeros((_BINS, 3))
        for index in sorted(self.images):
            total += self.images[index]
        pixels, sums, hits = total.T
        confidence, accuracy = ratio(sums, pixels), ratio(hits, pixels)
        error = ratio(np.abs(hits - sums).sum(), pixels.sum())
        return {
            "ece": plain(float(error)),
            "confidence": plain(float(ratio(sums.sum(), pixels.sum()))),
            "accuracy": plain(float(ratio(hits.sum(), pixels.sum()))),
            "bins": [
                {
                    "low": index / _BINS,
                    "high": (index + 1) / _BINS,
                    "pixels": int(pixels[index]),
                    "confidence": plain(confidence[index]),
                    "accuracy": plain(accuracy[index]),
                }
                for index in range(_BINS)
            ],
        }

    def lines(self) -> list[str]:
        result = self.result()
        share = sum(row["pixels"] for row in result["bins"]) or 1
        rows = {
            f"{row['low']:.2f}-{row['high']:.2f}": (row["pixels"] / share, row["confidence"], row["accuracy"])
            for row in result["bins"]
        }
        whole = ("-" if result["ece"] is None else f"{result['ece']:.4f}") + f" over {_BINS} bins"
        header = ("pixels", "confidence", "accuracy")
        return columns(f"expected calibration error {whole}, by confidence", header, rows)
