"""The training criterion: one weighted loss for each output of the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from paddle import Tensor

from paddleseg_lite.errors import UserError

Loss = Callable[[Tensor, Tensor], Tensor]


class Criterion:
    """PaddleSeg's `loss: {types, coef}`: output i of the model goes to loss i, times coefficient i.

    Args:
        losses: callables loss(logits, label) -> scalar.
        coefs: a factor for each loss.

    Attributes:
        losses: as given.
        coefs: as given.
        names: the losses' class names, numbered where one occurs more than once.

    Raises:
        ValueError: the numbers of losses and of factors differ.
    """

    def __init__(self, losses: Sequence[Loss], coefs: Sequence[float]) -> None:
        if len(losses) != len(coefs):
            raise ValueError(f"{len(losses)} losses need as many factors, not {len(coefs)}")
        self.losses = tuple(losses)
        self.coefs = tuple(float(coef) for coef in coefs)
        self._num_classes = 0
        names = [getattr(loss, "__name__", type(loss).__name__) for loss in losses]
        self.names = tuple(
            f"{name}_{names[:index].count(name)}" if names.count(name) > 1 else name
            for index, name in enumerate(names)
        )

    def expect(self, num_classes: int, ignore_index: int | None) -> None:
        """Refuse what does not fit a data set's labels: losses now, and networks when they are computed.

        A data set lets no other ids than its own into a sample, so that none is left to end the process in a
        GPU's kernel, which does not tell the cause.

        Args:
            num_classes: of the data set.
            ignore_index: of its labels; None for those of whole images.

        Raises:
            UserError: a loss ignores another id than the data set, or is for labels of another kind.
        """
        for name, loss in zip(self.names, self.losses):
            ignored = getattr(loss, "ignore_index", ignore_index)
            if ignore_index is None and ignored is not None:
                raise UserError(f"{name} is for labels of pixels; for those of whole images give CELoss")
            if ignored != ignore_index:
                raise UserError(
                    f"{name} has ignore_index {ignored}, but the data set {ignore_index}; make them agree"
                )
        self._num_classes = num_classes

    def normalisers(self, label: np.ndarray) -> list[float]:
        """Return what each loss divides by for label [N, H, W]; 1 for one without a method `normaliser`.

        With it, the means of several batches become the one over all their pixels. Labels are counted where
        they are read: the device need not be waited for.
        """
        counts = [getattr(loss, "normaliser", None) for loss in self.losses]
        return [1.0 if count is None else count(label) for count in counts]

    def kept_fractions(self) -> list[Tensor]:
        """Return the shares of pixels that losses which choose kept in the last call: scalars, unread."""
        kept = (getattr(loss, "kept_fraction", None) for loss in self.losses)
        return [fraction for fraction in kept if fraction is not None]

    def __call__(self, logits: Sequence[Tensor], label: Tensor) -> list[Tensor]:
        """Return the weighted losses, scalars in the order of `names`; their sum is what to minimise.

        Raises:
            UserError: the model has more or fewer outputs than there are losses, fewer classes than the data
                set that is expected, or logits of pixels for labels of whole images, or the other way round.
        """
        if len(logits) != len(self.losses):
            raise UserError(
                f"the model has {len(logits)} output(s) and loss.coef has {len(self.losses)} factor(s); "
                "give one factor for each output"
            )
        if any(output.ndim != (4 if label.ndim == 3 else 2) for output in logits):
            kinds = ("pixels", "a segmentation network such as LPSNet")
            kinds = kinds if label.ndim == 3 else ("whole images", "a classifier such as LPSNetClassifier")
            raise UserError(f"the data set has labels of {kinds[0]}; give it {kinds[1]}")
        fewest = min(output.shape[1] for output in logits)
        if fewest < self._num_classes:
            raise UserError(
                f"the model has {fewest} classes, but the data set {self._num_classes}; give the model the "
                "data set's num_classes"
            )
        return [coef * loss(output, label) for loss, coef, output in zip(self.losses, self.coefs, logits)]
