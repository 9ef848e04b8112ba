"""docs/python.md as printed, from its first line to its last."""

from __future__ import annotations

import json
import re

import cv2
import numpy as np
import paddle

from paddleseg_lite.checkpoint import save_weights
from paddleseg_lite.config import load_config
from paddleseg_lite.config.build import Plan
from paddleseg_lite.datasets.reading.images import read_stored_label
from tests.conftest import write_config
from tests.paths import REPOSITORY


def test_the_documented_tour(tmp_path, monkeypatch):
    """What it says is there after it: files of the right kinds, results of the right shapes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PADDLESEG_LITE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("paddleseg_lite.deploy.backend.choose", lambda _: ("paddle", "it needs no export"))
    write_config(tmp_path, tmp_path / "nowhere").rename("C.yml")
    paddle.seed(0)
    save_weights(Plan(load_config("C.yml")).model(), tmp_path)
    (tmp_path / "photos").mkdir()
    for number, name in enumerate("abc"):
        picture = np.random.default_rng(number).integers(0, 256, (32, 48, 3), dtype=np.uint8)
        cv2.imwrite(f"photos/{name}.jpg", picture)

    text = (REPOSITORY / "docs" / "python.md").read_text(encoding="utf-8")
    variables: dict[str, object] = {}
    for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(code, variables)

    found = variables["found"]
    assert found.probabilities.shape == (19, 32, 48)
    assert json.loads(variables["text"])["shares"] == found.shares
    assert sorted(path.name for path in (tmp_path / "output" / "photos").iterdir()) == [
        "a.jpg.png", "b.jpg.png", "c.jpg.png"
    ]  # fmt: skip
    assert (tmp_path / "output" / "figure.png").exists()
    np.testing.assert_array_equal(read_stored_label("output/a.png"), found.mask)
    content = json.loads((tmp_path / "photos/polygon_prediction/a.json").read_text())
    assert content["imagePath"] == "../a.jpg"
