"""Colors of classes that people with each kind of color blindness can tell apart."""

from __future__ import annotations

import itertools

import cv2
import numpy as np

# How protanopes, deuteranopes and tritanopes see linear RGB (Machado et al. 2009, severity 1).
_SEEN_AS = np.array(
    [
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ]
)
_STEPS = (0, 51, 102, 153, 204, 255)


def colorblind_palette(classes: int) -> np.ndarray:
    """Return colors, each as far as can be from those before it for those eyes that see the least of it.

    Args:
        classes: K, 1 to 216; further ones begin again.

    Returns:
        uint8 [K, 3], RGB.
    """
    candidates = np.array(list(itertools.product(_STEPS, repeat=3)), np.uint8)
    seen = seen_colors(candidates)
    far = np.linalg.norm(seen - seen[:, :1], axis=-1).min(axis=0)  # from black, which is for what is ignored
    chosen: list[int] = []
    for _ in range(min(classes, len(candidates))):
        chosen.append(int(far.argmax()))
        far = np.minimum(far, np.linalg.norm(seen - seen[:, chosen[-1:]], axis=-1).min(axis=0))
    return candidates[np.resize(chosen, classes)]


def seen_colors(colors: np.ndarray) -> np.ndarray:
    """Return where colors, uint8 [N, 3] RGB, lie in CIE Lab for four kinds of eyes, float32 [4, N, 3]."""
    srgb = colors / 255.0
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    linear = np.stack([linear, *(linear @ matrix.T for matrix in _SEEN_AS)]).clip(0, 1).astype(np.float32)
    return cv2.cvtColor(linear, cv2.COLOR_LRGB2Lab)
