"""Pictures and videos that several tests share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from paddleseg_lite.errors import missing_modules
from tests.annotations.written import write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures in a folder and a subfolder; the right half of each is bright."""
    image = np.zeros((10, 20, 3), np.uint8)
    image[:, 10:] = 255
    for name in ("a.png", "sub/b ü.jpg"):
        write(tmp_path / "in put" / name, image)
    return tmp_path / "in put"


@pytest.fixture(params=["PyAV", "OpenCV"])
def reads_by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The library that reads files: PyAV, or OpenCV as where PyAV is missing."""
    from paddleseg_lite.inference import video

    if request.param == "OpenCV":
        monkeypatch.setattr(video, "missing_modules", lambda *names: list(names))
    elif missing_modules("av"):
        pytest.skip("PyAV is not installed")
    return request.param
