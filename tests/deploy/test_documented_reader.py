"""docs/deployment.md as printed: an export is used without this library."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from paddleseg_lite import Predictor
from paddleseg_lite.deploy.export import ExportOptions, export
from paddleseg_lite.deploy.sidecar import ExportMetadata
from paddleseg_lite.deploy.verify import drawn_picture
from tests.deploy.conftest import HAS_ONNX
from tests.paths import REPOSITORY

pytestmark = pytest.mark.skipif(not HAS_ONNX, reason="the extra `deploy` installs paddle2onnx")
NORMALIZE = {"type": "Normalize", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
RESIZE = {"type": "Resize", "target_size": [64, 48]}


def run_the_text() -> dict[str, Any]:
    """Return the variables after the code that stands behind the words."""
    text = (REPOSITORY / "docs" / "deployment.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"Without this library.*?```python\n(.*?)```", text, re.DOTALL)
    variables: dict[str, Any] = {}
    exec(code, variables)
    return variables


@pytest.mark.parametrize("output_op", ["argmax", "softmax", "none"])
@pytest.mark.parametrize("steps", [[NORMALIZE], [RESIZE, NORMALIZE], [NORMALIZE, RESIZE]])
def test_the_documented_reader_gives_the_same_labels(model, card, tmp_path, monkeypatch, steps, output_op):
    """Protects who copies it: with and without a resize, whatever the export gives."""
    monkeypatch.chdir(tmp_path)
    card = ExportMetadata(card.data, tuple(steps))
    export(model, Path("output/export"), card, ExportOptions(output_op=output_op, format="onnx"))
    cv2.imwrite("photo.jpg", drawn_picture(0, 97, 75)[..., ::-1])
    labels = run_the_text()["labels"]
    known = Predictor.from_exported("output/export")("photo.jpg").mask
    assert labels.shape == known.shape == (75, 97)
    assert len(np.unique(known)) == 2
    assert (labels != known).mean() < 1e-3  # a tie may go either way


def test_the_documented_reader_refuses_the_rest(model, card, tmp_path, monkeypatch):
    """With the rule that it would have to follow, instead of wrong labels."""
    monkeypatch.chdir(tmp_path)
    card = ExportMetadata(card.data, ({"type": "LimitLong", "max_long": 64}, NORMALIZE))
    export(model, Path("output/export"), card, ExportOptions(format="onnx"))
    cv2.imwrite("photo.jpg", drawn_picture(0, 97, 75))
    with pytest.raises(NotImplementedError, match="LimitLong: if the longer side is above max_long"):
        run_the_text()
