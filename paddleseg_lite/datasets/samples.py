"""What training asks of a data set, whatever its labels are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from paddleseg_lite.errors import UserError
from paddleseg_lite.printable import printable
from paddleseg_lite.transforms import Compose, Sample
from paddleseg_lite.transforms.mixup import BatchTransform

TASKS = ("segmentation", "classification")


class LabelledImages(Protocol):
    """Images with labels, of pixels or of whole images.

    Attributes:
        task: one of TASKS: labels of samples are uint8 [H, W] in segmentation, in classification int64 [].
        num_classes: K.
        mode: 'train', 'val' or 'test'.
        pairs: of each image its file, and its label or the file of that.
        transforms: of each sample.
        batch_transforms: of batches of training, behind `transforms`.
        cache: folder that the samples are read from instead of the files, or None.
        reader: `reader(index) -> (image [H, W, C], label)`, before the transforms.
    """

    task: str
    num_classes: int
    mode: str
    transforms: Compose
    batch_transforms: Sequence[BatchTransform]
    cache: str | Path | None

    @property
    def pairs(self) -> Sequence[tuple[str, Any]]: ...

    @property
    def reader(self) -> Callable[[int], tuple[Any, Any]]: ...

    def __len__(self) -> int: ...

    def sample(self, index: int, epoch: int = 0, seed: int = 0) -> Sample: ...

    def describe(self) -> str: ...


def transformed(sample: Sample, transforms: Compose, rng: np.random.Generator) -> Sample:
    """Return what the transforms make of a sample.

    Raises:
        UserError: one of them does not fit it; the message names its file.
    """
    try:
        return transforms(sample, rng)
    except UserError as error:
        if printable(sample.path) in str(error):
            raise
        raise UserError(f"{sample.path}: {error}") from error
