"""Whether a network is right as often as it claims to be."""

from __future__ import annotations

from typing import Any

import numpy as np

from paddleseg_lite.metrics.counting import count_pairs, right_pixels, valid_pixels
from paddleseg_lite.metrics.metric import Metric, Observation
from paddleseg_lite.metrics.scores import plain, ratio
from paddleseg_lite.metrics.text import columns

_BINS = 15  # as in Guo et al. 2017


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
        valid = valid_pixels(seen, self.ignore_index)
        right = right_pixels(seen, valid)
        bins = np.clip(np.ceil(seen.confidence * _BINS) - 1, 0, _BINS - 1).astype(np.uint8)
        pixels, hits = (count_pairs(None, bins, 1, _BINS, where)[0] for where in (valid, right))
        weights = np.where(valid, seen.confidence, 0).reshape(-1)
        sums = np.bincount(bins.reshape(-1), weights, _BINS)
        self.images[seen.index] = np.stack([pixels, sums, hits], axis=1)

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
