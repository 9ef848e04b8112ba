"""Exports into folders that are a disk's own, the current one, or a link: nothing is moved between disks."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from paddleseg_lite.deploy.export import ExportOptions
from paddleseg_lite.deploy.runtimes import PaddleInference
from paddleseg_lite.deploy.verified_export import export_verified
from tests.deploy.conftest import HAS_ONNX

MEMORY = Path("/dev/shm")


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on another disk than `tmp_path`."""
    if not os.access(MEMORY, os.W_OK) or MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("/dev/shm is no disk of its own that can be written to")
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)


@pytest.mark.parametrize("place", ["other disk", "link to another disk", ".", "sub/.."])
def test_an_export_goes_into_any_folder(model, card, tmp_path, request, monkeypatch, place):
    """Twice, so that a second one replaces the first; nothing else is left there."""
    folder = tmp_path / "out"
    if "disk" in place:
        folder = request.getfixturevalue("other_disk")
        if "link" in place:
            (tmp_path / "link").symlink_to(folder)
            folder = tmp_path / "link"
    else:
        (folder / "sub").mkdir(parents=True)
        monkeypatch.chdir(folder)
    save_dir = folder if "disk" in place else Path(place)
    for _ in range(2):
        files, _ = export_verified(
            model, save_dir, card, ExportOptions(format="all" if HAS_ONNX else "paddle")
        )
        assert {path.name for path in folder.iterdir()} - {"sub"} == {path.name for path in files}
    assert PaddleInference(save_dir)(np.zeros((1, 3, 8, 9), np.float32)).shape == (1, 8, 9)
