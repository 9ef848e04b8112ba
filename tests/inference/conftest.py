"""What tests of videos share."""

from __future__ import annotations

import pytest

from paddleseg_lite.errors import missing_modules


@pytest.fixture(params=["PyAV", "OpenCV"])
def reads_by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The library that reads files: PyAV, or OpenCV as where PyAV is missing."""
    from paddleseg_lite.inference import video

    if request.param == "OpenCV":
        monkeypatch.setattr(video, "missing_modules", lambda *names: list(names))
    elif missing_modules("av"):
        pytest.skip("PyAV is not installed")
    return request.param
