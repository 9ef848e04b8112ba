"""Made packs, and what is compared of their samples."""

from __future__ import annotations

import json

import numpy as np

from paddleseg_lite.datasets.packed.manifest import MANIFEST

SIZE = (199, 61)  # odd


def assert_same(one, other):
    """Compare two samples bit by bit."""
    assert one.image.dtype == other.image.dtype
    assert isinstance(one.image, np.ndarray)
    np.testing.assert_array_equal(one.image, other.image)
    np.testing.assert_array_equal(one.label, other.label)
    assert (one.path, one.source_size, one.windows) == (other.path, other.source_size, other.windows)


def array(folder, index=0, kind="image"):
    """Return the file of an image or a label in a pack."""
    _, arrays = json.loads((folder / MANIFEST).read_text())["pairs"][index]
    return folder / arrays[kind == "label"][0]
