"""A batch's way into a pass: out of a data worker's memory, onto the device, and gone when it is used."""

from __future__ import annotations

from collections.abc import Sequence

from paddle import Tensor

from paddleseg_lite.datasets.loading.loader import Batch
from paddleseg_lite.kernels.upload import upload
from paddleseg_lite.losses.criterion import Criterion


class Pass:
    """What one forward and backward pass is computed from; it holds on to no memory longer than it must.

    Attributes:
        paths: the images' files.
    """

    def __init__(self, batch: Batch) -> None:
        self.paths = batch.paths
        self._arrays = [batch.images, batch.labels]  # [] once uploaded
        self._tensors: list[Tensor] = []  # [] until then, and once taken
        self._normalisers: list[float] = []

    def count(self, criterion: Criterion) -> list[float]:
        """Return what each loss divides by; to be asked before `upload`."""
        self._normalisers = criterion.normalisers(self._arrays[1])
        return self._normalisers

    def shares(self, means: Sequence[float]) -> list[float]:
        """Return a factor for each loss: what it divides by / its mean over the passes of all ranks.

        So a loss that tells what it divides by is the mean over all their pixels, as of one large batch,
        however unequally the ignored ones are spread. 1 where nothing was counted.
        """
        if not self._normalisers:
            return [1.0] * len(means)
        return [own / mean if mean > 0 else 1.0 for own, mean in zip(self._normalisers, means)]

    def upload(self) -> None:
        """Take the batch to the device, once."""
        if self._arrays:
            self._tensors, self._arrays = [upload(array) for array in self._arrays], []

    def take(self) -> tuple[Tensor, Tensor]:
        """Return images float32 [N, C, H, W] and labels uint8 [N, H, W] on the device, and let go of them."""
        self.upload()
        (images, labels), self._tensors = self._tensors, []
        return images, labels
