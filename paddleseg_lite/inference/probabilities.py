"""Class ids with the probabilities of all classes, for those who ask for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from paddleseg_lite.inference.augment import InferenceOptions, Network, Runtime, infer_values
from paddleseg_lite.inference.evaluate import network_input
from paddleseg_lite.inference.logits import Dense, best_classes
from paddleseg_lite.transforms import Sample


def predict_probabilities(
    model: Network | Runtime, batch: Sequence[Sample], inference: InferenceOptions
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return class ids, uint8 [H, W], and probabilities, float32 [K, H, W], at each source image's size.

    Args:
        model: see `evaluate`.
        batch: transformed samples of one shape.
        inference: scales, flips, sliding windows; probabilities are the softmax of their mean logits.
    """
    logits = np.asarray(infer_values(model, network_input(batch), inference))
    restored = [np.ascontiguousarray(sample.restore(values)) for sample, values in zip(batch, logits)]
    return [(best_classes(Dense(values)), _softmax(values)) for values in restored]


def _softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax over the first axis; the logits are overwritten where they can be."""
    values = logits if logits.flags.writeable else logits.copy()
    values -= values.max(axis=0)
    np.exp(values, out=values)
    values /= values.sum(axis=0)
    return values
