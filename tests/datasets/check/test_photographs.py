"""Photographs that training would take wrongly: turned against their labels, or decoded by half."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from paddleseg_lite.datasets import Dataset, SegmentationDataset
from paddleseg_lite.datasets.check.check import check_datasets
from paddleseg_lite.datasets.check.findings import Findings
from paddleseg_lite.datasets.check.jpeg import decoder_warnings

from .test_hints import stripes


def check(
    folder: Path, kind: type[SegmentationDataset] = Dataset, num_workers: int = 0, **kwargs: Any
) -> Findings:
    """Return the findings of own.txt."""
    arguments = {"num_classes": 4, "train_path": "own.txt", **kwargs}
    (findings,) = check_datasets({"set": lambda: kind((), str(folder), **arguments)}, num_workers)
    return findings


def write_photograph(folder: Path, orientation: int, stored: tuple[int, int], label: np.ndarray) -> None:
    """Write a JPEG of (height, width) with an EXIF orientation as image0.jpg, and label0.png."""
    tags = Image.Exif()
    tags[274] = orientation
    Image.fromarray(np.full(stored, 90, np.uint8)).save(folder / "image0.jpg", exif=tags)
    cv2.imwrite(str(folder / "label0.png"), label)
    (folder / "own.txt").write_text("image0.jpg label0.png")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("channels", [1, 3])
def test_labels_by_a_tool_that_ignores_exif(tmp_path, orientation, channels):
    """Protects from labels on a side or on their head: a cause where sizes differ, else a warning."""
    write_photograph(tmp_path, orientation, (48, 64), stripes(0, 1, 2, 3))
    findings = check(tmp_path, img_channels=channels)
    if orientation >= 5:
        (problem,) = findings.problems
        assert problem.kind == "sizes that differ"
        assert f"EXIF orientation is {orientation}" in problem.message
        (cause,) = findings.causes
        assert "EXIF orientation" in cause
        assert not findings.warnings
        return
    assert findings.is_usable
    assert not findings.causes
    assert ["image0.jpg" in text and "EXIF" in text for text in findings.warnings] == [True] * (
        orientation > 1
    )
    assert findings.chosen(1) == [0]


def test_labels_by_a_tool_that_obeys_exif(tmp_path):
    """Protects from false alarms where the label's size shows that it was made for the turned photograph."""
    write_photograph(tmp_path, 6, (64, 48), stripes(0, 1, 2, 3))
    findings = check(tmp_path)
    assert findings.is_usable
    assert not findings.warnings
    write_photograph(tmp_path, 6, (48, 48), stripes(0, 1, 2, 3, size=(48, 48)))
    (warning,) = check(tmp_path).warnings
    assert "EXIF" in warning


def test_sizes_that_orientation_does_not_explain(tmp_path):
    """Protects from a wrong cause: a label of some other photograph."""
    write_photograph(tmp_path, 6, (50, 64), stripes(0, 1, 2, 3))
    findings = check(tmp_path)
    assert [problem.kind for problem in findings.problems] == ["sizes that differ"]
    assert not findings.causes


def photograph(restarts: int = 0, progressive: int = 0) -> bytes:
    """Return a JPEG with much in it, 160x120."""
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    flags = [cv2.IMWRITE_JPEG_RST_INTERVAL, restarts, cv2.IMWRITE_JPEG_PROGRESSIVE, progressive]
    return cv2.imencode(".jpg", cv2.GaussianBlur(noise, (0, 0), 2), flags)[1].tobytes()


WHOLE, RESTARTING = photograph(), photograph(restarts=4)
HALF = len(WHOLE) // 2
SCAN = RESTARTING.index(b"\xff\xda")
DAMAGED = {
    "a piece is lost": WHOLE[:-600] + WHOLE[-300:],
    "cut and padded": WHOLE[:HALF] + bytes(HALF - 2) + b"\xff\xd9",
    "cut and closed": WHOLE[:HALF] + b"\xff\xd9",
    "progressive, cut and closed": photograph(progressive=1)[:HALF] + b"\xff\xd9",
    "no restart markers": RESTARTING[:SCAN] + re.sub(rb"\xff[\xd0-\xd7]", b"", RESTARTING[SCAN:]),
    "wrong Huffman data": WHOLE[:HALF]
    + bytes(byte ^ 85 for byte in WHOLE[HALF:-2]).replace(b"\xff", b"")
    + WHOLE[-2:],
}


class Own(Dataset):
    """Reads in a way of its own."""

    def read_files(self, index: int) -> Any:
        return super().read_files(index)


@pytest.mark.parametrize("damage", DAMAGED)
@pytest.mark.parametrize(("kind", "num_workers"), [(Dataset, 0), (Dataset, 2), (Own, 0)])
def test_a_jpeg_that_is_decoded_by_half_is_named(tmp_path, damage, kind, num_workers, capfd):
    """Protects from training on made-up pixels: data that libjpeg does not understand, and an end."""
    (tmp_path / "image1.jpg").write_bytes(DAMAGED[damage])
    (tmp_path / "image2.jpg").write_bytes(WHOLE)
    cv2.imwrite(str(tmp_path / "label.png"), stripes(0, 1, 2, 3, size=(120, 160)))
    (tmp_path / "own.txt").write_text("image1.jpg label.png\nimage2.jpg label.png")
    findings = check(tmp_path, kind, num_workers)
    assert findings.is_usable
    (warning,) = findings.warnings
    assert "image1.jpg: decoded with a warning (Corrupt JPEG data" in warning
    assert "Corrupt JPEG" not in capfd.readouterr().err


def test_other_words_on_stderr_are_passed_on(capfd):
    """Protects progress bars and errors that are written while an image is decoded."""
    with decoder_warnings() as warnings:
        os.write(2, b"Corrupt JPEG data: premature end of data segment\nsomething else\n")
    assert warnings == ["Corrupt JPEG data: premature end of data segment"]
    assert capfd.readouterr().err == "something else\n"
