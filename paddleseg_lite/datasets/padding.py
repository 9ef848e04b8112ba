"""Whether images are too small for what the transforms make of them: a crop that is mostly padding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from paddleseg_lite.datasets.samples import LabelledImages
from paddleseg_lite.errors import UserError
from paddleseg_lite.transforms import Compose, GeometricTransform, Window

_MOST = 0.5  # share of padding that is not told
_LOOKED_AT, _DRAWS = 8, 16  # images; plans of each size
_MULTIPLE = 32  # of the sides that are offered: what the networks shrink images by


def sizes_of_some(dataset: LabelledImages) -> Counter[tuple[int, int]]:
    """Return the sizes (height, width) of a few images, spread over a data set; of those that can be read."""
    sizes: Counter[tuple[int, int]] = Counter()
    for index in np.unique(np.linspace(0, len(dataset) - 1, _LOOKED_AT).astype(int)):
        try:
            height, width = dataset.reader(int(index))[0].shape[:2]
        except UserError:  # told when it is trained on
            continue
        sizes[height, width] += 1
    return sizes


def padding_warning(transforms: Compose, sizes: Mapping[tuple[int, int], int]) -> str | None:
    """Return what to tell if most of what the network sees would be padding, or None.

    Args:
        transforms: of a data set in mode "train".
        sizes: images by (height, width).
    """
    plans = [step for step in transforms.transforms if isinstance(step, GeometricTransform)]
    rng, shares, canvas = np.random.default_rng(0), [], ""
    for (height, width), count in Counter(sizes).most_common(_LOOKED_AT):
        for _ in range(_DRAWS):
            window = Window.identity(height, width)
            try:
                for step in plans:
                    window = step.plan(window, rng)
            except UserError:  # told when it is trained on
                return None
            shown = [(axis.high - axis.low) / axis.size for axis in (window.y, window.x)]
            shares += [1 - shown[0] * shown[1]] * count
            canvas = canvas or f"{window.width}x{window.height}"
    share = float(np.mean(shares)) if shares else 0.0
    if share <= _MOST:
        return None
    (height, width), _ = Counter(sizes).most_common(1)[0]
    wide, high = (max(side // _MULTIPLE, 1) * _MULTIPLE for side in (width, height))
    return (
        f"{share:.0%} of what the network sees is padding: the images, such as {width}x{height}, are small "
        f"for the {canvas} (width x height) that the transforms of train_dataset make; a crop_size of "
        f"[{wide}, {high}] suits them"
    )
