"""What the items of a source add up to."""

from __future__ import annotations

import numpy as np

from paddleseg_lite.prepare.fingerprint import Fingerprint
from paddleseg_lite.prepare.unlabeled import Treatment
from paddleseg_lite.prepare.write import Written


class Tally:
    """What the items of a source add up to, one by one.

    Args:
        treatment: what becomes of unlabeled pixels.

    Attributes:
        found: the fingerprint.
        holds: {item's name: bool [K], which classes it shows}.
        hashes: {item's name: see `perceptual_hash`}.
        problems: {item's name: why it is left out}.
        edited: names of items whose labels somebody changed.
        new: labels that were written.
        unlabeled: pixels that nobody annotated.
    """

    def __init__(self, treatment: Treatment) -> None:
        self.treatment = treatment
        self.found = Fingerprint(treatment.classes)
        self.holds: dict[str, np.ndarray] = {}
        self.hashes: dict[str, bytes | None] = {}
        self.problems: dict[str, str] = {}
        self.edited: list[str] = []
        self.new = self.unlabeled = 0

    def add(self, written: Written) -> None:
        """Add an item."""
        if written.problem is not None or written.measured is None:
            self.problems[written.name] = written.problem or ""
            return
        self.found.add(written.measured)
        self.holds[written.name] = written.measured.class_pixels > 0
        self.hashes[written.name] = written.measured.hash
        self.unlabeled += written.unlabeled
        self.new += written.is_new
        self.edited += [written.name] * written.is_edited
