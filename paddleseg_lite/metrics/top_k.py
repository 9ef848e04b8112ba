"""How often the class of an image is the network's first choice, or among its first five."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class TopK:
    """Scores of a classification, in [0, 1].

    Attributes:
        images: how many were looked at.
        top1: the share of them whose class has the highest logit.
        top5: the share whose class is among the five highest.
    """

    images: int
    top1: float
    top5: float

    def summary(self) -> str:
        """Return all in a line."""
        return f"#Images: {self.images} top-1: {self.top1:.4f} top-5: {self.top5:.4f}"

    def as_dict(self) -> dict[str, Any]:
        """Return all by name, as JSON values."""
        return asdict(self)
