"""Files and a pack of them."""

from __future__ import annotations

import pytest

from paddleseg_lite.datasets.packed.writer import pack

from ..written_pairs import dataset, write_pairs
from .packs import SIZE


@pytest.fixture
def files(tmp_path):
    """Five pairs of an odd size."""
    return write_pairs(tmp_path / "files", 5, SIZE)


@pytest.fixture
def packed(files, tmp_path):
    """The same, packed; return the folder of the pack's mode."""
    folder = tmp_path / "pack" / "train"
    assert pack(dataset(files), folder).kept == 0
    return folder
