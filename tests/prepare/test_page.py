"""The page of samples."""

from __future__ import annotations

import re

import cv2
import numpy as np

from paddleseg_lite.prepare.dataset import InitOptions, prepare_dataset
from paddleseg_lite.prepare.page import choose

from .stub import StubSource


def test_every_class_is_seen():
    """Also one of a single image among many; else images are spread over all."""
    holds = {f"p{number:03}": np.array([True, number == 77]) for number in range(200)}
    picked = choose(holds, 5)
    assert "p077" in picked
    assert len(picked) == 5
    assert choose({"a": np.array([True])}, 5) == ["a"]


def test_a_page_is_whole_and_escapes_names(tmp_path):
    """Pictures are in it; names from files are text, whatever they hold."""
    source = StubSource(tmp_path / "s", ["<b>", "ü"], classes=("<script>", "树"))
    prepare_dataset(source, InitOptions(tmp_path / "out"))
    text = (tmp_path / "out" / "samples.html").read_text(encoding="utf-8")
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "树" in text
    assert len(re.findall(r'src="data:image/jpeg;base64,/9j/', text)) == 4
    assert not re.search(r"https?:|src=\"(?!data)", text)
    assert cv2.haveImageReader(str(tmp_path / "out" / "labels" / "ü.png"))
